"""What is left failed: for each task and batch, the assets whose latest attempt did not come to a good end.

Belongs here: reading Dagster's record of attempts, the same one that the UI colours partitions by. It is a state, not a
log: whatever heals a partition - a retry, a backfill, the next night - takes it off this list.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from erp_medusa_pipelines.orchestration.runs import ACTIVE, DUPLICATE_OF_TAG
from erp_medusa_pipelines.tasks import Task


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
        """Task and batch, for people."""
        return f"{self.task.name}[{self.partition}]" if self.partition else self.task.name


@dataclass(frozen=True)
class TaskState:
    """What is failed of a task, and which batches are open: being worked on, or canceled at their last attempt."""

    failed: list[FailedPart]
    unsettled: frozenset[str | None]


def read_state(instance: dg.DagsterInstance, task: Task) -> TaskState:
    """The state of one task. A part that is being worked on is not among the failed ones."""
    failed: dict[str | None, list[tuple[str, dg.RunRecord]]] = {}
    busy: set[str | None] = set()
    canceled: set[str | None] = set()
    for asset in task.assets:
        for partition, run_id in _unfinished(instance, dg.AssetKey(asset)):
            record = _record(instance, run_id)
            if record is None:
                continue
            status = record.dagster_run.status
            if status in ACTIVE or status == dg.DagsterRunStatus.CANCELING:
                busy.add(partition)
            elif status == dg.DagsterRunStatus.FAILURE:
                failed.setdefault(partition, []).append((asset, record))
            elif status == dg.DagsterRunStatus.CANCELED:
                canceled.add(partition)
    parts = [_part(task, partition, found) for partition, found in failed.items() if partition not in busy]
    return TaskState(_with_shared_assets(parts), frozenset(busy | canceled))


def _part(task: Task, partition: str | None, found: Sequence[tuple[str, dg.RunRecord]]) -> FailedPart:
    latest = max((record for _, record in found), key=lambda record: record.storage_id)
    return FailedPart(task, partition, frozenset(asset for asset, _ in found), latest)


def _with_shared_assets(parts: list[FailedPart]) -> list[FailedPart]:
    """An unpartitioned asset of a partitioned task is no part of its own while a batch of the task failed with it."""
    shared = next((part for part in parts if part.partition is None), None)
    batches = [part for part in parts if part.partition is not None]
    if shared is None or not batches:
        return parts
    return [FailedPart(part.task, part.partition, part.assets | shared.assets, part.record) for part in batches]


def _unfinished(instance: dg.DagsterInstance, key: dg.AssetKey) -> Iterator[tuple[str | None, str]]:
    """Batches whose latest attempt has not materialized the asset, and the run of that attempt."""
    storage = instance.event_log_storage
    attempts = storage.get_latest_asset_partition_materialization_attempts_without_materializations(key)
    if attempts:
        for partition, (run_id, _) in attempts.items():
            yield partition, run_id
        return
    planned = storage.get_latest_planned_materialization_info(key)
    if planned is None:
        return
    records = instance.get_asset_records([key])
    done = records[0].asset_entry.last_materialization_storage_id if records else None
    if done is None or done < planned.storage_id:
        yield None, planned.run_id


def _record(instance: dg.DagsterInstance, run_id: str) -> dg.RunRecord | None:
    """The run; for one that was ended as a duplicate, the run whose work it would have repeated."""
    record = instance.get_run_record_by_id(run_id)
    while record is not None and (original := record.dagster_run.tags.get(DUPLICATE_OF_TAG)):
        record = instance.get_run_record_by_id(original)
    return record
