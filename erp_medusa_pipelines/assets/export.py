"""The catalogue export: Item Groups, products, images, changes. Four thin assets over sync/.

medusa_collections --> medusa_products[batch] --> medusa_images[batch]
                                            '--> medusa_product_updates[batch]
"""

import dagster as dg

from erp_medusa_pipelines.assets.doctypes import doctype
from erp_medusa_pipelines.assets.reporting import SyncConfig, check_spec, sync_run
from erp_medusa_pipelines.orchestration.resources import ShopConnection
from erp_medusa_pipelines.sync.catalogue.binding_repair import BindingRepair
from erp_medusa_pipelines.sync.catalogue.collections import collection_ids, sync_collections
from erp_medusa_pipelines.sync.catalogue.images import ImageSync
from erp_medusa_pipelines.sync.catalogue.product_bodies import Placement
from erp_medusa_pipelines.sync.catalogue.product_updates import ProductUpdates
from erp_medusa_pipelines.sync.catalogue.products import ProductExport
from erp_medusa_pipelines.sync.catalogue.withdrawals import Withdrawals

GROUP = "catalogue"
KINDS = {"medusa"}


def build_export_assets(batches: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The assets of the export over these batches."""

    @dg.asset(
        group_name=GROUP,
        kinds=KINDS,
        # Four runs come to this asset at once each night; one at a time, the later ones find the work done.
        pool="medusa_collections",
        deps=[doctype("Item Group"), doctype("Website Item")],
        check_specs=[check_spec("medusa_collections")],
        description="One Medusa collection per Item Group that holds Website Items; its id is kept on the Item Group.",
    )
    def medusa_collections(
        context: dg.AssetExecutionContext, config: SyncConfig, shop: ShopConnection
    ) -> dg.MaterializeResult:
        with sync_run(context, shop, config, "Item Group") as run:
            sync_collections(run.shop.erp, run.shop.writer, run.shop.medusa, run.report)
            return run.result()

    @dg.asset(
        group_name=GROUP,
        kinds=KINDS,
        partitions_def=batches,
        deps=[medusa_collections, doctype("Website Item"), doctype("Item")],
        check_specs=[check_spec("medusa_products")],
        description=(
            "Published Website Items without medusa_id, created as Medusa products with one variant;"
            " the ids are written back to the Website Items. Ids of a copied Website Item and of products that"
            " Medusa does not have are emptied first."
        ),
    )
    def medusa_products(
        context: dg.AssetExecutionContext, config: SyncConfig, shop: ShopConnection
    ) -> dg.MaterializeResult:
        with sync_run(context, shop, config, "Website Item") as run:
            BindingRepair(
                run.scope, writer=run.shop.writer, missing_percent=run.shop.settings.missing_products_percent
            ).run()
            ProductExport(
                run.scope,
                writer=run.shop.writer,
                collections=collection_ids(run.shop.erp),
                placement=Placement(
                    run.shop.medusa.sales_channel_id(run.shop.settings.medusa_sales_channel_id),
                    run.shop.medusa.default_shipping_profile_id(),
                ),
            ).run()
            return run.result()

    @dg.asset(
        group_name=GROUP,
        kinds=KINDS,
        partitions_def=batches,
        deps=[medusa_products, doctype("File")],
        check_specs=[check_spec("medusa_images")],
        description="Image files attached to exported Website Items, uploaded once and shown on their products.",
    )
    def medusa_images(
        context: dg.AssetExecutionContext, config: SyncConfig, shop: ShopConnection
    ) -> dg.MaterializeResult:
        with sync_run(context, shop, config, "File") as run:
            ImageSync(
                run.scope,
                writer=run.shop.writer,
                image_max_bytes=run.shop.settings.image_max_bytes,
            ).run()
            return run.result()

    @dg.asset(
        group_name=GROUP,
        kinds=KINDS,
        partitions_def=batches,
        deps=[medusa_products, doctype("Website Item"), doctype("Item")],
        check_specs=[check_spec("medusa_product_updates")],
        description=(
            "Exported products whose Website Item changed since;"
            " those of unpublished and of deleted Website Items become drafts."
        ),
    )
    def medusa_product_updates(
        context: dg.AssetExecutionContext, config: SyncConfig, shop: ShopConnection
    ) -> dg.MaterializeResult:
        with sync_run(context, shop, config, "Website Item") as run:
            updates = ProductUpdates(
                run.scope,
                collections=collection_ids(run.shop.erp),
            )
            updates.run()
            if not updates.outage:
                Withdrawals(run.scope).run()
            return run.result()

    return [medusa_collections, medusa_products, medusa_images, medusa_product_updates]
