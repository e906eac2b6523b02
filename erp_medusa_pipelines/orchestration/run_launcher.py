"""Dagster's launchers, with a health check that believes the run itself.

Belongs here: the answer to run monitoring's question whether a run's process still works. Without it a run whose
process was killed together with the daemon stays started until its time limit. Named in dagster.yaml, so it is loaded
by webserver and daemon: it must stay light.
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
from erp_medusa_pipelines.orchestration.sign_of_life import PATIENCE_SECONDS, Watcher, last_sign, shows_signs


class Watching(RunLauncher):
    """Put before a launcher, it tells the runs of ours whose process shows no sign of life any more.

    What the launcher itself knows of a worker that failed counts at once; what it does not know is asked of the run.
    """

    _watcher: Watcher

    def watch(self) -> None:
        """Begin to watch; to be called by `__init__`."""
        self._watcher = Watcher()

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Run monitoring asks."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """FAILED for a run of ours that has been silent for too long, or whose worker the launcher knows to be gone."""
        known = self.what_the_launcher_knows(run)
        if known.status in (WorkerStatus.FAILED, WorkerStatus.NOT_FOUND) or not shows_signs(run):
            return known
        silent = self._watcher.silent_seconds(run.run_id, last_sign(self._instance, run))
        if silent < PATIENCE_SECONDS:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        text = (
            f"no sign of life of its process for {silent:.0f} s: it was killed, or its machine is off."
            " What it wrote is kept; the sensor retry_failed_partitions starts it again"
        )
        return CheckRunHealthResult(WorkerStatus.FAILED, text)

    def what_the_launcher_knows(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Of the run's worker; RUNNING where it knows nothing."""
        launcher: Any = super()
        if not launcher.supports_check_run_worker_health:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        found = launcher.check_run_worker_health(run)
        # Run monitoring would fail a run of an unknown state: a broker that forgot is no process that died.
        return CheckRunHealthResult(WorkerStatus.RUNNING) if found.status == WorkerStatus.UNKNOWN else found


class WatchingRunLauncher(Watching, DefaultRunLauncher):
    """Launches runs on the code server as processes of its machine."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data=inst_data)
        self.watch()
