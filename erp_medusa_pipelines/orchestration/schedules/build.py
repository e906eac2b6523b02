"""Schedules from the crontab: when a tick starts runs, and when it does not.

Schedules are stopped until an operator turns them on: installing this must not start a second worker beside Frappe's
scheduler. A missed night is not repeated: the work depends on the state of both servers, so the latest tick is enough.
"""

from collections.abc import Iterator

import dagster as dg

from erp_medusa_pipelines.orchestration.jobs import run_tags
from erp_medusa_pipelines.orchestration.runs.work import active_partitions
from erp_medusa_pipelines.orchestration.schedules.execution_limits import RESET_JOB, ExecutionLimit, stop_schedule
from erp_medusa_pipelines.orchestration.schedules.frappe_scheduler import ASK_TAG, reason_left_to_frappe
from erp_medusa_pipelines.orchestration.schedules.gates import reason_to_skip
from erp_medusa_pipelines.tasks import Task


def build_schedule(
    task: Task,
    job: object,
    batches: dg.PartitionsDefinition,
    zone: str,
    limit: ExecutionLimit | None = None,
) -> dg.ScheduleDefinition:
    """Build a schedule: one run per tick or per batch, none while one is active or after the execution limit."""

    @dg.schedule(
        name=task.schedule,
        cron_schedule=task.cron,
        job=job,  # pyright: ignore[reportArgumentType]  # an asset job is resolved by Definitions
        execution_timezone=zone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=task.description,
    )
    def tick(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        instance, moment = context.instance, context.scheduled_execution_time
        if limit and limit.reached(instance, moment):
            stop_schedule(instance, task.schedule)
            yield dg.SkipReason(
                f"{task.name} was started {limit.limit} times, its execution limit: the schedule is turned off."
                f" To reset the count, run the job {RESET_JOB} and turn the schedule on again."
            )
            return
        keys: list[str | None] = [*batches.get_partition_keys()] if task.partitioned else [None]
        active = active_partitions(instance, task, keys, tick=moment)
        due = [key for key in keys if key not in active]
        if not due:
            yield dg.SkipReason(f"{task.name} is still running: {', '.join(sorted(set(active.values())))}")
            return
        reason = reason_to_skip(task, instance)
        turn = "" if reason else reason_left_to_frappe(task, instance, moment)
        if reason or turn:
            yield dg.SkipReason(reason or turn)
            return
        tags = run_tags(task) if turn is not None else {**run_tags(task), ASK_TAG: "yes"}
        if limit:
            limit.count(instance, moment)
        for key in due:
            # Dagster refuses several requests of one tick without a key. It looks for a key among the runs of the same
            # schedule and moment only, so the batch's name starts each batch once a tick, and again with the next one.
            yield dg.RunRequest(partition_key=key, run_key=key, tags=tags)

    return tick
