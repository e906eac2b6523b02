"""Schedules from the crontab: when a tick starts runs, and when it does not.

Schedules are stopped until an operator turns them on: installing this must not start a second worker beside Frappe's
scheduler. A missed night is not made up for: the work depends on the state of both servers, so the newest tick does.
"""

from collections.abc import Iterator

import dagster as dg
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES
from dagster._core.storage.tags import PARTITION_NAME_TAG

from erp_medusa_pipelines.orchestration.jobs import run_tags
from erp_medusa_pipelines.tasks import Task

ACTIVE = [*IN_PROGRESS_RUN_STATUSES, dg.DagsterRunStatus.QUEUED]


def active_runs(instance: dg.DagsterInstance, job_name: str) -> dict[str | None, str]:
    """Run ids of the job's runs that have not ended, by partition key (None without one)."""
    runs = instance.get_runs(dg.RunsFilter(job_name=job_name, statuses=ACTIVE))
    return {run.tags.get(PARTITION_NAME_TAG): run.run_id for run in runs}


def build_schedule(task: Task, job: object, batches: dg.PartitionsDefinition, zone: str) -> dg.ScheduleDefinition:
    """One run per tick, or one per batch; none where the last one is still going."""

    @dg.schedule(
        name=f"{task.name}_schedule",
        cron_schedule=task.cron,
        job=job,  # pyright: ignore[reportArgumentType]  # an asset job is resolved by Definitions
        execution_timezone=zone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=task.description,
    )
    def tick(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        keys: list[str | None] = [*batches.get_partition_keys()] if task.partitioned else [None]
        active = active_runs(context.instance, task.name)
        for key in keys:
            if key not in active:
                yield dg.RunRequest(partition_key=key, run_key=None, tags=run_tags(task))
        if all(key in active for key in keys):
            yield dg.SkipReason(f"{task.name} is still running: {', '.join(sorted(set(active.values())))}")

    return tick
