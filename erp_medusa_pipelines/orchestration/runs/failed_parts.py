"""What is left failed: for each task and batch, the assets whose latest attempt did not succeed.

Dagster's record of attempts is read, the same one that the UI colours partitions by: it is a state, not a log: any
success of a partition - a retry, a backfill, the next night - removes it from this list.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from erp_medusa_pipelines.orchestration.dagster_internals import attempts, unfinished_attempts
from erp_medusa_pipelines.orchestration.runs.work import DUPLICATE_OF_TAG, first_batch_of, run_records, tasks_of
from erp_medusa_pipelines.tasks import ALL_ASSETS, Task, owner_task, task_named

FAILURE, CANCELED = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED
PartKey = tuple[str, str | None]
"""Name of a task and one of its batches; None where it has none."""

Attempt = tuple[str, str | None]
"""An asset and its partition; None where it has none."""

Found = dict[PartKey, list[tuple[str, dg.RunRecord]]]
"""Assets of a part, each with the run of an attempt."""

ATTEMPTS_READ = 25
"""How far back an attempt that failed or succeeded is looked for, behind those that wait or were canceled."""


@dataclass(frozen=True)
class FailedPart:
    """Assets of one task, for one batch (None: not partitioned), and the run that failed last."""

    task: Task
    partition: str | None
    assets: frozenset[str]
    record: dg.RunRecord

    @property
    def run(self) -> dg.DagsterRun:
        """The run that failed last."""
        return self.record.dagster_run

    @property
    def name(self) -> str:
        """Return task and batch as text for a message."""
        return f"{self.task.name}[{self.partition}]" if self.partition else self.task.name


@dataclass(frozen=True)
class FailedState:
    """What is left failed and nobody works on, what somebody stopped by hand, and every attempt that is not settled.

    An attempt is settled when the latest run for it succeeded; one that waits, works or was canceled is not.
    """

    failed: list[FailedPart]
    stopped: list[FailedPart]
    unsettled: Mapping[Attempt, dg.RunRecord]

    def failed_of(self, task: Task) -> list[FailedPart]:
        """Return the failed parts with assets of the task."""
        return [part for part in self.failed if part.assets.intersection(task.assets)]

    def stopped_of(self, task: Task) -> list[FailedPart]:
        """Return the stopped parts with assets of the task."""
        return [part for part in self.stopped if part.assets.intersection(task.assets)]


def read_state(
    instance: dg.DagsterInstance, batches: Collection[str], assets: Iterable[str] = ALL_ASSETS
) -> FailedState:
    """Return what is left failed now, of these assets and of the batches that exist."""
    unsettled = dict(_unsettled(instance, batches, assets))
    found: dict[dg.DagsterRunStatus, Found] = {FAILURE: {}, CANCELED: {}}
    busy: set[PartKey] = set()
    for (asset, partition), record in unsettled.items():
        part = _key(record.dagster_run, asset, partition)
        if record.dagster_run.status in found:
            found[record.dagster_run.status].setdefault(part, []).append((asset, record))
        else:
            busy.add(part)
    failed = _parts(found[FAILURE], busy)
    stopped = _parts(found[CANCELED], busy.union((part.task.name, part.partition) for part in failed))
    return FailedState(failed, stopped, unsettled)


def failed_lately(instance: dg.DagsterInstance, now: FailedState) -> list[FailedPart]:
    """Return what failed when it was last tried to the end, also while it is tried anew or after that was canceled.

    Where a schedule ticks faster than its runs come through, one of them always waits or is at work.
    """
    failed = {attempt: record for attempt, record in now.unsettled.items() if record.dagster_run.status == FAILURE}
    tried_anew = [attempt for attempt in now.unsettled if attempt not in failed]
    failed |= {
        attempt: record
        for attempt, record in _ended_before(instance, tried_anew).items()
        if record.dagster_run.status == FAILURE
    }
    found: Found = {}
    # In the order of the unsettled ones, which is that of messages.
    for asset, partition in now.unsettled:
        if record := failed.get((asset, partition)):
            found.setdefault(_key(record.dagster_run, asset, partition), []).append((asset, record))
    return _parts(found)


def _ended_before(instance: dg.DagsterInstance, wanted: Iterable[Attempt]) -> dict[Attempt, dg.RunRecord]:
    """Return for each attempt the newest run that failed or succeeded.

    Hundreds of batches may be tried anew, so runs are read in rounds: the newest of each, then the second, until one of
    them has ended.
    """
    partitions: dict[str, list[str | None]] = {}
    for asset, partition in wanted:
        partitions.setdefault(asset, []).append(partition)
    left = {
        (asset, partition): run_ids
        for asset, own in partitions.items()
        for partition, run_ids in attempts(instance, asset, own, ATTEMPTS_READ).items()
    }
    found: dict[Attempt, dg.RunRecord] = {}
    for number in range(ATTEMPTS_READ):
        left = {attempt: ids for attempt, ids in left.items() if attempt not in found and len(ids) > number}
        records = run_records(instance, {ids[number] for ids in left.values()})
        for attempt, ids in left.items():
            record = records.get(ids[number])
            if record and record.dagster_run.status in (FAILURE, dg.DagsterRunStatus.SUCCESS):
                found[attempt] = record
    return found


def _unsettled(
    instance: dg.DagsterInstance, batches: Collection[str], assets: Iterable[str]
) -> Iterator[tuple[Attempt, dg.RunRecord]]:
    unfinished = unfinished_attempts(instance, list(assets))
    latest = {(asset, partition): run_id for asset, partition, run_id in unfinished}
    records = _records(instance, set(latest.values()))
    for (asset, partition), run_id in latest.items():
        record = records.get(run_id)
        if record is None or record.dagster_run.status == dg.DagsterRunStatus.SUCCESS:
            continue
        batch = partition or first_batch_of(record.dagster_run)
        if batch is None or batch in batches:
            yield (asset, partition), record


def _key(run: dg.DagsterRun, asset: str, partition: str | None) -> PartKey:
    """Return the part that an attempt counts for.

    An unpartitioned asset failed as a step of a batch's run, and is retried with that batch.
    """
    return _task(run, asset).name, partition or first_batch_of(run)


def _parts(found: Found, without: Collection[PartKey] = ()) -> list[FailedPart]:
    return [_part(*key, entries) for key, entries in found.items() if key not in without]


def _task(run: dg.DagsterRun, asset: str) -> Task:
    """Return the task that an asset's failure counts for: the run's own, or the asset's owner."""
    tasks = tasks_of(run)
    return tasks[0] if len(tasks) == 1 and asset in tasks[0].assets else owner_task(asset)


def _part(task_name: str, partition: str | None, found: Sequence[tuple[str, dg.RunRecord]]) -> FailedPart:
    latest = max((record for _, record in found), key=lambda record: record.storage_id)
    return FailedPart(task_named(task_name), partition, frozenset(asset for asset, _ in found), latest)


def _records(instance: dg.DagsterInstance, run_ids: Collection[str]) -> dict[str, dg.RunRecord]:
    """Return the records of runs by id; for a run ended as a duplicate, that of the run it duplicated."""
    found = run_records(instance, run_ids)
    while originals := {
        run_id: original
        for run_id, record in found.items()
        if (original := record.dagster_run.tags.get(DUPLICATE_OF_TAG))
    }:
        records = run_records(instance, set(originals.values()))
        found = {run_id: record for run_id, record in found.items() if run_id not in originals} | {
            run_id: records[original] for run_id, original in originals.items() if original in records
        }
    return found
