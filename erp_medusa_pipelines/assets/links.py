"""Owners of each asset, what it writes, and links: to the ERP, the store, the runbook and the job that plans it."""

from collections.abc import Mapping, Sequence

import dagster as dg

from erp_medusa_pipelines.assets.doctypes import doctypes_read
from erp_medusa_pipelines.assets.product_columns import WRITE_PRODUCTS, product_columns
from erp_medusa_pipelines.orchestration.runs.plan_jobs import PLAN_JOB
from erp_medusa_pipelines.orchestration.shops import asset_name, shop_name
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.tasks import ALL_ASSETS

WRITES_ERPNEXT, WRITES_MEDUSA = "writes_in_erpnext", "writes_in_medusa"
"""Metadata of an asset, in words: for the UI, and for the table in docs/tasks.md."""

_DESK_LIST, _ADMIN_PAGE = "desk_list", "admin_page"


def writes(
    *, erpnext: str = "–", medusa: str = "–", desk_list: str | None = None, admin_page: str | None = None
) -> dict[str, str]:
    """Return an asset's metadata of what it writes on either server, and where that is seen.

    Args:
        erpnext: DocTypes and fields, in words.
        medusa: the same for the store.
        desk_list: the DocType whose list or form shows it; without one, the first DocType that the asset reads.
        admin_page: the page of Medusa's admin that shows it.
    """
    said = {WRITES_ERPNEXT: erpnext, WRITES_MEDUSA: medusa, _DESK_LIST: desk_list, _ADMIN_PAGE: admin_page}
    return {key: value for key, value in said.items() if value}


LOCATION = "erp_medusa_pipelines"
"""The code location in every workspace.yaml; one of several shops has the shop's name."""


def desk_url(base_url: str, doctype_name: str) -> str:
    """Address of a DocType's list, or of a Single's form, in ERPNext's desk."""
    return f"{base_url}/app/{doctype_name.lower().replace(' ', '-')}"


def with_links(
    assets: Sequence[dg.AssetsDefinition], others: Sequence[dg.AssetsDefinition | dg.AssetSpec], settings: Settings
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Return our assets, and others, with owners, links, and the columns of a product."""
    names = doctypes_read(assets)
    columns = product_columns(settings)

    def linked(spec: dg.AssetSpec) -> dg.AssetSpec:
        of_products = columns if asset_name(spec.key) in WRITE_PRODUCTS else {}
        metadata = {**spec.metadata, **_links(spec, names, settings), **of_products}
        return spec.replace_attributes(owners=settings.asset_owners, metadata=metadata)

    return [
        linked(each) if isinstance(each, dg.AssetSpec) else each.map_asset_specs(linked) for each in (*assets, *others)
    ]


def _links(
    spec: dg.AssetSpec, doctypes: Mapping[dg.AssetKey, str], settings: Settings
) -> Mapping[str, dg.MetadataValue]:
    """Return the links of one asset, without those whose address is not set."""
    found: dict[str, dg.MetadataValue] = {}
    if asset_name(spec.key) in ALL_ASSETS:
        location = shop_name() or LOCATION
        found["dry_run"] = dg.MetadataValue.job(PLAN_JOB, location, repository_name="__repository__")
    # The sandbox has no pages, and the shop that .env names is not what it works on.
    if settings.uses_sandbox:
        return found
    shown_in = _desk_list(spec, doctypes)
    if settings.erpnext_url and shown_in:
        found["erpnext"] = dg.MetadataValue.url(desk_url(settings.erpnext_url, shown_in))
    if settings.medusa_url and _ADMIN_PAGE in spec.metadata:
        found["medusa"] = dg.MetadataValue.url(f"{settings.medusa_url}/app/{spec.metadata[_ADMIN_PAGE]}")
    if settings.runbook_url:
        found["runbook"] = dg.MetadataValue.url(settings.runbook_url)
    return found


def _desk_list(spec: dg.AssetSpec, doctypes: Mapping[dg.AssetKey, str]) -> str | None:
    """Return the DocType whose list shows what an asset, or a DocType's own external asset, is about."""
    if _DESK_LIST in spec.metadata:
        return spec.metadata[_DESK_LIST]
    return next((doctypes[key] for key in (spec.key, *(dep.asset_key for dep in spec.deps)) if key in doctypes), None)
