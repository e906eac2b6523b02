"""Dagster's launcher for Celery: each run goes to the Celery queue of its shop and its task's queue, and is monitored.

Loaded only where dagster.yaml names it; needs the extra `celery`.
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
from erp_medusa_pipelines.orchestration.shops import celery_queue, shop_of


class WatchingCeleryRunLauncher(Watching, CeleryRunLauncher):
    """Launch runs as tasks of Celery, in the queues `short`, `default` and `long`, of several shops in each one's own.

    Celery reports a pool process that died, but not a whole worker that is gone: its task stays started forever, so
    the run's own heartbeat decides.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.watch()

    def launch_run(self, context: LaunchRunContext) -> None:
        """Send the run to its queue; one without a queue goes to `default_queue`."""
        run = context.dagster_run
        if DAGSTER_CELERY_QUEUE_TAG not in run.tags:
            queue = celery_queue(shop_of(run), run.tags.get(QUEUE_TAG) or self.default_queue)
            tags = {DAGSTER_CELERY_QUEUE_TAG: queue}
            self._instance.add_run_tags(run.run_id, tags)
            context = LaunchRunContext(run.with_tags({**run.tags, **tags}), context.workspace)
        super().launch_run(context)

    def terminate(self, run_id: str) -> bool:
        """End the run's pool process. Returns False for a run that has ended or was never sent to Celery."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished or DAGSTER_CELERY_TASK_ID_TAG not in run.tags:
            return False
        # Dagster's own launcher does not say it: the run would count as failed, and the retry sensor would repeat it.
        self._instance.report_run_canceling(run)
        return super().terminate(run_id)

    def what_the_launcher_knows(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Return Celery's view of the worker. A run may start just before the id of its Celery task is stored."""
        if DAGSTER_CELERY_TASK_ID_TAG not in run.tags:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return super().what_the_launcher_knows(run)
