"""Dagster's launchers, with a health check based on the run's own heartbeat.

Without it, a run whose process was killed together with the daemon stays started until its time limit. dagster.yaml
names it, so webserver and daemon load it: it must stay light.
"""

from typing import Any

import dagster as dg

from erp_medusa_pipelines.orchestration.dagster_internals import (
    CheckRunHealthResult,
    ConfigurableClassData,
    DefaultRunLauncher,
    RunLauncher,
    WorkerStatus,
)
from erp_medusa_pipelines.orchestration.runs.process import PATIENCE_SECONDS, Watcher, has_heartbeat, last_heartbeat


class Watching(RunLauncher):
    """Mixin for launchers that fails runs of ours whose heartbeat has stopped.

    A worker failure that the launcher knows of counts at once; otherwise the heartbeat decides.
    """

    _watcher: Watcher

    def watch(self) -> None:
        """Start watching; `__init__` must call it."""
        self._watcher = Watcher()

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Tell run monitoring that health checks are supported."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Return FAILED for a run of ours whose heartbeat stopped, or whose worker the launcher knows to be gone."""
        known = self.what_the_launcher_knows(run)
        if known.status in (WorkerStatus.FAILED, WorkerStatus.NOT_FOUND) or not has_heartbeat(run):
            return known
        silent = self._watcher.silent_seconds(run.run_id, last_heartbeat(self._instance, run))
        if silent < PATIENCE_SECONDS:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        text = (
            f"no heartbeat from its process for {silent:.0f} s: it was killed, or its machine is off."
            " What it wrote is kept; the sensor retry_failed_partitions starts it again"
        )
        return CheckRunHealthResult(WorkerStatus.FAILED, text)

    def what_the_launcher_knows(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Return the launcher's view of the run's worker; RUNNING if it does not know."""
        launcher: Any = super()
        if not launcher.supports_check_run_worker_health:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        found = launcher.check_run_worker_health(run)
        # Run monitoring would fail a run of unknown state, but a broker that lost it does not mean a dead process.
        return CheckRunHealthResult(WorkerStatus.RUNNING) if found.status == WorkerStatus.UNKNOWN else found


class WatchingRunLauncher(Watching, DefaultRunLauncher):
    """Launch runs as processes of the code server's machine."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data=inst_data)
        self.watch()
