"""Which Website Items changed rows concern, and which parts of them.

Belongs here: following the links from a changed row to what is shown. An Item that is changed concerns its own Website
Item, those of its variants (which fall back to it), and the bundles that it is a part of.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.sync.changes.watched import COMMENT, DELETED, ITEM_GROUP, PRICE_LIST, WATCHED, Part
from erp_medusa_pipelines.sync.shop.bundles import BUNDLE

Row = Mapping[str, Any]
Parts = dict[str, set[Part]]

CODE_FIELDS = {"Item": "name", "Item Price": "item_code", "Bin": "item_code", "Batch": "item", BUNDLE: "new_item_code"}
"""DocTypes whose rows name an Item."""


def concerned_items(erp: ErpNextClient, rows: Mapping[str, Sequence[Row]]) -> dict[str, frozenset[Part]]:
    """Return the parts to bring up to date, by Website Item: shown or exported ones, and deleted ones.

    `rows` are changed rows by DocType, with the fields of WATCHED. A few grouped requests, none without rows.
    Raises ApiError.
    """
    part_of = {watched.doctype: watched.part for watched in WATCHED}
    names: Parts = defaultdict(set)
    codes: Parts = defaultdict(set)
    for doctype, field in CODE_FIELDS.items():
        for row in rows.get(doctype, ()):
            codes[row[field] or ""] |= _only(part_of[doctype])
    for row in rows.get(WEBSITE_ITEM, ()):
        names[row["name"]].add(Part.ITEM)
    for row in rows.get("File", ()):
        of = names if row["attached_to_doctype"] == WEBSITE_ITEM else codes
        of[row["attached_to_name"] or ""].add(Part.PICTURES)
    for row in rows.get(COMMENT, ()):
        codes[row["reference_name"] or ""].add(Part.ITEM)
    for code in _ordered(erp, [row["name"] for row in rows.get("Sales Order", ())]):
        codes[code].add(Part.STOCK)
    deleted = _deleted(erp, rows.get(DELETED, ()), codes)
    _add_variants(erp, codes)
    _add_bundles(erp, codes)
    found = _website_items(erp, names, codes)
    for name in deleted:
        found[name].add(Part.ITEM)
    return {name: frozenset(parts) for name, parts in found.items()}


def groups_changed(rows: Mapping[str, Sequence[Row]]) -> bool:
    """Return whether any Item Group was saved."""
    return bool(rows.get(ITEM_GROUP))


def price_list_changed(rows: Mapping[str, Sequence[Row]], price_list: str) -> bool:
    """Return whether the Price List of the shop was saved."""
    return any(row["name"] == price_list for row in rows.get(PRICE_LIST, ()))


def _only(part: Part | None) -> set[Part]:
    return {part} if part else set()


def _ordered(erp: ErpNextClient, orders: Sequence[str]) -> set[str]:
    """Return the Items of these Sales Orders."""
    fields = ["parent", "item_code"]
    lines = erp.rows_in(
        "Sales Order Item", fields, orders, key="parent", order_by="parent asc, idx asc", parent="Sales Order"
    )
    return {row["item_code"] for row in lines if row["item_code"]}


def _deleted(erp: ErpNextClient, records: Sequence[Row], codes: Parts) -> list[str]:
    """Return the Website Items that were deleted; note the Items of other documents in `codes`."""
    items = [row["deleted_name"] for row in records if row["deleted_doctype"] == WEBSITE_ITEM]
    for row in records:
        if row["deleted_doctype"] == "Item":
            codes[row["deleted_name"]].add(Part.ITEM)
    fields = {"Item Price": ("item_code", Part.PRICES), BUNDLE: ("new_item_code", Part.ITEM)}
    wanted = {row["name"]: row["deleted_doctype"] for row in records if row["deleted_doctype"] in fields}
    for row in erp.rows_in(DELETED, ["name", "data"], wanted):
        field, part = fields[wanted[row["name"]]]
        codes[_field_of(row["data"], field)].add(part)
    return items


def _field_of(data: str | None, field: str) -> str:
    """Return a field of a deleted document, which is kept as JSON; "" where it cannot be read."""
    try:
        return str(json.loads(data or "{}").get(field) or "")
    except (ValueError, AttributeError):
        return ""


def _add_variants(erp: ErpNextClient, codes: Parts) -> None:
    """Add the variants of templates among these Items."""
    for row in erp.rows_in("Item", ["name", "variant_of"], _named(codes), key="variant_of"):
        codes[row["name"]] |= codes[row["variant_of"]]


def _add_bundles(erp: ErpNextClient, codes: Parts) -> None:
    """Add the bundles that have one of these Items as a part: how many there are depends on it."""
    parts = [code for code in _named(codes) if codes[code] & {Part.ITEM, Part.STOCK}]
    rows = erp.rows_in(
        "Product Bundle Item",
        ["parent", "item_code"],
        parts,
        key="item_code",
        order_by="parent asc, item_code asc",
        parent=BUNDLE,
    )
    for row in erp.rows_in(BUNDLE, ["new_item_code"], {row["parent"] for row in rows}):
        codes[row["new_item_code"]].add(Part.STOCK)


def _website_items(erp: ErpNextClient, names: Parts, codes: Parts) -> Parts:
    found: Parts = defaultdict(set)
    shown = {
        **_shown(erp, "item_code", _named(codes)),
        **_shown(erp, "name", _named(names)),
    }
    for name, code in shown.items():
        parts = names.get(name, set()) | codes.get(code, set())
        if parts:
            found[name] = parts
    return found


def _shown(erp: ErpNextClient, key: str, values: Iterable[str]) -> dict[str, str]:
    """Return item codes by Website Item, of those that are shown or exported."""
    wanted = sorted(values)
    fields = ["name", "item_code", "published", "medusa_id"]
    rows = erp.rows_in(WEBSITE_ITEM, fields, wanted, key=key)
    return {row["name"]: row["item_code"] or "" for row in rows if row["published"] or row["medusa_id"]}


def _named(parts: Parts) -> list[str]:
    return sorted(name for name in parts if name)
