"""Owners of each asset, and links to its list in the ERP, to the store, to the runbook, and to the job that plans it.

Belongs here: addresses from the settings. Does not belong here: links to single documents (reporting.py).
"""

from collections.abc import Iterable, Mapping

import dagster as dg

from erp_medusa_pipelines.assets.doctypes import DOCTYPES, doctype
from erp_medusa_pipelines.orchestration.plan_jobs import PLAN_JOB
from erp_medusa_pipelines.orchestration.shops import shop_name
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.tasks import TASKS

ERP_LISTS = {
    "medusa_collections": "Item Group",
    "medusa_products": "Website Item",
    "medusa_images": "File",
    "medusa_product_updates": "Website Item",
    "medusa_price_lists": "Price List",
    "medusa_prices": "Item Price",
    "medusa_stock": "Bin",
    "sales_by_item": "Sales Invoice",
    "top_selling_items": "Item",
    "product_collection": "Product Collection",
    "expiring_items": "Expiring Items",
    "best_deals": "Homepage Landing",
    "quotation_emails": "Email Queue",
    "expired_otps": "Email OTP",
    **{doctype(name).to_user_string(): name for name in DOCTYPES},
}
"""By asset, the DocType whose list or form in ERPNext's desk shows what it is about."""

STORE_PAGES = {
    "medusa_collections": "collections",
    "medusa_products": "products",
    "medusa_images": "products",
    "medusa_product_updates": "products",
    "medusa_price_lists": "price-lists",
    "medusa_prices": "price-lists",
    "medusa_stock": "inventory",
}
"""By asset, the page of Medusa's admin that shows it."""

PLANNED = frozenset(asset for task in TASKS for asset in task.assets)
LOCATION = "erp_medusa_pipelines"
"""The code location in every workspace.yaml; one of several shops has the shop's name."""


def desk_url(base_url: str, doctype_name: str) -> str:
    """Address of a DocType's list, or of a Single's form, in ERPNext's desk."""
    return f"{base_url}/app/{doctype_name.lower().replace(' ', '-')}"


def links(asset: str, settings: Settings) -> Mapping[str, dg.MetadataValue]:
    """Return the links of one asset, without those whose address is not set."""
    found: dict[str, dg.MetadataValue] = {}
    if asset.rpartition("/")[2] in PLANNED:
        location = shop_name() or LOCATION
        found["dry_run"] = dg.MetadataValue.job(PLAN_JOB, location, repository_name="__repository__")
    # The sandbox has no pages, and the shop that .env names is not what it works on.
    if settings.uses_sandbox:
        return found
    if settings.erpnext_url and asset in ERP_LISTS:
        found["erpnext"] = dg.MetadataValue.url(desk_url(settings.erpnext_url, ERP_LISTS[asset]))
    if settings.medusa_url and asset in STORE_PAGES:
        found["medusa"] = dg.MetadataValue.url(f"{settings.medusa_url}/app/{STORE_PAGES[asset]}")
    if settings.runbook_url:
        found["runbook"] = dg.MetadataValue.url(settings.runbook_url)
    return found


def with_links(
    assets: Iterable[dg.AssetsDefinition | dg.AssetSpec], settings: Settings
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Return the same assets with owners and links."""

    def linked(spec: dg.AssetSpec) -> dg.AssetSpec:
        metadata = {**spec.metadata, **links(spec.key.to_user_string(), settings)}
        return spec.replace_attributes(owners=settings.asset_owners, metadata=metadata)

    return [linked(each) if isinstance(each, dg.AssetSpec) else each.map_asset_specs(linked) for each in assets]
