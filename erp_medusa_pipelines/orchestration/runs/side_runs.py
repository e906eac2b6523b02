"""A task's own job outside Dagster's record, on a temporary instance: for a plan, or for a few items.

Such work must not be recorded as the batch's materialization: the batch would look fresh, and its earlier failure would
be lost. A plan is the task's own assets, on clients that note down what they would have written.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import dagster as dg

from erp_medusa_pipelines.connections import Shop, open_shop
from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.checks.rejects import KEPT_TABLE, TABLE, quarantine_key
from erp_medusa_pipelines.orchestration.dagster_internals import in_groups, raise_if_interrupted
from erp_medusa_pipelines.orchestration.runs.failures import reason_of
from erp_medusa_pipelines.orchestration.schedules.gates import memory_key
from erp_medusa_pipelines.orchestration.shops import asset_key, asset_name
from erp_medusa_pipelines.plan.changes import ChangeLog
from erp_medusa_pipelines.plan.rows import PlanRow, describe, digest
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.sync.engine.batches import batch_keys, batch_of_name
from erp_medusa_pipelines.sync.engine.brake import GUARDS, kept_keys
from erp_medusa_pipelines.tasks import TASKS, Task

NOT_COUNTED = frozenset({"requests", "seconds", "items_per_second"})
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class GivenShop:
    """Replacement of ShopConnection: every asset gets the same open shop, so later ones see what earlier ones planned.

    It is not a resource class, because Dagster copies those from their config. It sends no heartbeat.
    """

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    @contextmanager
    def open(self) -> Iterator[Shop]:
        """Yield the shop, which stays open after the asset."""
        yield self._shop


@dataclass
class Outcome:
    """The result. `counts` are each asset's numbers by `asset[batch]`."""

    counts: dict[str, dict[str, float]] = field(default_factory=dict)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Reasons of failed assets, such as a brake or a server that does not answer."""
    kept: list[dict[str, Any]] = field(default_factory=list)
    """Values that differ in Medusa and that a field policy lets stand: website_item, field, erp, medusa."""

    def add(self, other: "Outcome") -> None:
        """Add the result of another run of the same task for other items."""
        for label, numbers in other.counts.items():
            before = self.counts.get(label, {})
            self.counts[label] = {key: before.get(key, 0) + numbers.get(key, 0) for key in {**before, **numbers}}
        self.rejects += other.rejects
        self.problems += [problem for problem in other.problems if problem not in self.problems]
        self.kept += other.kept


@dataclass(frozen=True)
class SideRun:
    """One task with a shop. `instance` has the held rejects; `config` is for each asset that has such fields.

    With `assets`, only these of the task's.
    """

    definitions: dg.Definitions
    task: Task
    shop: Shop
    instance: dg.DagsterInstance | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    assets: Sequence[str] = ()

    def run(
        self,
        batches: Sequence[str | None],
        *,
        keep_rejects: bool,
        why_not: Callable[[str | None], str] = lambda _batch: "",
    ) -> Outcome:
        """Run it for these batches, one after the other.

        `why_not` is asked before each one: a reason leaves the batch out and is among the problems. `keep_rejects`
        writes the held rejects of each batch back to the instance.
        """
        outcome = Outcome()
        job = self.definitions.resolve_job_def(self.task.name)
        if self.assets:
            job = job.get_subset(asset_selection={asset_key(name) for name in self.assets})
        given = dg.ResourceDefinition.hardcoded_resource(GivenShop(self.shop))
        resources = {"shop": given, "io_manager": dg.mem_io_manager}
        with dg.DagsterInstance.ephemeral() as scratch:
            self._copy_held(self.instance, scratch, batch_keys(self.shop.settings.export_batches))
            _copy_losses(self.instance, scratch)
            self._copy_memories(scratch)
            for batch in batches:
                if reason := why_not(batch):
                    outcome.problems.append(reason)
                    continue
                result = job.execute_in_process(
                    instance=scratch,
                    partition_key=batch,
                    run_config=self._run_config(job),
                    resources=resources,
                    raise_on_error=False,
                )
                if keep_rejects:
                    # Only this batch's: runs of other batches write theirs meanwhile.
                    self._copy_held(scratch, self.instance, [batch])
                    _copy_losses(scratch, self.instance, batch)
                raise_if_interrupted(result)
                _collect(result, batch, outcome, several=len(batches) > 1)
        return outcome

    def _run_config(self, job: dg.JobDefinition) -> Mapping[str, Any]:
        ops: dict[str, Any] = {}
        for asset in self.assets or self.task.assets:
            taken = _fields_of(job, asset) & self.config.keys()
            if taken:
                ops[asset] = {"config": {field: self.config[field] for field in sorted(taken)}}
        return {**QUIET, **({"ops": ops} if ops else {})}

    def _copy_held(
        self, source: dg.DagsterInstance | None, target: dg.DagsterInstance | None, batches: Sequence[str | None]
    ) -> None:
        if source is None or target is None:
            return
        for asset in self.task.assets:
            for batch in dict.fromkeys((None, *batches)):
                key = quarantine_key(asset, batch)
                held = state.load(source, key)
                if held or state.load(target, key):
                    state.save(target, key, held)

    def _copy_memories(self, scratch: dg.DagsterInstance) -> None:
        """Copy what earlier runs left for the next one: editions, and which mails went out."""
        if self.instance is None:
            return
        there, here = state.Values(self.instance), state.Values(scratch)
        keys = [memory_key(task.name) for task in TASKS if task.gate]
        keys += [key for asset in self.task.assets for key in there.below(f"mail/{asset}/")]
        for some in in_groups(keys):
            for key, value in there.load(some).items():
                here.save(key, value)


def _fields_of(job: dg.JobDefinition, asset: str) -> set[str]:
    """Return the fields of an asset's launchpad config; none for one whose step has another name."""
    step = job.graph.node_dict.get(asset)
    schema = getattr(step.definition, "config_schema", None) if step else None
    return set(getattr(schema.config_type, "fields", {}) or {}) if schema else set()


def _copy_losses(
    source: dg.DagsterInstance | None, target: dg.DagsterInstance | None, batch: str | None = None
) -> None:
    """Copy what the brakes remember of losses: all of it, or one batch's, as runs of other batches note theirs."""
    if source is None or target is None:
        return
    every = [key for guard in GUARDS for key in kept_keys(guard, batch)]
    there, here = state.Values(source), state.Values(target)
    found, old = there.load(every), here.load(every)
    for key, value in found.items():
        if old.get(key) != value:
            here.save(key, value)


def _collect(result: dg.ExecuteInProcessResult, batch: str | None, outcome: Outcome, *, several: bool) -> None:
    """Note what one run did. Of `several` runs each makes the assets without batches anew, with numbers of its own."""
    for event in result.all_events:
        if event.is_step_failure:
            problem = f"{event.step_key}: {reason_of(event)}"
            # A server that does not answer says the same for every batch.
            outcome.problems += [] if problem in outcome.problems else [problem]
            data = event.step_failure_data.user_failure_data
            if data and "found" in data.metadata:
                _note(event.step_key or "", batch, data.metadata, outcome)
    for event in result.get_asset_materialization_events():
        made = event.materialization
        _note(asset_name(made.asset_key), batch if made.partition or several else None, made.metadata, outcome)
    for evaluation in result.get_asset_check_evaluations():
        outcome.kept += _records(evaluation.metadata.get(KEPT_TABLE))


def _note(asset: str, batch: str | None, metadata: Mapping[str, Any], outcome: Outcome) -> None:
    numbers = {key: entry.value for key, entry in metadata.items() if isinstance(entry.value, int | float)}
    label = f"{asset}[{batch}]" if batch else asset
    outcome.counts[label] = {key: value for key, value in numbers.items() if key not in NOT_COUNTED}
    outcome.rejects += [{"asset": asset, **record} for record in _records(metadata.get(TABLE))]


def _records(table: dg.MetadataValue[Any] | None) -> list[dict[str, Any]]:
    return [dict(record.data) for record in table.records] if isinstance(table, dg.TableMetadataValue) else []


@dataclass(frozen=True)
class Scope:
    """What a plan or a run is limited to; empty means everything. `config` is every asset's, as in the launchpad."""

    batches: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)

    def batches_of(self, task: Task, settings: Settings) -> list[str | None]:
        """The batches to run, in order; [None] for a task that has none."""
        if not task.partitioned:
            return [None]
        every = batch_keys(settings.export_batches)
        own = {batch_of_name(item, settings.export_batches) for item in self.items} or set(self.batches) or set(every)
        return [batch for batch in every if batch in own]


@dataclass(frozen=True)
class Plan:
    """What the next run of a task would do. `counts` are the run's own numbers by asset and batch."""

    task: str
    scope: Scope
    rows: Sequence[PlanRow]
    counts: Mapping[str, Mapping[str, float]]
    rejects: Sequence[Mapping[str, Any]] = ()
    problems: Sequence[str] = ()
    """Why an asset would fail, such as a brake or a server that does not answer."""
    kept: Sequence[Mapping[str, Any]] = ()
    """Values that differ in Medusa and that a field policy lets stand."""

    @property
    def digest(self) -> str:
        """The same for two plans that would do the same."""
        return digest(self.rows)

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return {
            "task": self.task,
            "batches": list(self.scope.batches),
            "items": list(self.scope.items),
            "digest": self.digest,
            "changes": [asdict(row) for row in self.rows],
            "counts": {asset: dict(numbers) for asset, numbers in self.counts.items()},
            "rejects": [dict(row) for row in self.rejects],
            "problems": list(self.problems),
            "kept": [dict(row) for row in self.kept],
        }


def plan_task(
    definitions: dg.Definitions,
    settings: Settings,
    task: Task,
    scope: Scope | None = None,
    *,
    instance: dg.DagsterInstance | None = None,
) -> Plan:
    """Plan one task. `instance` is where held rejects are known. Both servers are read, neither is written to."""
    scope = scope or Scope()
    log = ChangeLog()
    with open_shop(settings, plan=log, items=frozenset(scope.items)) as shop:
        side = SideRun(definitions, task, shop, instance, scope.config)
        outcome = side.run(scope.batches_of(task, settings), keep_rejects=False)
    with open_shop(settings) as shop:
        rows = describe(shop.erp, shop.medusa, log.changes)
    return Plan(task.name, scope, rows, outcome.counts, outcome.rejects, outcome.problems, outcome.kept)
