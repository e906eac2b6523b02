"""Why a product cannot be bought, from what Medusa holds of it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from erp_medusa_pipelines.sync.catalogue.can_be_bought import SoldThrough, is_in_force, obstacles

SHOP = SoldThrough("sc_1", frozenset({"sloc_1"}), "OMR")
HERE = {"inventory": {"location_levels": [{"location_id": "sloc_1"}]}}
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def product(**changed: Any) -> dict[str, Any]:
    variant = {
        "id": "variant_1",
        "manage_inventory": True,
        "allow_backorder": False,
        "prices": [],
        "inventory_items": [{"inventory": {"location_levels": [{"location_id": "sloc_1"}]}}],
    }
    variant |= {key: value for key, value in changed.items() if key in variant}
    if "no_price_set" in changed:
        del variant["prices"]
    return {"id": "prod_1", "sales_channels": changed.get("channels", [{"id": "sc_1"}]), "variants": [variant]}


def lacking(found: dict[str, Any] | None, *, variant_id: str = "variant_1", is_priced: bool = True) -> list[str]:
    return [one.what for one in obstacles(found, variant_id, SHOP, is_priced=is_priced)]


def test_a_whole_product_with_a_price_in_force_can_be_bought() -> None:
    assert lacking(product()) == []


@pytest.mark.parametrize(
    ("changed", "is_priced", "lacks"),
    [
        ({}, False, ["price"]),
        ({"no_price_set": True}, True, ["price set"]),
        ({"prices": [{"currency_code": "omr"}]}, False, []),
        ({"prices": [{"currency_code": "usd"}]}, False, ["price"]),
        ({"channels": []}, True, ["channel"]),
        ({"channels": [None, {"id": "sc_other"}]}, True, ["channel"]),
        ({"inventory_items": []}, True, ["inventory"]),
        ({"inventory_items": [{"inventory": {"location_levels": []}}]}, True, ["level"]),
        ({"inventory_items": [{"inventory": {"location_levels": [{"location_id": "sloc_2"}]}}]}, True, ["level"]),
        ({"inventory_items": [{}]}, True, ["inventory"]),
        ({"inventory_items": [HERE, HERE]}, True, []),
        ({"inventory_items": [HERE, {"inventory": {"location_levels": []}}]}, True, ["level"]),
        ({"inventory_items": [], "manage_inventory": False}, True, []),
        ({"inventory_items": [], "allow_backorder": True}, True, []),
        ({"channels": [], "inventory_items": []}, False, ["channel", "price", "inventory"]),
    ],
)
def test_each_part_that_is_missing_is_named(changed: dict[str, Any], is_priced: bool, lacks: list[str]) -> None:
    assert lacking(product(**changed), is_priced=is_priced) == lacks


def test_a_product_or_variant_that_is_not_there_is_one_reason() -> None:
    assert lacking(None) == ["product"]
    assert lacking(product(), variant_id="variant_2") == ["variant"]


@pytest.mark.parametrize(
    ("changed", "in_force"),
    [
        ({}, True),
        ({"status": "draft"}, False),
        ({"rules_count": 1}, False),
        ({"starts_at": "2026-11-29T12:00:00.000Z"}, True),
        ({"starts_at": "2026-11-29T12:00:01.000Z"}, False),
        ({"ends_at": "2026-11-29T11:59:59.000Z"}, False),
        ({"ends_at": "2026-11-29T23:59:59.000Z"}, True),
    ],
)
def test_a_price_list_is_in_force_when_it_is_active_now_and_for_everybody(
    changed: dict[str, Any], in_force: bool
) -> None:
    plain = {"status": "active", "rules_count": 0, "starts_at": None, "ends_at": None}
    assert is_in_force({**plain, **changed}, NOW) is in_force
