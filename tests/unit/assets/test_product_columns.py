"""The UI shows of each field of a product which fields of ERPNext it is made of, by the shop's own mapping."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from erp_medusa_pipelines.assets.product_columns import SCHEMA, WRITE_PRODUCTS, WRONG
from erp_medusa_pipelines.definitions import build_defs
from erp_medusa_pipelines.settings import load_settings

MAPPING = """
fields:
  title: {from: [web_item_name, item.item_name], transforms: [first_of]}
  weight: {from: item.weight_per_unit, transforms: [{unit: g, of: item.weight_uom}]}
  metadata.label: {template: "{{ brand }}"}
  material: {value: Steel}
  variant.barcode: item.barcodes
"""
WEBSITE_ITEM, ITEM = dg.AssetKey(["erpnext", "website_item"]), dg.AssetKey(["erpnext", "item"])


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The shop's mapping file, to be written."""
    monkeypatch.setenv("MAPPING", str(tmp_path / "catalogue.yaml"))
    return tmp_path / "catalogue.yaml"


def metadata() -> dict[str, Any]:
    defs = build_defs(load_settings(env_file=None))
    (one, other) = (spec.metadata for spec in defs.resolve_all_asset_specs() if spec.key.path[-1] in WRITE_PRODUCTS)
    assert one.get(SCHEMA) == other.get(SCHEMA)
    return dict(one)


def sources(found: dict[str, Any]) -> dict[str, set[tuple[dg.AssetKey, str]]]:
    return {
        column: {(dep.asset_key, dep.column_name) for dep in deps}
        for column, deps in found["dagster/column_lineage"].deps_by_column.items()
    }


def test_the_built_in_fields_lead_to_their_columns() -> None:
    found = sources(metadata())
    assert found["title"] == {(WEBSITE_ITEM, "web_item_name")}
    assert found["origin_country"] == {(ITEM, "country_of_origin")}
    assert found["variants.barcode"] == {(ITEM, "barcodes.barcode")}
    assert found["metadata.specifications"] == {(WEBSITE_ITEM, "website_specifications")}


def test_the_shops_mapping_takes_their_place(own: Path) -> None:
    own.write_text(MAPPING, encoding="utf-8")
    told = metadata()
    found = sources(told)
    assert found["title"] == {(WEBSITE_ITEM, "web_item_name"), (ITEM, "item_name")}
    assert found["weight"] == {(ITEM, "weight_per_unit"), (ITEM, "weight_uom")}
    assert found["metadata.label"] == {(WEBSITE_ITEM, "brand")}
    assert found["variants.barcode"] == {(ITEM, "barcodes.barcode")}
    assert found["variants.sku"] == {(WEBSITE_ITEM, "item_code")}, "ERPNext's own rules stay"
    assert not {"description", "material"} & found.keys()
    assert {column.name: column.description for column in told[SCHEMA].columns}["weight"] == (
        "line 4 of the mapping; unit"
    )


def test_a_mapping_that_cannot_be_used_is_reported_and_the_code_still_loads(own: Path) -> None:
    own.write_text("fields: {title: a, sku: b}\n", encoding="utf-8")
    assert f"{own}:1:20: the sku is always" in metadata()[WRONG]
