"""Clearance: items that expire soon, and the homepage deals that staff ticked. Two thin assets over sync/.

expiring_items --> best_deals
"""

from dataclasses import asdict

import dagster as dg
from pydantic import Field

from erp_medusa_pipelines.assets.doctypes import doctype
from erp_medusa_pipelines.assets.links import writes
from erp_medusa_pipelines.assets.reporting import SyncConfig, sync_run
from erp_medusa_pipelines.orchestration.resources import ShopConnection
from erp_medusa_pipelines.orchestration.shops import pool
from erp_medusa_pipelines.orchestration.tables import rows_check, table
from erp_medusa_pipelines.sync.merchandising.clearance import (
    unsellable_on_homepage,
    unsellable_on_list,
    write_expiring_items,
    write_homepage,
)

GROUP = "merchandising"
HOMEPAGE_POOL = "homepage_landing"
"""One at a time: saving Expiring Items makes the app write Homepage Landing as well."""
SELLABLE_CHECK = "listed_items_are_sold"

RESTS = ", rests while it is not sold"

LISTED_COLUMNS = {
    "website_item": "string",
    "title": "string",
    "item_code": "string",
    "expiry_date": "string",
    "days_left": "int",
    "quantity": "float",
    "show": "bool",
    "why": "string",
}
DEAL_COLUMNS = {"website_item": "string", "url": "string", "by_staff": "bool"}


class ClearanceConfig(dg.Config):
    """Launchpad config for one run."""

    allow_empty: bool = Field(default=False, description="Go on although most rows would go before their day")


def _spec(asset: str, document: str) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        SELLABLE_CHECK,
        asset=asset,
        description=f"Every item that {document} shows exists, is published and is enabled.",
    )


def _check(problems: list[tuple[str, str]]) -> dg.AssetCheckResult:
    rows = [{"table": where, "website_item": name} for where, name in problems]
    return rows_check(SELLABLE_CHECK, rows, ("table", "website_item"))


@dg.asset(
    group_name=GROUP,
    metadata=writes(
        erpnext="Expiring Items",
        desk_list="Expiring Items",
    ),
    kinds={"erpnext"},
    pool=pool(HOMEPAGE_POOL),
    deps=[doctype("Batch"), doctype("Website Item")],
    check_specs=[_spec("expiring_items", "Expiring Items")],
    description=(
        "The Single Expiring Items: items whose earliest batch in stock expires soon, by date, and those that staff"
        " added without a date. Staff's `show` flags stay. What they entered of an item that is not sold rests."
    ),
)
def expiring_items(
    context: dg.AssetExecutionContext, config: ClearanceConfig, shop: ShopConnection
) -> dg.MaterializeResult:
    with sync_run(context, shop, SyncConfig(), "Website Item") as run:
        today = run.shop.erp.now().date()
        days = run.shop.settings.clearance_days
        listed = write_expiring_items(run.shop.erp, today, days, run.report, allow_empty=config.allow_empty)
        rows = [
            {**asdict(one), "why": ("expires soon" if one.expiry_date else "marked by staff") + (RESTS * one.rests)}
            for one in sorted(listed, key=lambda one: one.days_left is None)
        ]
        metadata = {
            "items": table(rows, LISTED_COLUMNS),
            "marked_by_staff": sum(one.expiry_date is None for one in listed),
            "shown": sum(one.show for one in listed),
            "today": today.isoformat(),
        }
        return run.result(metadata=metadata, checks=[_check(unsellable_on_list(run.shop.erp))])


@dg.asset(
    group_name=GROUP,
    metadata=writes(
        erpnext="Homepage Landing: clearance_items, best_deals",
        desk_list="Homepage Landing",
    ),
    kinds={"erpnext"},
    deps=[expiring_items],
    pool=pool(HOMEPAGE_POOL),
    check_specs=[_spec("best_deals", "the homepage")],
    description=(
        "The homepage's best deals: what staff ticked in Expiring Items, beside the rows that staff put there by hand,"
        " which keep their place."
    ),
)
def best_deals(context: dg.AssetExecutionContext, shop: ShopConnection) -> dg.MaterializeResult:
    with sync_run(context, shop, SyncConfig(), "Website Item") as run:
        deals = write_homepage(run.shop.erp, run.report)
        metadata = {"deals": table([asdict(deal) for deal in deals], DEAL_COLUMNS)}
        return run.result(metadata=metadata, checks=[_check(unsellable_on_homepage(run.shop.erp))])


ASSETS = [expiring_items, best_deals]
