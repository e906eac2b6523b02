"""The export for a few Website Items, now: products, pictures, prices and stock of these and of no others.

A batch that is being worked on is left to its run.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import dagster as dg

from erp_medusa_pipelines.connections import open_shop
from erp_medusa_pipelines.orchestration.jobs import batch_tags
from erp_medusa_pipelines.orchestration.runs.side_runs import Outcome, Scope, SideRun
from erp_medusa_pipelines.orchestration.runs.work import at_work_on
from erp_medusa_pipelines.plan.changes import ChangeLog
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.sync.changes.watched import Part
from erp_medusa_pipelines.sync.engine.batches import batch_of_name
from erp_medusa_pipelines.sync.shop.families import read_families
from erp_medusa_pipelines.tasks import EXPORT

MOST_ITEMS = 200
"""More are a batch's work."""

ALLOWANCES = ("allow_removal", "allow_zero", "allow_hiding", "allow_missing")
"""Fields of the export's assets by which somebody allows a mass loss."""


ASSETS_OF: Mapping[Part, frozenset[str]] = {
    Part.ITEM: frozenset(EXPORT.assets),
    Part.PICTURES: frozenset({"medusa_images", "medusa_product_updates", "medusa_publication"}),
    Part.PRICES: frozenset({"medusa_price_lists", "medusa_prices", "medusa_publication"}),
    Part.STOCK: frozenset({"medusa_stock", "medusa_publication"}),
}
"""The export's assets that bring a part of an item up to date."""


def sync_items(
    definitions: dg.Definitions,
    settings: Settings,
    instance: dg.DagsterInstance,
    items: Sequence[str],
    run_id: str,
    log: ChangeLog | None = None,
    *,
    allow_losses: bool = False,
    parts: Mapping[str, Collection[Part]] | None = None,
) -> Outcome:
    """Export these Website Items in a run, those that were rejected before as well. Raises ValueError.

    With `allow_losses` no guard against mass loss is asked. `parts` limits what is done for an item: with it, a batch
    that is busy from the start is a problem of its own items alone.

    Batch by batch: the run has the tag of the batch at work, so that the queue holds back others of that batch. One
    that a run began to work on meanwhile is left out, and reported as a problem.
    """
    if not 0 < len(items) <= MOST_ITEMS:
        raise ValueError(f"{len(items)} items are named: name 1 to {MOST_ITEMS}, or run their batches")
    items, parts = _at_home(settings, items, parts)
    scope = Scope(items=tuple(items))
    batches = scope.batches_of(EXPORT, settings)
    if parts is None and (busy := at_work_on(instance, batches, but=run_id)):
        raise ValueError(busy)

    def claim(batch: str | None) -> str:
        instance.add_run_tags(run_id, batch_tags(batch))
        busy = at_work_on(instance, [batch], but=run_id)
        names = [item for item in items if batch_of_name(item, settings.export_batches) == batch]
        return f"{', '.join(names)}: not exported. {busy}" if busy else ""

    log = log or ChangeLog()
    outcome = Outcome()
    with open_shop(settings, record=log) as shop:
        allowed = dict.fromkeys(ALLOWANCES, True) if allow_losses else {}
        try:
            for some, assets in _by_assets(items, parts or {}):
                limited = replace(shop, items=frozenset(some))
                side = SideRun(definitions, EXPORT, limited, instance, {"retry_rejected": True, **allowed}, assets)
                own = Scope(items=tuple(some)).batches_of(EXPORT, settings)
                outcome.add(side.run(own, keep_rejects=True, why_not=claim))
        finally:
            # Also what was written before Ctrl-C.
            log.flush()
    return outcome


def _at_home(
    settings: Settings, items: Sequence[str], parts: Mapping[str, Collection[Part]] | None
) -> tuple[Sequence[str], Mapping[str, Collection[Part]] | None]:
    """Return the templates in place of variants that are one product with them: their batch is the template's."""
    if settings.variants == "products":
        return items, parts
    with open_shop(settings) as shop:
        home = read_families(shop.erp, settings.variants).home
    found = list(dict.fromkeys(home.get(item, item) for item in items))
    if parts is None:
        return found, None
    joined: dict[str, set[Part]] = defaultdict(set)
    for item in items:
        joined[home.get(item, item)] |= {*(parts.get(item) or (Part.ITEM,))}
    return found, joined


def _by_assets(
    items: Sequence[str], parts: Mapping[str, Collection[Part]]
) -> Iterator[tuple[list[str], tuple[str, ...]]]:
    """Yield items that need the same of the export's assets, with these assets in their order."""
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for item in items:
        wanted = frozenset[str]().union(*(ASSETS_OF[part] for part in parts.get(item) or (Part.ITEM,)))
        groups[tuple(asset for asset in EXPORT.assets if asset in wanted)].append(item)
    for assets, some in groups.items():
        yield some, assets
