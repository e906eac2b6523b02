"""What happens to a run between its start and the queue, whoever starts it: schedule, sensor, backfill, UI or API.

Belongs here: the two things that must hold for every run and that only the coordinator sees for all of them: it has its
task's queue and time limit and its batch, and it is not the second start of the same work with the same run config.
Named in dagster.yaml, so it is loaded by webserver and daemon as well; it must stay light and import nothing of the
work.
"""

import dagster as dg

from erp_medusa_pipelines.orchestration.dagster_internals import (
    BACKFILL_ID_TAG,
    MAX_RUNTIME_SECONDS_TAG,
    QueuedRunCoordinator,
    SubmitRunContext,
    report_canceled,
)
from erp_medusa_pipelines.orchestration.jobs import BATCH_TAG, QUEUE_TAG, run_tags
from erp_medusa_pipelines.orchestration.runs import (
    DUPLICATE_OF_TAG,
    REFUSED_TAG,
    older_run_in_the_way,
    only_batch_of,
    partition_of,
    tasks_of,
)
from erp_medusa_pipelines.orchestration.shops import limit_tags


class TaskRunCoordinator(QueuedRunCoordinator):
    """Dagster's queue, with the crontab's rules for runs that do not come from its jobs."""

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """Queue the run; or end it at once, with the reason, when an earlier one does the same work."""
        run = context.dagster_run
        if run.status != dg.DagsterRunStatus.NOT_STARTED:
            return super().submit_run(context)
        missing = missing_tags(run)
        missing |= limit_tags(run, {**missing, **run.tags}.get(QUEUE_TAG), only_batch_of(run))
        if missing:
            self._instance.add_run_tags(run.run_id, missing)
        if DUPLICATE_OF_TAG in run.tags:
            # "Re-execute" copies the tags of a refused run. Tags can be emptied, not taken away.
            self._instance.add_run_tags(run.run_id, {DUPLICATE_OF_TAG: "", REFUSED_TAG: ""})
        # A run of a backfill that is ended here would end the backfill as failed; in the queue it waits its turn.
        older = None if BACKFILL_ID_TAG in run.tags else older_run_in_the_way(self._instance, run)
        if older is None:
            return super().submit_run(context)
        tags = {DUPLICATE_OF_TAG: older.run_id, REFUSED_TAG: f"run {older.run_id[:8]} does it"}
        self._instance.add_run_tags(run.run_id, tags)
        report_canceled(self._instance, run, _refusal(run, older))
        return self._instance.get_run_by_id(run.run_id) or run


def missing_tags(run: dg.DagsterRun) -> dict[str, str]:
    """What the limits in dagster.yaml go by and the run lacks.

    That is its batch. For a run started from an asset's page it is also queue and time limit: of several tasks, the
    longest one's.
    """
    tasks = tasks_of(run)
    if not tasks:
        return {}
    batch = only_batch_of(run)
    tags = run_tags(max(tasks, key=lambda task: task.seconds)) | ({BATCH_TAG: batch} if batch else {})
    if len(tasks) > 1:
        tags[MAX_RUNTIME_SECONDS_TAG] = str(sum(task.seconds for task in tasks))
    return {key: value for key, value in tags.items() if key not in run.tags}


def _refusal(run: dg.DagsterRun, older: dg.DagsterRun) -> str:
    partition = partition_of(run)
    what = ", ".join(task.name for task in tasks_of(run)) or run.job_name
    if partition:
        what += f" for {partition}"
    return (
        f"Not started, nothing was touched: run {older.run_id} already does the work of {what}"
        f" ({older.status.value.lower().replace('_', ' ')}). Start it again when that run has ended."
    )
