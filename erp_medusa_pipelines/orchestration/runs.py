"""What a run is about: its task, its assets, its batch, and which other runs stand in its way.

Belongs here: reading runs and their tags. Does not belong here: deciding to start, retry or report one.

A run may come from a task's schedule (job = task), from the retry sensor (the task's job with some of its assets), or
from an asset's page or a backfill, where Dagster uses one job for everything and the assets alone say what it is.
"""

from collections.abc import Iterable

import dagster as dg
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from erp_medusa_pipelines.tasks import TASKS, Task

ACTIVE = [*IN_PROGRESS_RUN_STATUSES, dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED]
"""Statuses of a run that has not ended. A run is NOT_STARTED for the moment between its creation and the queue."""

ASSET_JOB = "__ASSET_JOB"
"""The job that Dagster makes for runs started from an asset's page."""

DUPLICATE_OF_TAG = "erp_medusa_pipelines/duplicate_of"
"""On a run that was ended before it began, because the run named here already does its work."""


def tasks_of(run: dg.DagsterRun) -> list[Task]:
    """The tasks whose assets the run materializes, in the order of the crontab."""
    assets = assets_of(run)
    return [task for task in TASKS if assets.intersection(task.assets)]


def assets_of(run: dg.DagsterRun) -> frozenset[str]:
    """Names of the assets that the run materializes; empty for a job that is not about assets."""
    if run.asset_selection is not None:
        return frozenset(key.to_user_string() for key in run.asset_selection)
    if run.job_name == ASSET_JOB:
        return frozenset(asset for task in TASKS for asset in task.assets)
    return frozenset(asset for task in TASKS if task.name == run.job_name for asset in task.assets)


def partition_of(run: dg.DagsterRun) -> str | None:
    """The batch that the run is for; a range of batches in one run reads `first...last`."""
    first, last = run.tags.get(ASSET_PARTITION_RANGE_START_TAG), run.tags.get(ASSET_PARTITION_RANGE_END_TAG)
    return f"{first}...{last}" if first and last else run.tags.get(PARTITION_NAME_TAG)


def does_the_work_of(run: dg.DagsterRun, job_name: str, assets: frozenset[str], partition: str | None) -> bool:
    """Whether the run covers all of another one: each of its assets, for the same batch."""
    if not assets:
        return run.job_name == job_name
    return partition_of(run) == partition and assets <= assets_of(run)


def active_runs(instance: dg.DagsterInstance) -> list[dg.RunRecord]:
    """Runs that have not ended, oldest first."""
    return sorted(instance.get_run_records(dg.RunsFilter(statuses=ACTIVE)), key=lambda record: record.storage_id)


def older_run_in_the_way(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRun | None:
    """An active run, created earlier, that covers this one.

    Only earlier ones count, by the order in which storage took them in: of two runs started at the same moment by
    different processes one goes on, and both agree on which.
    """
    assets, partition = assets_of(run), partition_of(run)
    for record in active_runs(instance):
        if record.dagster_run.run_id == run.run_id:
            return None
        if does_the_work_of(record.dagster_run, run.job_name, assets, partition):
            return record.dagster_run
    return None


def active_partitions(
    instance: dg.DagsterInstance, job_name: str, assets: Iterable[str], partitions: Iterable[str | None]
) -> dict[str | None, str]:
    """Run ids by batch, for those of `partitions` where an active run already covers the assets."""
    active = [record.dagster_run for record in active_runs(instance)]
    wanted = frozenset(assets)
    found = {}
    for partition in partitions:
        for run in active:
            if does_the_work_of(run, job_name, wanted, partition):
                found[partition] = run.run_id
                break
    return found
