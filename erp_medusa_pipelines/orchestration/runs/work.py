"""What a run is about: its task, assets and batch, and which other runs do the same work.

A run may come from a task's schedule (job = task), from the retry sensor (the task's job with some of its assets), or
from an asset's page or a backfill, where Dagster uses one job for everything and the assets alone say what it is.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from erp_medusa_pipelines.orchestration.dagster_internals import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    IN_PROGRESS_RUN_STATUSES,
    PARTITION_NAME_TAG,
    SCHEDULED_EXECUTION_TIME_TAG,
    in_groups,
)
from erp_medusa_pipelines.orchestration.jobs import BATCH_TAG
from erp_medusa_pipelines.orchestration.shops import asset_name, shop_name, shop_of
from erp_medusa_pipelines.tasks import ALL_ASSETS, EXPORT, TASKS, Task, is_ours, owner_task

ACTIVE = [*IN_PROGRESS_RUN_STATUSES, dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED]
"""Statuses of a run that has not ended. A run is NOT_STARTED briefly between its creation and the queue."""

ASSET_JOB = "__ASSET_JOB"
"""The job that Dagster makes for runs started from an asset's page."""

DUPLICATE_OF_TAG = "erp_medusa_pipelines/duplicate_of"
"""Tag of a run that was ended before it started, because the run named here already does its work."""

REFUSED_TAG = "not_started"
"""Tag beside it that tells a refused start from a canceled run in the UI's list of runs."""


ATTEMPT_TAG = "erp_medusa_pipelines/attempt"
RETRY_OF_TAG = "erp_medusa_pipelines/retry_of"
"""Tags of a run that the retry sensor started: the number of the retry, and the failed run."""


def tasks_of(run: dg.DagsterRun) -> list[Task]:
    """Return the task whose job the run is; for a run from an asset's page, the owner tasks of its assets."""
    own = [task for task in TASKS if task.name == run.job_name]
    if own:
        return own
    homes = {owner_task(asset).name for asset in assets_of(run) if is_ours(asset)}
    return [task for task in TASKS if task.name in homes]


def assets_of(run: dg.DagsterRun) -> frozenset[str]:
    """Return the names of assets that the run materializes; empty for a job without assets, and for checks alone."""
    if checks_of(run):
        return frozenset()
    if run.asset_selection is not None:
        return frozenset(asset_name(key) for key in run.asset_selection)
    if run.job_name == ASSET_JOB:
        return frozenset(ALL_ASSETS)
    return frozenset(asset for task in TASKS if task.name == run.job_name for asset in task.assets)


def checks_of(run: dg.DagsterRun) -> frozenset[dg.AssetCheckKey]:
    """Return the checks of a run that executes checks and materializes nothing."""
    return frozenset() if run.asset_selection else frozenset(run.asset_check_selection or ())


def partition_of(run: dg.DagsterRun) -> str | None:
    """Return the run's batch; `first...last` for a range of several batches in one run."""
    first, last = run.tags.get(ASSET_PARTITION_RANGE_START_TAG), run.tags.get(ASSET_PARTITION_RANGE_END_TAG)
    return f"{first}...{last}" if first and last and first != last else first_batch_of(run)


def only_batch_of(run: dg.DagsterRun) -> str | None:
    """Return the batch of a run for exactly one. Dagster has it in one tag or, in a backfill, as a range of one."""
    first, last = run.tags.get(ASSET_PARTITION_RANGE_START_TAG), run.tags.get(ASSET_PARTITION_RANGE_END_TAG)
    return first_batch_of(run) if first == last else None


def first_batch_of(run: dg.DagsterRun) -> str | None:
    """Return the run's batch, or the first one of a range."""
    return run.tags.get(ASSET_PARTITION_RANGE_START_TAG) or run.tags.get(PARTITION_NAME_TAG)


@dataclass(frozen=True)
class Work:
    """The work of a run: enough to tell whether another run already does it."""

    job_name: str
    tasks: frozenset[str]
    assets: frozenset[str]
    partition: str | None
    shop: str | None = None
    checks: frozenset[dg.AssetCheckKey] = frozenset()

    @classmethod
    def of(cls, run: dg.DagsterRun) -> "Work":
        """The work of a run."""
        tasks = frozenset(task.name for task in tasks_of(run))
        return cls(run.job_name, tasks, assets_of(run), partition_of(run), shop_of(run), checks_of(run))

    @classmethod
    def of_task(cls, task: Task, partition: str | None) -> "Work":
        """Return the work of a task's own job."""
        tasks = frozenset({task.name}) if task.assets else frozenset()
        return cls(task.name, tasks, frozenset(task.assets), partition, shop_name())

    def is_repeated_by(self, other: dg.DagsterRun, run: dg.DagsterRun) -> bool:
        """Return whether `run`, which is this work, has the run config of the other one and adds nothing to it.

        Another run config - `allow_zero`, `retry_rejected` - means other work on the same batch.
        """
        return run.run_config == other.run_config and self.is_done_by(Work.of(other))

    def is_done_by(self, other: "Work") -> bool:
        """Return whether the other one covers it: the same tasks, the same batch, all of the assets.

        A longer job that ends with the same assets is another task: it may fail before it reaches them.
        """
        if self.shop != other.shop:
            return False
        if not self.assets:
            return (self.job_name, self.checks) == (other.job_name, other.checks)
        return self.tasks == other.tasks and self.partition == other.partition and self.assets <= other.assets


def active_runs(instance: dg.DagsterInstance) -> list[dg.RunRecord]:
    """Return runs that have not ended, oldest first."""
    return sorted(instance.get_run_records(dg.RunsFilter(statuses=ACTIVE)), key=lambda record: record.storage_id)


def run_records(instance: dg.DagsterInstance, run_ids: Collection[str]) -> dict[str, dg.RunRecord]:
    """Return the runs of these ids that still exist. Hundreds at once are a query or two."""
    return {
        record.dagster_run.run_id: record
        for some in in_groups(run_ids)
        for record in instance.get_run_records(dg.RunsFilter(run_ids=some))
    }


def older_run_in_the_way(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRun | None:
    """Return an active run, created earlier, that covers this one and has the same run config.

    Only runs that the storage recorded earlier count: of two runs started at the same time by different processes, one
    continues, and both agree on which.
    """
    work = Work.of(run)
    for record in active_runs(instance):
        if record.dagster_run.run_id == run.run_id:
            return None
        if work.is_repeated_by(record.dagster_run, run):
            return record.dagster_run
    return None


def active_partitions(
    instance: dg.DagsterInstance, task: Task, partitions: Iterable[str | None], *, tick: datetime | None = None
) -> dict[str | None, str]:
    """Return run ids by batch, for those of `partitions` where an active run already does the task's work.

    Runs of `tick` itself do not count. A daemon that was killed during a tick evaluates it again: asked for the same
    runs, Dagster finds those that it made, queues one that it had not come to queue, and shows all of them on the tick.
    """
    runs = [record.dagster_run for record in active_runs(instance)]
    active = [(Work.of(run), run.run_id) for run in runs if not (tick and _of_tick(run, task, tick))]
    found = {}
    for partition in partitions:
        wanted = Work.of_task(task, partition)
        run_id = next((run_id for work, run_id in active if wanted.is_done_by(work)), None)
        if run_id:
            found[partition] = run_id
    return found


def _of_tick(run: dg.DagsterRun, task: Task, tick: datetime) -> bool:
    """Return whether the task's schedule started the run at this tick."""
    return run.job_name == task.name and run.tags.get(SCHEDULED_EXECUTION_TIME_TAG) == tick.astimezone(UTC).isoformat()


def at_work_on(instance: dg.DagsterInstance, batches: Sequence[str | None], *, but: str = "") -> str:
    """Return which run that has not ended, `but` this one, works on one of these batches, for people; else "".

    A run over a range of batches counts for each of them; one for single items, for the batch whose tag it has.
    """
    for batch, run in _working(instance, but=but):
        if batch in (None, *batches):
            what = f"{run.job_name}[{partition_of(run)}]" if partition_of(run) else run.job_name
            return f"{what} is running (run {run.run_id}): try again when that run has ended"
    return ""


def busy_batches(instance: dg.DagsterInstance, batches: Sequence[str]) -> frozenset[str]:
    """Return those of these batches that a run works on which has not ended."""
    at_work = {batch for batch, _ in _working(instance)}
    return frozenset(batch for batch in batches if None in at_work or batch in at_work)


def _working(instance: dg.DagsterInstance, *, but: str = "") -> Iterator[tuple[str | None, dg.DagsterRun]]:
    """Yield (batch, run) of runs that work on items, without the run `but`. None means that it may be any batch."""
    own = set(EXPORT.assets)
    for record in active_runs(instance):
        run = record.dagster_run
        if run.run_id == but or shop_of(run) != shop_name():
            continue
        if any(own.intersection(task.assets) for task in tasks_of(run)):
            yield only_batch_of(run), run
        if tagged := run.tags.get(BATCH_TAG):
            yield tagged, run


def busy_reason(instance: dg.DagsterInstance, task: Task, batch: str | None) -> str:
    """Return which run is in the way of the task: one that does the same work, or works on the same batch; else ""."""
    if busy := active_partitions(instance, task, [batch]):
        return f"{task.name} is already running (run {busy[batch]}): try again when that run has ended"
    return at_work_on(instance, [batch]) if batch else ""
