"""Which Website Items changed rows concern, and which parts of them.

Following the links from a changed row to what is shown. An Item that is changed concerns its own Website Item, those of
its variants (which fall back to it), and the bundles that it is a part of.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.setting_types import Variants
from erp_medusa_pipelines.sync.changes.translated import items_with, items_with_attribute
from erp_medusa_pipelines.sync.changes.watched import (
    COMMENT,
    CUSTOMER,
    DELETED,
    ITEM_GROUP,
    PRICE_LIST,
    TRANSLATION,
    WATCHED,
    Part,
)
from erp_medusa_pipelines.sync.engine.names import folded, same_name, text_key
from erp_medusa_pipelines.sync.shop.bundles import BUNDLE
from erp_medusa_pipelines.sync.shop.chosen import read_choice
from erp_medusa_pipelines.sync.shop.families import homes_of, templates_with

Row = Mapping[str, Any]

CODE_FIELDS = {"Item": "name", "Item Price": "item_code", "Bin": "item_code", "Batch": "item", BUNDLE: "new_item_code"}
"""DocTypes whose rows name an Item."""


class _Concerned:
    """Parts by the name of a document, under each spelling that the database takes for the same name."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._parts: dict[str, set[Part]] = {}

    def add(self, name: object, parts: Iterable[Part]) -> None:
        """Add parts of a document; a link that is empty, or no text, names none."""
        if isinstance(name, str) and name:
            self._names.setdefault(folded(name), name)
            self._parts.setdefault(folded(name), set()).update(parts)

    def of(self, name: str | None) -> frozenset[Part]:
        """Return the parts of a document."""
        return frozenset(self._parts.get(folded(name or ""), ()))

    def names(self, parts: Collection[Part] = tuple(Part)) -> list[str]:
        """Return the documents of which one of these parts is concerned, sorted, each in one spelling."""
        return sorted(name for key, name in self._names.items() if self._parts[key].intersection(parts))


def concerned_items(
    erp: ErpNextClient, rows: Mapping[str, Sequence[Row]], how: Variants = "products", *, texts: Sequence[str] = ()
) -> dict[str, frozenset[Part]]:
    """Return the parts to bring up to date, by Website Item: shown or exported ones, and deleted ones.

    `rows` are changed rows by DocType, with the fields of WATCHED, `texts` those whose Translations changed. A variant
    that is one product with its template by `how` is named as that, whose product and batch it is in. A few grouped
    requests, none without rows. Raises ApiError.
    """
    part_of = {watched.doctype: watched.part for watched in WATCHED}
    names, codes = _Concerned(), _Concerned()
    for doctype, field in CODE_FIELDS.items():
        for row in rows.get(doctype, ()):
            codes.add(row[field], _only(part_of[doctype]))
    for row in rows.get(WEBSITE_ITEM, ()):
        names.add(row["name"], [Part.ITEM])
    for row in rows.get("File", ()):
        of = names if same_name(row["attached_to_doctype"], WEBSITE_ITEM) else codes
        of.add(row["attached_to_name"], [Part.PICTURES])
    for row in rows.get(COMMENT, ()):
        codes.add(row["reference_name"], [Part.ITEM])
    _add_lines(erp, rows, codes)
    for name in items_with(erp, texts):
        names.add(name, [Part.ITEM])
    for code in items_with_attribute(erp, texts) if how != "products" else ():
        codes.add(code, [Part.ITEM])
    deleted = _deleted(erp, rows.get(DELETED, ()), codes)
    _add_variants(erp, codes)
    _add_bundles(erp, codes)
    shown = {**_shown(erp, "item_code", codes.names()), **_shown(erp, "name", names.names())}
    parts = {name: names.of(name) | codes.of(row["item_code"]) for name, row in shown.items()}
    found = {name: some for name, some in parts.items() if some}
    for name in deleted:
        found[name] = found.get(name, frozenset()) | {Part.ITEM}
    if how == "products" or not found:
        return found
    return _at_home(erp, found, {name: row["medusa_id"] for name, row in shown.items() if row["medusa_id"]}, how)


def _at_home(
    erp: ErpNextClient, found: Mapping[str, frozenset[Part]], bound: Mapping[str, str], how: Variants
) -> dict[str, frozenset[Part]]:
    """Return the parts of variants with those of their templates.

    A template whose product still has a variant that has left it is named as well: until then both would sell it.
    """
    homes = homes_of(erp, found.keys(), how)
    joined: dict[str, frozenset[Part]] = {}
    for name, parts in found.items():
        home = homes.get(name, name)
        joined[home] = joined.get(home, frozenset()) | parts
    for name, left in templates_with(erp, bound).items():
        if name in found and left != homes.get(name, name):
            joined[left] = joined.get(left, frozenset()) | {Part.ITEM}
    return joined


def changed_texts(erp: ErpNextClient, rows: Mapping[str, Sequence[Row]]) -> list[str]:
    """Return the texts that changed and deleted Translations are of, sorted. A request where any was deleted."""
    gone = [row["name"] for row in rows.get(DELETED, ()) if row["deleted_doctype"] == TRANSLATION]
    deleted = [_field_of(row["data"], "source_text") for row in erp.rows_in(DELETED, ["name", "data"], gone)]
    found = {*deleted, *(str(row["source_text"] or "") for row in rows.get(TRANSLATION, ()))}
    return sorted(text for text in found if text_key(text))


def groups_changed(rows: Mapping[str, Sequence[Row]]) -> bool:
    """Return whether any Item Group was saved."""
    return bool(rows.get(ITEM_GROUP))


def price_list_changed(rows: Mapping[str, Sequence[Row]], price_list: str) -> bool:
    """Return whether the Price List of the shop was saved."""
    return any(same_name(row["name"], price_list) for row in rows.get(PRICE_LIST, ()))


def _only(part: Part | None) -> set[Part]:
    return {part} if part else set()


def _add_lines(erp: ErpNextClient, rows: Mapping[str, Sequence[Row]], codes: _Concerned) -> None:
    """Add the Items of Sales Orders, and those that Customers have Item Prices for."""
    orders, customers = ([row["name"] for row in rows.get(doctype, ())] for doctype in ("Sales Order", CUSTOMER))
    fields = ["parent", "item_code"]
    lines = erp.rows_in(
        "Sales Order Item", fields, orders, key="parent", order_by="parent asc, idx asc", parent="Sales Order"
    )
    for row in lines:
        codes.add(row["item_code"], [Part.STOCK])
    for row in erp.rows_in("Item Price", ["item_code"], customers, key="customer"):
        codes.add(row["item_code"], [Part.PRICES])


def _deleted(erp: ErpNextClient, records: Sequence[Row], codes: _Concerned) -> list[str]:
    """Return the Website Items that were deleted; note the Items of other documents in `codes`."""
    items = [row["deleted_name"] for row in records if row["deleted_doctype"] == WEBSITE_ITEM]
    for row in records:
        if row["deleted_doctype"] == "Item":
            codes.add(row["deleted_name"], [Part.ITEM])
    fields = {"Item Price": ("item_code", Part.PRICES), BUNDLE: ("new_item_code", Part.ITEM)}
    wanted = {row["name"]: row["deleted_doctype"] for row in records if row["deleted_doctype"] in fields}
    for row in erp.rows_in(DELETED, ["name", "data"], wanted):
        field, part = fields[wanted[row["name"]]]
        codes.add(_field_of(row["data"], field), [part])
    return items


def _field_of(data: str | None, field: str) -> str:
    """Return a field of a deleted document, which is kept as JSON; "" where it cannot be read."""
    try:
        return str(json.loads(data or "{}").get(field) or "")
    except (ValueError, AttributeError):
        return ""


def _add_variants(erp: ErpNextClient, codes: _Concerned) -> None:
    """Add the variants of templates among these Items."""
    for row in erp.rows_in("Item", ["name", "variant_of"], codes.names(), key="variant_of"):
        codes.add(row["name"], codes.of(row["variant_of"]))


def _add_bundles(erp: ErpNextClient, codes: _Concerned) -> None:
    """Add the bundles that have one of these Items as a part: how many there are depends on it."""
    rows = erp.rows_in(
        "Product Bundle Item",
        ["parent", "item_code"],
        codes.names([Part.ITEM, Part.STOCK]),
        key="item_code",
        order_by="parent asc, item_code asc",
        parent=BUNDLE,
    )
    for row in erp.rows_in(BUNDLE, ["new_item_code"], {row["parent"] for row in rows}):
        codes.add(row["new_item_code"], [Part.STOCK])


def _shown(erp: ErpNextClient, key: str, wanted: Sequence[str]) -> dict[str, Row]:
    """Return rows by Website Item (item_code, medusa_id), of those that are shown in this shop, or were exported."""
    choice = read_choice(erp)
    rows = erp.rows_in(WEBSITE_ITEM, ["name", "item_code", "published", "medusa_id", *choice.columns], wanted, key=key)
    return {
        row["name"]: row
        for row in rows
        if row["medusa_id"] or (row["published"] and choice.reason_against(row) is None)
    }
