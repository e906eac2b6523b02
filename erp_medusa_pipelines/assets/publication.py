"""Products are published once they are complete: one thin asset over sync/, the last of the export.

medusa_images, medusa_product_updates, medusa_prices, medusa_stock --> medusa_publication[batch]
"""

from dataclasses import asdict

import dagster as dg

from erp_medusa_pipelines.assets.export import GROUP, KINDS
from erp_medusa_pipelines.assets.links import writes
from erp_medusa_pipelines.assets.reporting import SyncConfig, check_spec, sync_run
from erp_medusa_pipelines.assets.tables import table
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.orchestration.partitions import ONE_RUN_PER_BATCH
from erp_medusa_pipelines.orchestration.resources import ShopConnection

ASSET = "medusa_publication"


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
        check_specs=[check_spec(ASSET)],
        description=(
            "With PUBLISH_WHEN=complete: products with a picture, a price in force and stock go live; what others lack"
            " is listed. With PUBLISH_WHEN=created there is nothing to do."
        ),
    )
    def medusa_publication(
        context: dg.AssetExecutionContext, config: SyncConfig, shop: ShopConnection
    ) -> dg.MaterializeResult:
        from erp_medusa_pipelines.sync.catalogue.can_be_bought import CanBeBought
        from erp_medusa_pipelines.sync.catalogue.publication import Publications

        with sync_run(context, shop, config, WEBSITE_ITEM) as run:
            if run.shop.settings.publish_when == "created":
                return run.result()
            now, medusa = run.shop.erp.now(), run.shop.medusa
            channel = medusa.sales_channel_id(run.shop.settings.medusa_sales_channel_id)
            buyable = CanBeBought(medusa=medusa, sales_channel_id=channel, batch=run.batch, now=now)
            work = Publications(run.scope, buyable=buyable, today=now.date())
            work.run()
            rows = [asdict(one) for one in work.incomplete]
            shown = {"waiting_for": table(rows, {"website_item": "string", "lacks": "string"})} if rows else {}
            return run.result(metadata=shown)

    return [medusa_publication]
