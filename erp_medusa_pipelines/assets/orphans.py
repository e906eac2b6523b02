"""Products without a Website Item, and pictures that are shown no more: one thin asset over sync/ for the whole shop.

Pictures are checked here, and not with the other fields of a product each night: they would make that reading half as
long again, and it is Medusa that an export waits for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import dagster as dg

from erp_medusa_pipelines.assets.doctypes import doctype
from erp_medusa_pipelines.assets.export import GROUP, KINDS, MISSING_PERCENT, HidingConfig, hiding_limit
from erp_medusa_pipelines.assets.links import writes
from erp_medusa_pipelines.assets.reporting import SyncRun, check_spec, sync_run
from erp_medusa_pipelines.orchestration.resources import ShopConnection
from erp_medusa_pipelines.orchestration.shops import pool
from erp_medusa_pipelines.orchestration.tables import rows_check
from erp_medusa_pipelines.sync.catalogue.deletions import DeletedProducts, deletion_limit
from erp_medusa_pipelines.sync.catalogue.orphans import OrphanedProducts
from erp_medusa_pipelines.sync.catalogue.removed_pictures import RemovedPicture, removed_pictures

ASSET = "orphaned_products"
OWNED = "products_are_owned"
UNIQUE = "ids_are_used_once"
PICTURES = "pictures_are_shown"
WARN = dg.AssetCheckSeverity.WARN


def build_assets(_batches: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Build the asset that finds products without a Website Item."""

    @dg.asset(
        name=ASSET,
        group_name=GROUP,
        metadata=writes(
            medusa="status of products that no Website Item owns: draft; with WITHDRAWN_ITEMS=delete, products"
            " that were withdrawn long ago are deleted",
            erpnext="with WITHDRAWN_ITEMS=delete: medusa_id and medusa_variant_id of their Website Items, emptied",
            admin_page="products",
        ),
        kinds=KINDS,
        pool=pool(ASSET),
        deps=["medusa_products", doctype("Website Item")],
        check_specs=[
            check_spec(ASSET),
            dg.AssetCheckSpec(
                OWNED,
                asset=ASSET,
                description=(
                    "Every product that the export made is owned by a Website Item. Those that are not become drafts,"
                    " or stay as they are (ORPHANED_PRODUCTS). Delete them in Medusa, or bring their Website Item back."
                ),
            ),
            dg.AssetCheckSpec(
                UNIQUE,
                asset=ASSET,
                description="No two Website Items have the same medusa_id; the next export gives the copy its own.",
            ),
            dg.AssetCheckSpec(
                PICTURES,
                asset=ASSET,
                description=(
                    "Every product shows the pictures that were put on it. One that was removed in Medusa stays away."
                    " Attach the file again to have it back, or delete the File in ERPNext to have it off this list."
                ),
            ),
        ],
        description="Products of the whole shop that no Website Item owns; those that are shown become drafts.",
    )
    def orphaned_products(
        context: dg.AssetExecutionContext, config: HidingConfig, shop: ShopConnection
    ) -> dg.MaterializeResult:
        with sync_run(context, shop, config, "Product") as run:
            settings = run.shop.settings
            look = OrphanedProducts(
                erp=run.shop.erp,
                medusa=run.shop.medusa,
                report=run.report,
                # Those of deleted Website Items are among them: what the export keeps, this must not hide.
                policy="report" if settings.withdrawn_items == "keep" else settings.orphaned_products,
                home=run.families.home,
                guard=run.guard(hiding_limit(settings), allowed=config.allow_hiding),
                chunk=settings.medusa_chunk,
                deletion=_deletion(run, config) if settings.withdrawn_items == "delete" else None,
            )
            look.run()
            result = run.result()
            removed = list(removed_pictures(run.shop.erp, run.shop.medusa))
            return result._replace(check_results=[*(result.check_results or ()), *_checks(look, removed)])

    return [orphaned_products]


def _deletion(run: SyncRun, config: HidingConfig) -> DeletedProducts:
    settings = run.shop.settings
    limit = deletion_limit(settings.missing_products_percent, MISSING_PERCENT)
    return DeletedProducts(
        erp=run.shop.erp,
        medusa=run.shop.medusa,
        writer=run.shop.writer,
        report=run.report,
        guard=run.guard(limit, allowed=config.allow_hiding),
        families=run.families,
        days=settings.withdrawn_days,
    )


def _checks(look: OrphanedProducts, removed: Sequence[RemovedPicture]) -> Iterator[dg.AssetCheckResult]:
    shared = [{"medusa_id": one.medusa_id, "website_items": ", ".join(one.website_items)} for one in look.shared]
    columns = ("product_id", "title", "status", "website_item", "reason")
    yield rows_check(OWNED, [asdict(orphan) for orphan in look.orphans], columns, WARN)
    yield rows_check(UNIQUE, shared, ("medusa_id", "website_items"), WARN)
    yield rows_check(PICTURES, [asdict(one) for one in removed], ("website_item", "file_name", "file"), WARN)
