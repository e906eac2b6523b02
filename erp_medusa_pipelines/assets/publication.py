"""Products are published once they are complete, and checked for being for sale: the last asset of the export.

medusa_images, medusa_product_updates, medusa_prices, medusa_stock --> medusa_publication[batch]
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg

from erp_medusa_pipelines.assets.export import GROUP, KINDS
from erp_medusa_pipelines.assets.links import writes
from erp_medusa_pipelines.assets.reporting import SyncConfig, SyncRun, check_spec, sync_run
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices
from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.orchestration.dagster_internals import verdicts
from erp_medusa_pipelines.orchestration.partitions import ONE_RUN_PER_BATCH
from erp_medusa_pipelines.orchestration.resources import ShopConnection
from erp_medusa_pipelines.orchestration.shops import asset_key
from erp_medusa_pipelines.orchestration.tables import table
from erp_medusa_pipelines.sync.engine.batches import Batch

if TYPE_CHECKING:
    from erp_medusa_pipelines.sync.catalogue.can_be_bought import CanBeBought
    from erp_medusa_pipelines.sync.catalogue.publication import NotBought

ASSET, CHECK = "medusa_publication", "can_be_bought"
NUMBER, BROKEN, TABLE = "cannot_be_bought", "broken", "items"
"""Metadata keys: how many there are, how many of them because something is broken, and the first with their reasons."""

BUYABLE_CHECK = dg.AssetCheckSpec(
    CHECK,
    asset=ASSET,
    description=(
        "A customer can buy every published item: its product is in its sales channels, has a price in force and stock"
        " at a location of each of them, if only zero pieces. The table says what keeps the others from being bought."
        " It is an error where something is broken, and a warning where ERPNext has no price."
    ),
)


def build_assets(batches: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Build the asset that publishes complete products, over these batches."""

    @dg.asset(
        name=ASSET,
        group_name=GROUP,
        metadata=writes(
            medusa="status of products that became complete (only with `PUBLISH_WHEN=complete`)",
            desk_list="Website Item",
            admin_page="products",
        ),
        kinds=KINDS,
        partitions_def=batches,
        backfill_policy=ONE_RUN_PER_BATCH,
        deps=["medusa_images", "medusa_product_updates", "medusa_prices", "medusa_stock"],
        check_specs=[check_spec(ASSET), BUYABLE_CHECK],
        description=(
            "Published products that a customer cannot buy are found. With PUBLISH_WHEN=complete, products with a"
            " picture, a price in force and stock go live; what others lack is listed."
        ),
    )
    def medusa_publication(
        context: dg.AssetExecutionContext, config: SyncConfig, shop: ShopConnection
    ) -> dg.MaterializeResult:
        from erp_medusa_pipelines.sync.catalogue.publication import Publications

        with sync_run(context, shop, config, WEBSITE_ITEM) as run:
            buyable, publishes = can_be_bought(run.shop, run.batch), run.shop.settings.publish_when == "complete"
            work = Publications(run.scope, buyable=buyable, today=buyable.now.date(), publishes=publishes)
            work.run()
            rows = [asdict(one) for one in work.incomplete]
            shown = {"waiting_for": table(rows, ("website_item", "lacks"))} if rows else {}
            result = run.result(metadata=shown)
            return result._replace(check_results=[*(result.check_results or ()), _check(run, work.not_bought)])

    return [medusa_publication]


def can_be_bought(shop: Shop, batch: Batch) -> "CanBeBought":
    """Build what judges the products of a batch now. The ERP is asked about those without a price or a stock level."""
    from erp_medusa_pipelines.sync.catalogue.can_be_bought import CanBeBought
    from erp_medusa_pipelines.sync.prices.amounts import AmountRule
    from erp_medusa_pipelines.sync.prices.item_prices import without_price
    from erp_medusa_pipelines.sync.shop.chosen import read_choice
    from erp_medusa_pipelines.sync.stock.items import without_warehouse

    settings, medusa, now = shop.settings, shop.medusa, shop.erp.clock()

    def unpriced(names: Sequence[str], currency: str) -> dict[str, str]:
        rule = AmountRule(MedusaPrices(medusa).currencies(), settings.prices_allow_zero)
        return without_price(shop.erp, settings.erpnext_price_list, rule, names, currency, now.date())

    channel = medusa.sales_channel_id(settings.medusa_sales_channel_id)
    choice = read_choice(shop.erp)
    return CanBeBought(
        medusa=medusa,
        sales_channel_id=channel,
        batch=batch,
        now=now,
        unpriced=unpriced,
        unstocked=partial(without_warehouse, shop.erp),
        choice=choice,
    )


def _check(run: SyncRun, found: Sequence["NotBought"]) -> dg.AssetCheckResult:
    """Return one result for the whole asset, from this batch and what the others found last."""
    numbers = {NUMBER: len(found), BROKEN: sum(one.is_broken for one in found)}
    first = sorted(found, key=lambda one: not one.is_broken)
    everywhere = run.over_batches("not_bought", numbers, [[one.website_item, one.reason] for one in first])
    is_broken = everywhere.numbers[BROKEN] > 0
    rows = {TABLE: run.item_table(("website_item", "reason"), everywhere.rows)} if everywhere.rows else {}
    return dg.AssetCheckResult(
        passed=not everywhere.numbers[NUMBER],
        check_name=CHECK,
        severity=dg.AssetCheckSeverity.ERROR if is_broken else dg.AssetCheckSeverity.WARN,
        metadata={**everywhere.numbers, **rows},
    )


@dataclass(frozen=True)
class NotBoughtInShop:
    """The latest result. `items` are (Website Item, reason), what is broken first."""

    number: int
    broken: int
    items: list[tuple[str, str]]


def read_not_bought(instance: dg.DagsterInstance) -> NotBoughtInShop | None:
    """Return the latest result over all batches; None before the first."""
    key = dg.AssetCheckKey(asset_key(ASSET), CHECK)
    verdict = verdicts(instance, [key]).get(key)
    if verdict is None or verdict.evaluation is None:
        return None
    metadata = verdict.evaluation.metadata
    table = metadata.get(TABLE)
    rows = [record.data for record in table.records] if isinstance(table, dg.TableMetadataValue) else []
    number, broken = (int(str(getattr(metadata.get(name), "value", 0) or 0)) for name in (NUMBER, BROKEN))
    return NotBoughtInShop(number, broken, [(str(row["website_item"]), str(row["reason"])) for row in rows])
