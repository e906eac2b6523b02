"""Everything of Dagster that is used here and is not part of its public API.

Each private import and each method of the instance that Dagster does not document, as a name or a small function with
a meaning of ours. Nothing else but state.py imports from `dagster._`. Each has a test of its own against an
instance (tests/sandbox/orchestration/test_dagster_internals.py), so that an upgrade of Dagster fails there and says
where. Webserver and daemon load it: it imports nothing of the work. What brings half of Dagster with it is imported
by the function that needs it, because no run does.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from uuid import uuid4

import dagster as dg
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.events import AssetMaterializationPlannedData, RunFailureReason
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, RunLauncher, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._core.run_coordinator.base import RunCoordinator, SubmitRunContext
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    BACKFILL_ID_TAG,
    MAX_RUNTIME_SECONDS_TAG,
    PARENT_RUN_ID_TAG,
    PARTITION_NAME_TAG,
    SCHEDULED_EXECUTION_TIME_TAG,
    SENSOR_NAME_TAG,
)
from dagster._serdes import ConfigurableClassData
from dagster._time import get_current_timestamp
from dagster._utils.schedules import cron_string_iterator, is_valid_cron_string

from erp_medusa_pipelines.orchestration.shops import asset_key, asset_name, is_of_this_shop, shop_name

if TYPE_CHECKING:
    from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick
    from dagster_shared.error import SerializableErrorInfo

Id = TypeVar("Id", int, str)
IDS_IN_A_QUERY = 500
"""SQLite takes some 30,000 values in a query, older ones 999."""


def raise_if_interrupted(result: dg.ExecuteInProcessResult, recorded_in: dg.DagsterInstance | None = None) -> None:
    """Raise KeyboardInterrupt where Ctrl-C or a termination ended a run in this process.

    Dagster makes a failure of it. Without this, the work would continue with the next batch, and the run that is
    `recorded_in` an instance would be retried and alerted, though somebody stopped it.
    """
    for event in result.all_events:
        if event.is_job_failure and event.job_failure_data.failure_reason == RunFailureReason.UNEXPECTED_TERMINATION:
            if recorded_in:
                report_canceled(recorded_in, result.dagster_run, "Ended with Ctrl-C in the terminal that started it")
            raise KeyboardInterrupt


@dataclass(frozen=True)
class Instigator:
    """A schedule or sensor that was ever turned on, off, or ticked."""

    name: str
    kind: Literal["schedule", "sensor"]
    on: bool
    _state: "InstigatorState"

    def failed_tick(self, instance: dg.DagsterInstance) -> "FailedTick | None":
        """The newest tick that ended, when it failed. One that is being evaluated says nothing yet."""
        from dagster._core.scheduler.instigation import TickStatus

        state = self._state
        ended = [TickStatus.SUCCESS, TickStatus.SKIPPED, TickStatus.FAILURE]
        ticks: Sequence[InstigatorTick] = instance.get_ticks(
            state.instigator_origin_id, state.selector_id, limit=1, statuses=ended
        )
        if not ticks or ticks[0].status != TickStatus.FAILURE:
            return None
        return FailedTick(datetime.fromtimestamp(ticks[0].timestamp, UTC), innermost_message(ticks[0].error))

    def newest_tick(self, instance: dg.DagsterInstance) -> datetime | None:
        """When its newest tick began; None before the first."""
        ticks = instance.get_ticks(self._state.instigator_origin_id, self._state.selector_id, limit=1)
        return datetime.fromtimestamp(ticks[0].timestamp, UTC) if ticks else None

    @property
    def on_since(self) -> datetime | None:
        """When a schedule was turned on; None where Dagster does not know."""
        started = getattr(self._state.instigator_data, "start_timestamp", None)
        return datetime.fromtimestamp(started, UTC) if started else None

    def turn_off(self, instance: dg.DagsterInstance) -> None:
        """Stop a schedule, as an operator would in the UI."""
        instance.stop_schedule(self._state.instigator_origin_id, self._state.selector_id)


@dataclass(frozen=True)
class FailedTick:
    """When it was, and what it said."""

    at: datetime
    error: str


def innermost_message(error: "SerializableErrorInfo | None") -> str:
    """What the code's own exception said; Dagster wraps it into errors that name only the step or the schedule."""
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error else ""


def instigators(instance: dg.DagsterInstance) -> list[Instigator]:
    """Schedules and sensors that the instance knows of; where there are several shops, those of this one.

    Those that nobody ever turned on are not among them.
    """
    from dagster._core.scheduler.instigation import InstigatorStatus

    shop = shop_name()
    return [
        Instigator(
            stored.instigator_name,
            "schedule" if stored.instigator_type.value == "SCHEDULE" else "sensor",
            stored.status != InstigatorStatus.STOPPED,
            stored,
        )
        for stored in instance.all_instigator_state()
        if shop in (None, stored.origin.repository_origin.code_location_origin.location_name)
    ]


def switched_on(instance: dg.DagsterInstance) -> list[str]:
    """Names of schedules and sensors that are on, of every shop."""
    from dagster._core.scheduler.instigation import InstigatorStatus

    states = instance.all_instigator_state()
    return sorted(stored.instigator_name for stored in states if stored.status != InstigatorStatus.STOPPED)


def turn_all_off(instance: dg.DagsterInstance) -> None:
    """Stop every schedule and sensor, of every shop."""
    from dagster._core.scheduler.instigation import InstigatorStatus

    for stored in instance.all_instigator_state():
        if stored.status != InstigatorStatus.STOPPED:
            instance.update_instigator_state(stored.with_status(InstigatorStatus.STOPPED))


def cancel_what_waits(instance: dg.DagsterInstance, text: str) -> int:
    """Cancel runs that were not started yet and backfills that would make more. Returns how many."""
    from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

    waiting = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED]
    runs = instance.get_runs(dg.RunsFilter(statuses=waiting))
    for run in runs:
        instance.report_run_canceled(run, message=text)
    backfills = instance.get_backfills(filters=BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED]))
    for backfill in backfills:
        instance.update_backfill(backfill.with_status(BulkActionStatus.CANCELED))
    return len(runs) + len(backfills)


def backfilled_assets(instance: dg.DagsterInstance) -> frozenset[str]:
    """Names of assets in a backfill that has not ended; its runs may not all exist yet."""
    from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

    unfinished = instance.get_backfills(filters=BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED]))
    return frozenset(
        asset_name(key) for backfill in unfinished for key in backfill.asset_selection or () if is_of_this_shop(key)
    )


def overdue_assets(instance: dg.DagsterInstance, assets: Iterable[str]) -> dict[str, datetime]:
    """Of these assets, those that Dagster's freshness daemon judged overdue, and since when."""
    records = instance.get_freshness_state_records([asset_key(asset) for asset in assets])
    return {
        asset_name(key): record.updated_at.replace(tzinfo=UTC)
        for key, record in sorted(records.items())
        if record.freshness_state == FreshnessState.FAIL
    }


def unfinished_attempts(instance: dg.DagsterInstance, assets: Collection[str]) -> list[tuple[str, str | None, str]]:
    """Assets and partitions whose latest attempt has not materialized them, and the run of that attempt.

    All assets in three queries: Dagster's own functions take five for each of them, every half minute.
    """
    import sqlalchemy as sa
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable

    storage: Any = instance.event_log_storage
    events = SqlEventLogStorageTable.c
    keys = {asset_key(asset): asset for asset in assets}
    kinds = (dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    newest = (
        sa.select(events.asset_key, events.partition, events.dagster_event_type, sa.func.max(events.id))
        .where(events.asset_key.in_([key.to_string() for key in keys]))
        .where(events.dagster_event_type.in_([kind.value for kind in kinds]))
        .group_by(events.asset_key, events.partition, events.dagster_event_type)
    )
    # What somebody wiped in the UI counts no more.
    newest = storage._add_assets_wipe_filter_to_query(newest, storage._get_assets_details([*keys]), [*keys])
    made: dict[str, dict[str | None, int]] = {asset: {} for asset in keys.values()}
    planned: dict[str, dict[str | None, int]] = {asset: {} for asset in keys.values()}
    with storage.index_connection() as connection:
        for text, partition, kind, event in connection.execute(newest):
            asset = keys[dg.AssetKey.from_db_string(text)]  # pyright: ignore[reportArgumentType] - they are given
            (made if kind == kinds[0].value else planned)[asset][partition] = event
        found = [
            (asset, partition, event)
            for asset in keys.values()
            for partition, event in _unfinished(made[asset], planned[asset])
        ]
        runs: dict[int, str] = {}
        for some in in_groups({event for _, _, event in found}):
            runs.update(
                tuple(row) for row in connection.execute(sa.select(events.id, events.run_id).where(events.id.in_(some)))
            )
    return [(asset, partition, runs[event]) for asset, partition, event in found]


def _unfinished(made: Mapping[str | None, int], planned: Mapping[str | None, int]) -> Sequence[tuple[str | None, int]]:
    """Partitions of one asset with the latest attempt that made nothing; both arguments are ids of events."""
    done = max(made.items(), key=lambda item: item[1], default=None)
    # An asset without partitions may have attempts of one: earlier versions recorded leftovers under the run's batch.
    # No materialization would ever settle them.
    if done is None or done[0] is not None:
        left = [(key, event) for key, event in planned.items() if key is not None and event > made.get(key, 0)]
        if left:
            return left
    latest = max(planned.values(), default=0)
    return [(None, latest)] if latest > (done[1] if done else 0) else []


def attempts(
    instance: dg.DagsterInstance, asset: str, partitions: Collection[str | None], limit: int
) -> dict[str | None, list[str]]:
    """Runs that were to materialize each partition of the asset, newest first; for None, the asset whatever partition.

    One query: `limit` for each partition is how far back it reads, together.
    """
    import sqlalchemy as sa
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable

    events = SqlEventLogStorageTable.c
    wanted = (
        sa.select(events.partition, events.run_id)
        .where(events.asset_key == asset_key(asset).to_string())
        .where(events.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value)
        .order_by(events.id.desc())
        .limit(limit * len(partitions))
    )
    if None not in partitions:
        wanted = wanted.where(events.partition.is_not(None))
    found: dict[str | None, list[str]] = {partition: [] for partition in partitions}
    with index_of(instance) as connection:
        for partition, run_id in connection.execute(wanted):
            for key in {partition, None} & found.keys():
                found[key].append(run_id)
    return found


def assets_of_runs(instance: dg.DagsterInstance, run_ids: Collection[str], *, made: bool) -> dict[str, set[str]]:
    """Assets that each of these runs was to materialize, or has `made`. Runs without any are left out."""
    import sqlalchemy as sa
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable

    kind = dg.DagsterEventType.ASSET_MATERIALIZATION if made else dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
    events = SqlEventLogStorageTable.c
    of_kind = sa.select(events.run_id, events.asset_key).where(events.dagster_event_type == kind.value)
    found: dict[str, set[str]] = {}
    with index_of(instance) as connection:
        for some in in_groups(run_ids):
            for run_id, text in connection.execute(of_kind.where(events.run_id.in_(some)).distinct()):
                key = dg.AssetKey.from_db_string(text)
                if key:
                    found.setdefault(run_id, set()).add(asset_name(key))
    return found


def in_groups(ids: Collection[Id]) -> Iterator[list[Id]]:
    """Ids in groups that fit into one query."""
    every = sorted(ids)
    for start in range(0, len(every), IDS_IN_A_QUERY):
        yield every[start : start + IDS_IN_A_QUERY]


def events_of_ended_run(
    instance: dg.DagsterInstance, run_id: str, kinds: Collection[dg.DagsterEventType]
) -> list[dg.DagsterEvent]:
    """Events of these kinds, oldest first, of a run that has ended.

    On SQLite each run has a file of its own. Dagster compares its tables with the migrations, for some 60 ms, whenever
    a process opens it for the first time. The run's own process has done so.
    """
    storage: Any = instance.event_log_storage
    known = getattr(storage, "_initialized_dbs", None)
    if known is not None and Path(storage.path_for_shard(run_id)).exists():
        known.add(run_id)
    return [entry.dagster_event for entry in instance.all_logs(run_id, of_type=set(kinds)) if entry.dagster_event]


def index_of(instance: dg.DagsterInstance) -> Any:
    """A connection to the events of all runs that concern assets."""
    storage: Any = instance.event_log_storage
    return storage.index_connection()


@dataclass(frozen=True)
class Verdict:
    """The newest result of an asset check. `unevaluated` is a newer run that planned the check and gave no result."""

    evaluation: dg.AssetCheckEvaluation | None
    run_id: str
    at: datetime
    unevaluated: str | None = None


def verdicts(instance: dg.DagsterInstance, keys: Sequence[dg.AssetCheckKey]) -> dict[dg.AssetCheckKey, Verdict]:
    """The newest result of each check that was ever executed.

    A check that is about to be evaluated keeps its result until then, as does one whose run ended before it.
    """
    from dagster._core.storage.asset_check_execution_record import COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES

    storage = instance.event_log_storage
    found = {}
    for key, newest in storage.get_latest_asset_check_execution_by_key(keys).items():
        record, unevaluated = newest, None
        if newest.status not in COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES:
            unevaluated = newest.run_id
            earlier = storage.get_asset_check_execution_history(
                key, limit=1, status=COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES
            )
            record = earlier[0] if earlier else None
        event = record.event.dagster_event if record and record.event else None
        evaluation = event.asset_check_evaluation_data if event else None
        shown = record or newest
        at = datetime.fromtimestamp(shown.create_timestamp, UTC)
        found[key] = Verdict(evaluation, shown.run_id, at, unevaluated)
    return found


def silent_code_servers(workspace: Path) -> Iterator[tuple[str, str]]:
    """Yield the code servers of a workspace.yaml that do not answer: name and place."""
    from dagster._core.errors import DagsterUserCodeUnreachableError
    from dagster._core.remote_origin import GrpcServerCodeLocationOrigin
    from dagster._core.workspace.load import location_origins_from_yaml_paths
    from dagster._grpc.client import DagsterGrpcClient

    for origin in location_origins_from_yaml_paths([str(workspace)]):
        if isinstance(origin, GrpcServerCodeLocationOrigin):
            client = DagsterGrpcClient(port=origin.port, socket=origin.socket, host=origin.host or "localhost")
            try:
                client.ping("")
            except DagsterUserCodeUnreachableError:
                yield origin.location_name, origin.socket or f"{origin.host}:{origin.port}"


def instance_setting(instance: dg.DagsterInstance, name: str) -> Any:
    """A section of dagster.yaml as it is in force; empty where the file does not have it."""
    return instance.get_settings(name) or {}


def classes_in_force(instance: dg.DagsterInstance) -> tuple[type[RunCoordinator], type[RunLauncher]]:
    """The classes of the instance's run coordinator and run launcher."""
    return type(instance.run_coordinator), type(instance.run_launcher)


def silent_daemons(instance: dg.DagsterInstance) -> list[str]:
    """Return the names, as in the UI, of daemons that this instance needs and that sent no recent heartbeat."""
    from dagster._daemon.controller import get_daemon_statuses

    statuses = get_daemon_statuses(instance, instance.get_required_daemon_types())
    return sorted(name for name, status in statuses.items() if not status.healthy)


def check_keys(repository: dg.RepositoryDefinition) -> list[dg.AssetCheckKey]:
    """All asset checks of the code location."""
    return sorted(repository.asset_graph.asset_check_keys, key=str)


def report_unfinished(instance: dg.DagsterInstance, run: dg.DagsterRun, asset: str, partition: str | None) -> None:
    """Make an attempt that has materialized an asset count as unfinished: once its run fails, so has the partition.

    `partition` is that of the materialization: None for an asset without partitions, whatever batch its run is for.
    """
    planned = AssetMaterializationPlannedData(asset_key(asset), partition=partition)
    event = dg.DagsterEvent.build_asset_materialization_planned_event(run.job_name, asset, planned)
    instance.report_dagster_event(event, run.run_id)


def report_failed(instance: dg.DagsterInstance, run: dg.DagsterRun, text: str) -> None:
    """End a run as failed, with its reason."""
    instance.report_run_failed(run, text)


def report_canceled(instance: dg.DagsterInstance, run: dg.DagsterRun, text: str) -> None:
    """End a run as canceled, with its reason."""
    instance.report_run_canceled(run, message=text)


def assign_overlooked_steps(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """Give the run's waiting steps a free slot of their pool; returns the pools in which one was overlooked.

    A step that joins the queue of a pool just while the last step before it leaves is given no slot: it saw none free,
    and the other saw nobody wait. Dagster 1.13 never looks again, and the run waits until its time limit.
    """
    import sqlalchemy as sa
    from dagster._core.storage.event_log.schema import PendingStepsTable

    storage: Any = instance.event_log_storage
    steps = PendingStepsTable.c
    waiting = sa.select(steps.concurrency_key).where(steps.run_id == run_id, steps.assigned_timestamp.is_(None))
    with index_of(instance) as connection:
        pools = [pool for (pool,) in connection.execute(waiting.distinct())]
    overlooked = [pool for pool in pools if storage.has_unassigned_slots(pool)]
    storage.assign_pending_steps(overlooked)
    return overlooked


def delete_output(instance: dg.DagsterInstance, run_id: str) -> None:
    """Delete what was captured of the output of a run's processes."""
    instance.compute_log_manager.delete_logs(prefix=[run_id])


@contextmanager
def marked(instance: dg.DagsterInstance) -> Iterator[str]:
    """Yield a mark that only servers of this instance know while the context lasts: the name of a pool.

    Pools are what a webserver reads from the instance's storage at each request, and shows over GraphQL.
    """
    mark, storage = f"mark-{uuid4().hex}", instance.event_log_storage
    storage.set_concurrency_slots(mark, 1)
    try:
        yield mark
    finally:
        storage.delete_concurrency_limit(mark)
