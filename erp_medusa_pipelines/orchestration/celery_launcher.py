"""Dagster's launcher for Celery: each run in the Celery queue that is named like its task's queue, and watched.

Belongs here: what Dagster's own launcher for Celery lacks. Loaded only where dagster.yaml names it; needs the extra
`celery`.
"""

from typing import Any

import dagster as dg
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_QUEUE_TAG, DAGSTER_CELERY_TASK_ID_TAG

from erp_medusa_pipelines.orchestration.dagster_internals import (
    CheckRunHealthResult,
    LaunchRunContext,
    WorkerStatus,
)
from erp_medusa_pipelines.orchestration.jobs import QUEUE_TAG
from erp_medusa_pipelines.orchestration.run_launcher import Watching


class WatchingCeleryRunLauncher(Watching, CeleryRunLauncher):
    """Launches runs as tasks of Celery, in the queues `short`, `default` and `long`.

    Celery itself notices a pool process that died, and tells it. A whole worker that is gone nobody tells: its task
    stays started for ever, so the run's own signs of life decide.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.watch()

    def launch_run(self, context: LaunchRunContext) -> None:
        """Send the run to its queue; one without a queue goes to `default_queue`."""
        run = context.dagster_run
        queue = run.tags.get(QUEUE_TAG)
        if queue and DAGSTER_CELERY_QUEUE_TAG not in run.tags:
            tags = {DAGSTER_CELERY_QUEUE_TAG: queue}
            self._instance.add_run_tags(run.run_id, tags)
            context = LaunchRunContext(run.with_tags({**run.tags, **tags}), context.workspace)
        super().launch_run(context)

    def terminate(self, run_id: str) -> bool:
        """End the run's pool process; False for a run that Celery was never told of."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or DAGSTER_CELERY_TASK_ID_TAG not in run.tags:
            return False
        return super().terminate(run_id)

    def what_the_launcher_knows(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """As Celery tells it. The run may begin a moment before it is noted which task of Celery it is."""
        if DAGSTER_CELERY_TASK_ID_TAG not in run.tags:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return super().what_the_launcher_knows(run)
