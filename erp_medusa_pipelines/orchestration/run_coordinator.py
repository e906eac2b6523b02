"""Checks each run between its start and the queue, whether a schedule, sensor, backfill, the UI or the API starts it.

Two rules for every run, which only the coordinator can apply to all of them: a run has the tags of its task's queue,
time limit and batch, and it is not a second start of the same work with the same run config. Queued behind the first it
would find nothing to do, maybe hours later; refused, it says at once which run does the work. dagster.yaml names this
module, so webserver and daemon load it too; it must stay light and import nothing of the work.
"""

import os

import dagster as dg

from erp_medusa_pipelines.orchestration.copies import quiet_a_copy
from erp_medusa_pipelines.orchestration.dagster_internals import (
    BACKFILL_ID_TAG,
    MAX_RUNTIME_SECONDS_TAG,
    PARENT_RUN_ID_TAG,
    QueuedRunCoordinator,
    SubmitRunContext,
    report_canceled,
)
from erp_medusa_pipelines.orchestration.jobs import BATCH_TAG, QUEUE_TAG, queue_tags, run_tags
from erp_medusa_pipelines.orchestration.runs.work import (
    ATTEMPT_TAG,
    DUPLICATE_OF_TAG,
    REFUSED_TAG,
    RETRY_OF_TAG,
    checks_of,
    older_run_in_the_way,
    only_batch_of,
    partition_of,
    tasks_of,
)
from erp_medusa_pipelines.orchestration.shops import limit_tags
from erp_medusa_pipelines.tasks import SHORT

# Dagster stores times of runs by the clock of the database's session, and reads them as UTC. libpq asks for this zone.
os.environ.setdefault("PGTZ", "UTC")

CHECK_SECONDS = 300
"""Time limit of a run of checks alone. The longest one, `shop_is_ready`, asks both servers some sixty questions."""


class TaskRunCoordinator(QueuedRunCoordinator):
    """Dagster's queued coordinator, which applies the crontab's rules to runs of any origin."""

    def register_instance(self, instance: dg.DagsterInstance) -> None:
        """Take the instance. Every Dagster process does this before it starts anything: a copy is turned off here."""
        super().register_instance(instance)
        quiet_a_copy(instance)

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """Queue the run, or end it at once with the reason if an earlier run does the same work."""
        run = context.dagster_run
        if run.status != dg.DagsterRunStatus.NOT_STARTED:
            return super().submit_run(context)
        missing = missing_tags(run)
        if PARENT_RUN_ID_TAG in run.tags and ATTEMPT_TAG in run.tags:
            # "Re-execute" copies the tags of a retry, but a person begins anew. Tags can be emptied, not removed.
            missing |= {ATTEMPT_TAG: "", RETRY_OF_TAG: ""}
        missing |= limit_tags(run, {**missing, **run.tags}.get(QUEUE_TAG), only_batch_of(run))
        if missing:
            self._instance.add_run_tags(run.run_id, missing)
        if DUPLICATE_OF_TAG in run.tags:
            # Of a refused run as well.
            self._instance.add_run_tags(run.run_id, {DUPLICATE_OF_TAG: "", REFUSED_TAG: ""})
        # Ending a backfill's run here would fail the backfill; instead it waits in the queue.
        older = None if BACKFILL_ID_TAG in run.tags else older_run_in_the_way(self._instance, run)
        if older is None:
            return super().submit_run(context)
        tags = {DUPLICATE_OF_TAG: older.run_id, REFUSED_TAG: f"run {older.run_id[:8]} does it"}
        self._instance.add_run_tags(run.run_id, tags)
        report_canceled(self._instance, run, _refusal(run, older))
        return self._instance.get_run_by_id(run.run_id) or run


def missing_tags(run: dg.DagsterRun) -> dict[str, str]:
    """Return tags that the limits in dagster.yaml need and the run lacks, or has wrong.

    These are its batch and, for a run started from an asset's page, queue and time limit: those of the longest of its
    tasks. A run of checks alone has a short queue's.
    """
    tasks, batch = tasks_of(run), only_batch_of(run)
    if checks_of(run):
        tags = {**queue_tags(SHORT), MAX_RUNTIME_SECONDS_TAG: str(CHECK_SECONDS)}
    elif tasks:
        tags = run_tags(max(tasks, key=lambda task: task.seconds))
    else:
        return {}
    if len(tasks) > 1:
        tags[MAX_RUNTIME_SECONDS_TAG] = str(sum(task.seconds for task in tasks))
    missing = {key: value for key, value in tags.items() if key not in run.tags}
    # Whoever wrote another batch there would let two runs work on this one.
    return missing | ({BATCH_TAG: batch} if batch and run.tags.get(BATCH_TAG) != batch else {})


def _refusal(run: dg.DagsterRun, older: dg.DagsterRun) -> str:
    partition = partition_of(run)
    what = ", ".join(task.name for task in tasks_of(run)) or run.job_name
    if partition:
        what += f" for {partition}"
    return (
        f"Not started, nothing was changed: run {older.run_id} is already working on {what}"
        f" ({older.status.value.lower().replace('_', ' ')}). Try again when that run has ended."
    )
