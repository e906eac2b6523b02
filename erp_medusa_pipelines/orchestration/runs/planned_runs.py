"""Plans: a task's own assets, on clients that note down what they would have written."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import dagster as dg

from erp_medusa_pipelines.connections import open_shop
from erp_medusa_pipelines.orchestration.runs.side_runs import SideRun
from erp_medusa_pipelines.plan.changes import ChangeLog
from erp_medusa_pipelines.plan.rows import PlanRow, describe, digest
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.sync.engine.batches import batch_keys, batch_of_name
from erp_medusa_pipelines.tasks import Task


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
