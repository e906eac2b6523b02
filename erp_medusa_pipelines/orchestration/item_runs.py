"""The export for a few Website Items, now: products, pictures, prices and stock of these and of no others.

Belongs here: carrying it out beside the record. A batch that is being worked on is left to its run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from erp_medusa_pipelines.clients.planning.changes import ChangeLog
from erp_medusa_pipelines.connections import open_shop
from erp_medusa_pipelines.orchestration.jobs import BATCH_TAG, batch_tags
from erp_medusa_pipelines.orchestration.planned_runs import Scope
from erp_medusa_pipelines.orchestration.runs import active_runs, only_batch_of, partition_of, tasks_of
from erp_medusa_pipelines.orchestration.shops import shop_name, shop_of
from erp_medusa_pipelines.orchestration.side_runs import Outcome, SideRun
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.sync.engine.batches import batch_of_name
from erp_medusa_pipelines.tasks import EXPORT

MOST_ITEMS = 200
"""More are a batch's work."""

ALLOWANCES = ("allow_removal", "allow_zero", "allow_hiding", "allow_missing")
"""Fields of the export's assets by which somebody allows a mass loss."""


class BusyError(Exception):
    """A run already works on the batch of an item."""


@dataclass(frozen=True)
class Synced:
    """What became of it, and how many changes were made."""

    outcome: Outcome
    changes: Sequence[Any]


def sync_items(
    definitions: dg.Definitions,
    settings: Settings,
    instance: dg.DagsterInstance,
    items: Sequence[str],
    run_id: str,
    log: ChangeLog | None = None,
    *,
    allow_losses: bool = False,
) -> Synced:
    """Export these Website Items in a run, those that were rejected before as well. Raises BusyError, and ValueError.

    With `allow_losses` no guard against mass loss is asked.

    Batch by batch: the run has the tag of the batch at work, so that the queue holds back others of that batch. One
    that a run began to work on meanwhile is left out, and told as a problem.
    """
    if not 0 < len(items) <= MOST_ITEMS:
        raise ValueError(f"{len(items)} items are named: name 1 to {MOST_ITEMS}, or run their batches")
    scope = Scope(items=tuple(items))
    batches = scope.batches_of(EXPORT, settings)
    refuse_busy(instance, batches, but=run_id)

    def claim(batch: str | None) -> str:
        instance.add_run_tags(run_id, batch_tags(batch))
        try:
            refuse_busy(instance, [batch], but=run_id)
        except BusyError as busy:
            names = [item for item in items if batch_of_name(item, settings.export_batches) == batch]
            return f"{', '.join(names)}: not exported. {busy}"
        return ""

    log = log or ChangeLog()
    with open_shop(settings, record=log, items=frozenset(items)) as shop:
        allowed = dict.fromkeys(ALLOWANCES, True) if allow_losses else {}
        side = SideRun(definitions, EXPORT, shop, instance, {"retry_rejected": True, **allowed})
        try:
            outcome = side.run(batches, keep_rejects=True, why_not=claim)
        finally:
            # Also what was written before Ctrl-C.
            log.flush()
    return Synced(outcome, log.changes)


def refuse_busy(instance: dg.DagsterInstance, batches: Sequence[str | None], *, but: str = "") -> None:
    """Raises BusyError when a run that has not ended, `but` this one, works on one of these batches.

    A run over a range of batches counts for each of them; one for single items, for the batch whose tag it has.
    """
    own = set(EXPORT.assets)
    for record in active_runs(instance):
        run = record.dagster_run
        if run.run_id == but or shop_of(run) != shop_name():
            continue
        works = any(own.intersection(task.assets) for task in tasks_of(run)) and only_batch_of(run) in (None, *batches)
        if works or run.tags.get(BATCH_TAG, "") in batches:
            what = f"{run.job_name}[{partition_of(run)}]" if partition_of(run) else run.job_name
            raise BusyError(f"{what} is running (run {run.run_id}): try again when that run has ended")
