"""Dagster's launcher of local processes, with the health check that it lacks.

Belongs here: the answer to run monitoring's question whether a run's process still works. Without it a run whose
process was killed together with the daemon stays started until its time limit. Named in dagster.yaml, so it is loaded
by webserver and daemon: it must stay light. Launchers of containers know their workers themselves and need none of it.
"""

import dagster as dg

from erp_medusa_pipelines.orchestration.dagster_internals import (
    CheckRunHealthResult,
    ConfigurableClassData,
    DefaultRunLauncher,
    WorkerStatus,
)
from erp_medusa_pipelines.orchestration.sign_of_life import PATIENCE_SECONDS, Watcher, last_sign, shows_signs


class WatchingRunLauncher(DefaultRunLauncher):
    """Launches runs on the code server, and tells those whose process shows no sign of life any more."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data=inst_data)
        self._watcher = Watcher()

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Run monitoring asks."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """FAILED for a run of ours that has been silent for too long."""
        if not shows_signs(run):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        silent = self._watcher.silent_seconds(run.run_id, last_sign(self._instance, run))
        if silent < PATIENCE_SECONDS:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        text = (
            f"no sign of life of its process for {silent:.0f} s: it was killed, or its machine is off."
            " What it wrote is kept; the sensor retry_failed_partitions starts it again"
        )
        return CheckRunHealthResult(WorkerStatus.FAILED, text)
