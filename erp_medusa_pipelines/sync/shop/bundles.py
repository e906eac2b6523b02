"""Product Bundles: Items without stock of their own that are sold as a set of others."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.sync.engine.names import ByName, folded
from erp_medusa_pipelines.sync.engine.values import number
from erp_medusa_pipelines.sync.shop.for_sale import ended_by

BUNDLE = "Product Bundle"
IN_USE = [["disabled", "=", 0]]
PART_FIELDS = [
    "parent", "item_code", "qty", "item_code.is_stock_item as part_is_stock_item",
    "item_code.disabled as part_disabled", "item_code.end_of_life as part_end_of_life",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """One component of a bundle: so many pieces of an Item, in its stock unit, are in each bundle."""

    item_code: str
    quantity: float
    is_stocked: bool = True
    against: str | None = None
    """Why the bundle cannot be sold because of this part, or None."""


def read_bundles(erp: ErpNextClient, item_codes: Iterable[str], today: date) -> dict[str, list[Part]]:
    """Return the parts of those of these Items that are bundles in use, by item code. The same Item twice adds up.

    No request without item codes, and none for parts without bundles.
    """
    asked = ByName((code, code) for code in item_codes)
    known = erp.rows_in(BUNDLE, ["name", "new_item_code"], asked.values(), key="new_item_code", filters=IN_USE)
    # A bundle keeps its name where its Item is renamed.
    code_of = ByName((row["name"], asked.find(row["new_item_code"]) or "") for row in known)
    bundles: dict[str, dict[str, Part]] = {code: {} for code in code_of.values()}
    rows = erp.rows_in(
        "Product Bundle Item",
        PART_FIELDS,
        sorted(row["name"] for row in known),
        key="parent",
        # Columns that are read, or MariaDB would not know whether the row's or the Item's is meant.
        order_by="parent asc, item_code asc",
        parent=BUNDLE,
    )
    for row in rows:
        parts = bundles.get(code_of.find(row["parent"]) or "")
        if parts is not None and row["item_code"]:
            part, key = _part(row, today), folded(row["item_code"])
            before = parts.get(key)
            parts[key] = replace(part, quantity=part.quantity + before.quantity) if before else part
    return _without_nesting(erp, bundles)


def bundles_with(erp: ErpNextClient, item_codes: Iterable[str]) -> list[str]:
    """Return the codes of bundles in use that have one of these Items as a part. All parts are read once a tick."""
    fields = ["name", "parent", "item_code"]
    parts = erp.http.once(
        "parts of bundles", lambda: list(erp.rows("Product Bundle Item", fields, parent=BUNDLE)), of_tick=True
    )
    codes = ByName((code, True) for code in item_codes)
    names = sorted({row["parent"] for row in parts if row["item_code"] and row["item_code"] in codes})
    return [row["new_item_code"] for row in erp.rows_in(BUNDLE, ["name", "new_item_code"], names, filters=IN_USE)]


def has_stock(parts: Iterable[Part]) -> bool:
    """Return whether the number of bundles is limited by the stock of any part."""
    return any(part.is_stocked or part.against for part in parts)


def _part(row: Mapping[str, Any], today: date) -> Part:
    code, ended = row["item_code"], ended_by(row["part_end_of_life"], today)
    against = None
    if row["part_is_stock_item"] is None:
        against = f"its part {code} does not exist"
    elif row["part_disabled"]:
        against = f"its part {code} is disabled"
    elif ended:
        against = f"its part {code} {ended}"
    return Part(code, number(row["qty"]), bool(row["part_is_stock_item"]), against)


def _without_nesting(erp: ErpNextClient, bundles: Mapping[str, Mapping[str, Part]]) -> dict[str, list[Part]]:
    """Mark parts that are bundles in use themselves: ERPNext does not unpack them."""
    services = {part.item_code for parts in bundles.values() for part in parts.values() if not part.is_stocked}
    rows = erp.rows_in(BUNDLE, ["new_item_code"], sorted(services), key="new_item_code", filters=IN_USE)
    nested = ByName((row["new_item_code"], True) for row in rows)
    return {
        code: [
            replace(part, against=part.against or f"its part {part.item_code} is a Product Bundle itself")
            if part.item_code in nested
            else part
            for part in parts.values()
        ]
        for code, parts in bundles.items()
    }
