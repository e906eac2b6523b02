"""Stock: one thin asset over sync/.

medusa_products[batch] --> medusa_stock[batch]
"""

from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from erp_medusa_pipelines.assets.doctypes import doctype
from erp_medusa_pipelines.assets.leftovers import CONTINUES
from erp_medusa_pipelines.assets.links import writes
from erp_medusa_pipelines.assets.prices import GROUP, KINDS
from erp_medusa_pipelines.assets.reporting import ROWS_SHOWN, SyncConfig, check_spec, document_url, sync_run
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.medusa_inventory import MedusaInventory
from erp_medusa_pipelines.orchestration.partitions import ONE_RUN_PER_BATCH
from erp_medusa_pipelines.orchestration.resources import ShopConnection
from erp_medusa_pipelines.orchestration.tables import table
from erp_medusa_pipelines.settings import variable_name
from erp_medusa_pipelines.sync.catalogue.bindings import Bindings

if TYPE_CHECKING:
    from erp_medusa_pipelines.sync.stock.locations import StockLocations
    from erp_medusa_pipelines.sync.stock.plan import LowStock


class StockConfig(SyncConfig):
    """Launchpad config for one run of the stock."""

    allow_zero: bool = Field(
        default=False, description="Go on although more items than STOCK_ZERO_PERCENT would be sold out"
    )


def build_assets(batches: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Build the stock asset over these batches."""

    @dg.asset(
        group_name=GROUP,
        metadata=writes(
            erpnext="Website Item: custom_in_stock",
            medusa="inventory levels at the stock locations; erpnext_stock in the metadata of those locations",
            admin_page="inventory",
        ),
        kinds=KINDS,
        tags=CONTINUES,
        partitions_def=batches,
        backfill_policy=ONE_RUN_PER_BATCH,
        deps=["medusa_products", doctype("Bin"), doctype("Warehouse"), doctype("Batch"), doctype("Sales Order")],
        check_specs=[check_spec("medusa_stock")],
        description=(
            "The stock of a Website Item's warehouses, as Medusa's inventory level and as its in-stock flag;"
            " only what differs is written."
        ),
    )
    def medusa_stock(
        context: dg.AssetExecutionContext, config: StockConfig, shop: ShopConnection
    ) -> dg.MaterializeResult:
        # Only a run of this asset needs the work itself.
        from erp_medusa_pipelines.sync.stock.locations import find_locations
        from erp_medusa_pipelines.sync.stock.quantities import StockRule
        from erp_medusa_pipelines.sync.stock.stock_sync import StockSync, stock_limit

        with sync_run(context, shop, config, WEBSITE_ITEM) as run:
            settings = run.shop.settings
            inventory = MedusaInventory(run.shop.medusa)
            locations = find_locations(
                inventory,
                run.shop.medusa.stock_location_id(settings.medusa_stock_location_id),
                settings.warehouse_stock_locations,
                settings.medusa_sales_channel_id,
            )
            bindings = Bindings(run.shop.erp, run.shop.medusa, run.families.home)
            sync = StockSync(
                run.scope,
                writer=run.shop.writer,
                inventory=inventory,
                locations=locations,
                rule=StockRule(settings.stock_quantity, settings.safety_stock),
                guard=run.guard(
                    stock_limit(settings.stock_zero_percent, variable_name("stock_zero_percent")),
                    allowed=config.allow_zero,
                ),
                levels_per_call=settings.medusa_level_chunk,
                foreign=lambda names: (
                    bindings.foreign_among(run.batch, names) if inventory.is_seen else bindings.foreign(run.batch)
                ),
            )
            sync.run()
            low_stock = _low_stock_table(sync.low_stock, run.shop.erp.http.base_url)
            return run.result(
                metadata={**low_stock, **_odd_locations(locations)},
                outage=sync.outage is not None,
                stopped=sync.losses_stopped,
            )

    return [medusa_stock]


def _odd_locations(locations: "StockLocations") -> dict[str, dg.MetadataValue]:
    """Locations that something is odd with, by what it is."""
    odd = {
        "locations_not_sold_from": locations.not_sold_from,
        "locations_no_longer_used": locations.no_longer_used,
    }
    return {
        what: dg.MetadataValue.text(", ".join(f"{name} ({each})" for each, name in found.items()))
        for what, found in odd.items()
        if found
    }


def _low_stock_table(low_stock: list["LowStock"], base_url: str) -> dict[str, dg.MetadataValue]:
    """Return items at or below their threshold, scarcest first."""
    if not low_stock:
        return {}
    rows = [
        {
            "website_item": item.name,
            "quantity": item.quantity,
            "threshold": item.threshold,
            "link": document_url(base_url, WEBSITE_ITEM, item.name),
        }
        for item in sorted(low_stock, key=lambda one: (one.quantity, one.name))[:ROWS_SHOWN]
    ]
    kinds = {"website_item": "string", "quantity": "int", "threshold": "int", "link": "string"}
    return {"low_stock_items": table(rows, kinds)}
