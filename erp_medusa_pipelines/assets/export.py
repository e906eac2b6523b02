"""The catalogue export: Item Groups, products, images, changes. Five thin assets over sync/.

medusa_collections, medusa_categories --> medusa_products[batch] --> medusa_images[batch]
                                                               '--> medusa_product_updates[batch]
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import dagster as dg
from pydantic import Field

from erp_medusa_pipelines.assets.doctypes import doctype
from erp_medusa_pipelines.assets.leftovers import CONTINUES
from erp_medusa_pipelines.assets.links import writes
from erp_medusa_pipelines.assets.reporting import ROWS_SHOWN, SyncConfig, SyncRun, check_spec, sync_run
from erp_medusa_pipelines.clients.medusa_translations import MedusaTranslations
from erp_medusa_pipelines.orchestration.checks.rejects import KEPT_TABLE
from erp_medusa_pipelines.orchestration.partitions import ONE_RUN_PER_BATCH
from erp_medusa_pipelines.orchestration.resources import ShopConnection
from erp_medusa_pipelines.orchestration.shops import pool
from erp_medusa_pipelines.product_fields import FieldPolicy
from erp_medusa_pipelines.settings import Settings, variable_name
from erp_medusa_pipelines.sync.catalogue import categories, collections
from erp_medusa_pipelines.sync.catalogue.binding_repair import BindingRepair, missing_limit
from erp_medusa_pipelines.sync.catalogue.categories import CategorySync, hidden_limit
from erp_medusa_pipelines.sync.catalogue.collections import sync_collections
from erp_medusa_pipelines.sync.catalogue.field_table import FieldTable
from erp_medusa_pipelines.sync.catalogue.filing import Filing, read_filing
from erp_medusa_pipelines.sync.catalogue.group_texts import GroupTexts
from erp_medusa_pipelines.sync.catalogue.images import ImageSync
from erp_medusa_pipelines.sync.catalogue.languages import Translator, read_translator
from erp_medusa_pipelines.sync.catalogue.leaving_variants import leaving_limit
from erp_medusa_pipelines.sync.catalogue.noted_pictures import NotedPictures
from erp_medusa_pipelines.sync.catalogue.option_products import OptionProducts
from erp_medusa_pipelines.sync.catalogue.product_bodies import Placement
from erp_medusa_pipelines.sync.catalogue.product_updates import KeptDifference, ProductUpdates
from erp_medusa_pipelines.sync.catalogue.products import ProductExport
from erp_medusa_pipelines.sync.catalogue.retired import retire_abandoned, retire_option_products
from erp_medusa_pipelines.sync.catalogue.shop_table import table_for
from erp_medusa_pipelines.sync.catalogue.shown import shown_limit
from erp_medusa_pipelines.sync.catalogue.withdrawals import Withdrawals, hide
from erp_medusa_pipelines.sync.engine.brake import Limit

MISSING_PERCENT = variable_name("missing_products_percent")

DIFFERENCE_CHECK, DIFFERENCES = "medusa_equals_erp", "kept_differences"
LONGEST_VALUE = 200

GROUP = "catalogue"
KINDS = {"medusa"}


class ProductsConfig(SyncConfig):
    """Launchpad config for one run of the export's first part."""

    allow_missing: bool = Field(
        default=False, description="Go on although more products than MISSING_PRODUCTS_PERCENT are missing in Medusa"
    )


class HidingConfig(SyncConfig):
    """Launchpad config for one run that may hide products."""

    allow_hiding: bool = Field(
        default=False, description="Go on although more products than MISSING_PRODUCTS_PERCENT would be hidden"
    )


class UpdateConfig(HidingConfig):
    """Launchpad config for one run of the updates."""

    force: bool = Field(
        default=False, description="Send the ERP's value of every field that differs in Medusa, whatever its policy"
    )


def build_assets(batches: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Build the assets of the export over these batches."""

    @dg.asset(
        group_name=GROUP,
        metadata=writes(
            erpnext="Item Group: medusa_id",
            medusa="collections: title, handle, external_id, metadata",
            admin_page="collections",
        ),
        kinds=KINDS,
        tags=CONTINUES,
        # Four runs come to this asset at once each night; one at a time, the later ones find the work done.
        pool=pool("medusa_collections"),
        deps=[doctype("Item Group"), doctype("Website Item")],
        check_specs=[check_spec("medusa_collections")],
        description="One Medusa collection per Item Group that holds Website Items; its id is kept on the Item Group.",
    )
    def medusa_collections(
        context: dg.AssetExecutionContext, config: SyncConfig, shop: ShopConnection
    ) -> dg.MaterializeResult:
        with sync_run(context, shop, config, "Item Group") as run:
            texts = _in_languages(run, collections.NO_TEXTS)
            families = run.families if run.shop.settings.empty_groups == "remove" else None
            erp, medusa = run.shop.erp, run.shop.medusa
            sync_collections(erp, run.shop.writer, medusa, run.report, run.shop.items, texts, families)
            return run.result()

    @dg.asset(
        group_name=GROUP,
        metadata=writes(
            medusa="product categories: name, description, handle, parent, rank, external_id, metadata, is_active",
            admin_page="categories",
        ),
        kinds=KINDS,
        tags=CONTINUES,
        # As with the collections, which are not read or written here: later runs find the work done.
        pool=pool("medusa_categories"),
        deps=[doctype("Item Group"), doctype("Website Item")],
        check_specs=[check_spec("medusa_categories")],
        description=(
            "With CATEGORIES: one Medusa category per Item Group that is shown, in ERPNext's tree and order; those of"
            " groups that are gone are hidden."
        ),
    )
    def medusa_categories(
        context: dg.AssetExecutionContext, config: HidingConfig, shop: ShopConnection
    ) -> dg.MaterializeResult:
        with sync_run(context, shop, config, "Item Group") as run:
            which, stopped = run.shop.settings.categories, None
            if which != "off":
                limit = hidden_limit(run.shop.settings.missing_products_percent, MISSING_PERCENT)
                pictures, texts = _pictures(run), _in_languages(run, categories.NO_TEXTS)
                guard = run.guard(limit, allowed=config.allow_hiding)
                families = run.families if run.shop.settings.empty_groups != "keep" else None
                erp, medusa = run.shop.erp, run.shop.medusa
                sync = CategorySync(erp, medusa, run.report, which, guard, pictures, texts, families)
                stopped = sync.run()
            return run.result(stopped=stopped)

    @dg.asset(
        group_name=GROUP,
        metadata=writes(
            erpnext="Website Item: medusa_id, medusa_variant_id",
            medusa="products with one variant each: external_id = Website Item, sku = item_code; never a price",
            admin_page="products",
        ),
        kinds=KINDS,
        tags=CONTINUES,
        partitions_def=batches,
        backfill_policy=ONE_RUN_PER_BATCH,
        deps=[medusa_collections, medusa_categories, doctype("Website Item"), doctype("Item")],
        check_specs=[check_spec("medusa_products")],
        description=(
            "Published Website Items without medusa_id, created as Medusa products with one variant;"
            " the ids are written back to the Website Items. Ids of a copied Website Item and of products that"
            " Medusa does not have are cleared first."
        ),
    )
    def medusa_products(
        context: dg.AssetExecutionContext, config: ProductsConfig, shop: ShopConnection
    ) -> dg.MaterializeResult:
        with sync_run(context, shop, config, "Website Item") as run:
            table = _table(run)
            limit = missing_limit(run.shop.settings.missing_products_percent, MISSING_PERCENT)
            guard = run.guard(limit, allowed=config.allow_missing)
            settings = run.shop.settings
            erp, medusa, chunk = run.shop.erp, run.shop.medusa, settings.medusa_chunk
            if settings.variants == "products":
                rested = retire_option_products(erp, medusa, chunk)
            else:
                rested = retire_abandoned(erp, run.shop.writer, medusa, chunk, run.families.abandoned)
            run.report.count("retired", rested)
            BindingRepair(run.scope, table=table, writer=run.shop.writer, guard=guard).run()
            given = {
                "table": table,
                "writer": run.shop.writer,
                "filing": _filing(run, table),
                "placement": _placement(run),
                "policies": _policies(settings, table),
                "publish_when": settings.publish_when,
                "families": run.families,
            }
            if settings.variants != "products":
                OptionProducts(run.scope, **given, only_new=True).run()
            export = ProductExport(run.scope, **given)
            export.run()
            return run.result(outage=export.outage is not None)

    @dg.asset(
        group_name=GROUP,
        metadata=writes(
            erpnext="File: medusa_id",
            medusa="uploads, product images and thumbnail",
            admin_page="products",
        ),
        kinds=KINDS,
        tags=CONTINUES,
        partitions_def=batches,
        backfill_policy=ONE_RUN_PER_BATCH,
        deps=[medusa_products, doctype("File")],
        check_specs=[check_spec("medusa_images")],
        description="Image files attached to exported Website Items, uploaded once and shown on their products.",
    )
    def medusa_images(
        context: dg.AssetExecutionContext, config: SyncConfig, shop: ShopConnection
    ) -> dg.MaterializeResult:
        with sync_run(context, shop, config, "File") as run:
            images = ImageSync(
                run.scope,
                writer=run.shop.writer,
                image_max_bytes=run.shop.settings.image_max_bytes,
                keep_thumbnail=run.shop.settings.policies["thumbnail"] == "keep",
            )
            images.run()
            return run.result(outage=images.outage is not None)

    @dg.asset(
        group_name=GROUP,
        metadata=writes(
            medusa="products whose Website Item changed; those of unpublished and deleted ones become drafts",
            admin_page="products",
        ),
        kinds=KINDS,
        tags=CONTINUES,
        partitions_def=batches,
        backfill_policy=ONE_RUN_PER_BATCH,
        deps=[medusa_products, doctype("Website Item"), doctype("Item")],
        check_specs=[check_spec("medusa_product_updates"), _difference_check_spec("medusa_product_updates")],
        description=(
            "Exported products that differ from their Website Item, field by field after FIELD_POLICIES;"
            " those of unpublished and of deleted Website Items become drafts."
        ),
    )
    def medusa_product_updates(
        context: dg.AssetExecutionContext, config: UpdateConfig, shop: ShopConnection
    ) -> dg.MaterializeResult:
        with sync_run(context, shop, config, "Website Item") as run:
            table = _table(run)
            updates = ProductUpdates(
                run.scope,
                table=table,
                filing=_filing(run, table),
                placement=_placement(run),
                policies=_policies(run.shop.settings, table),
                withdrawn=run.shop.settings.withdrawn_items,
                publish_when=run.shop.settings.publish_when,
                force=config.force,
                families=run.families,
            )
            variants = _variants(run, config, table) if run.shop.settings.variants != "products" else None
            if variants:
                variants.run()
            updates.run()
            guard = run.guard(hiding_limit(run.shop.settings), allowed=config.allow_hiding)
            stopped = hide(updates, Withdrawals(run.scope, policy=run.shop.settings.withdrawn_items), guard)
            stopped = stopped or (variants.stopped if variants else None)
            result = run.result(stopped=stopped, outage=updates.outage is not None)
            return result._replace(check_results=[*(result.check_results or ()), _difference_check(run, updates.kept)])

    return [medusa_collections, medusa_categories, medusa_products, medusa_images, medusa_product_updates]


def hiding_limit(settings: Settings) -> Limit:
    """Return how many products the tasks of a shop may hide together."""
    return shown_limit(settings.missing_products_percent, MISSING_PERCENT)


def _variants(run: SyncRun, config: UpdateConfig, table: FieldTable) -> OptionProducts:
    """Build the sync of the variants of products that exist."""
    settings = run.shop.settings
    limit = leaving_limit(settings.missing_products_percent, MISSING_PERCENT)
    return OptionProducts(
        run.scope,
        writer=run.shop.writer,
        table=table,
        families=run.families,
        filing=_filing(run, table),
        placement=_placement(run),
        # Medusa cannot hide a variant, so without a guard it stays.
        guard=run.guard(limit, allowed=config.allow_hiding) if settings.withdrawn_items != "keep" else None,
        pictures=_pictures(run),
        policies=_policies(settings, table),
        publish_when=settings.publish_when,
        unused=settings.unused_option_values,
        force=config.force,
    )


def _pictures(run: SyncRun) -> NotedPictures:
    return NotedPictures(run.shop.erp, run.shop.medusa, run.report, run.shop.settings.image_max_bytes)


def _table(run: SyncRun) -> FieldTable:
    """Return the fields of a product in this shop. Raises SettingsError for a mapping that cannot be used."""
    return table_for(run.shop.settings.mapping, run.shop.erp)


def _policies(settings: Settings, table: FieldTable) -> dict[str, FieldPolicy]:
    """Return the policy of every field. FIELD_POLICIES comes before the mapping, as settings do before files."""
    return {**table.policies, **settings.field_policies}


def _translator(run: SyncRun) -> Translator | None:
    settings = run.shop.settings
    return read_translator(run.shop.erp, settings.languages, settings.language_fields)


def _in_languages(run: SyncRun, texts: GroupTexts) -> GroupTexts:
    """Return the texts of Item Groups with the shop's further languages, if it has any."""
    translator = _translator(run)
    module = MedusaTranslations.where_on(run.shop.medusa) if translator else None
    return replace(texts, translator=translator, module=module)


def _filing(run: SyncRun, table: FieldTable) -> Filing:
    """Return what products are filed under, and their texts in further languages."""
    return read_filing(run.shop.erp, run.shop.medusa, run.shop.settings.categories, table, _translator(run))


def _placement(run: SyncRun) -> Placement:
    """Return where every product goes in the shop, from the settings."""
    settings, medusa = run.shop.settings, run.shop.medusa
    medusa.check_sales_channels(settings.sales_channels, variable_name("sales_channels"))
    return Placement(
        medusa.sales_channel_id(settings.medusa_sales_channel_id),
        medusa.shipping_profile_id(settings.medusa_shipping_profile_id),
    )


def _difference_check_spec(asset: str) -> dg.AssetCheckSpec:
    """Return the check that fails while Medusa keeps values that differ from the ERP."""
    return dg.AssetCheckSpec(
        DIFFERENCE_CHECK,
        asset=asset,
        description=(
            "Every product agrees with its Website Item. What somebody changed in Medusa is listed where the"
            " policy of its field keeps it until the ERP changes (FIELD_POLICIES; `keep` is not listed)."
            " `force: true` in the launchpad sends the ERP's values."
        ),
    )


def _difference_check(run: SyncRun, kept: Sequence[KeptDifference]) -> dg.AssetCheckResult:
    """Return one result for the whole asset, from this batch and what the others found last."""
    rows = [[one.website_item, one.field, _short(one.erp), _short(one.medusa)] for one in kept[:ROWS_SHOWN]]
    found = run.over_batches("differences", {DIFFERENCES: len(kept)}, rows)
    columns = ("website_item", "field", "erp", "medusa")
    shown = {KEPT_TABLE: run.item_table(columns, found.rows)} if found.rows else {}
    return dg.AssetCheckResult(
        passed=not found.numbers[DIFFERENCES],
        check_name=DIFFERENCE_CHECK,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={**found.numbers, **shown},
    )


def _short(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."
