"""Website Items as the stock sync needs them, and the warehouses. Reads ERPNext only.

Which items count, and where they are sold from. Their quantities are read in `quantities.py`.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from sys import intern

import pandas as pd

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient, Row
from erp_medusa_pipelines.sync.engine.batches import Batch
from erp_medusa_pipelines.sync.engine.names import ByName, folded
from erp_medusa_pipelines.sync.engine.values import number, placed
from erp_medusa_pipelines.sync.shop.bundles import read_bundles
from erp_medusa_pipelines.sync.shop.listing import listed

ITEMS_PER_REQUEST = 10_000
FIELDS = (
    "name", "item_code", "medusa_variant_id", "website_warehouse", "custom_threshold_qty", "custom_in_stock",
    "item_code.is_stock_item as item_is_stock_item", "item_code.has_batch_no as item_has_batch_no",
    "item_code.has_variants as item_has_variants", "item_code.variant_of as item_variant_of",
    "item_code.safety_stock as item_safety_stock",
)  # fmt: skip
# Templates too: their variants may be sold from the template's warehouse.
SHOWN_OR_EXPORTED = [["published", "=", 1], ["medusa_variant_id", "is", "set"], ["has_variants", "=", 1]]
TREE = ["name", "lft", "rgt", "is_group", "disabled", "is_rejected_warehouse", "warehouse_type"]


@dataclass(frozen=True, slots=True)
class StockItem:
    """The fields of a Website Item that the stock sync needs. `variant_id` is empty until it is exported."""

    name: str
    item_code: str
    variant_id: str
    warehouse: str
    threshold: int
    in_stock: int
    is_stocked: bool = True
    """False for services and Product Bundles, which have no Bins."""
    has_batches: bool = False
    safety_stock: float = 0.0


def stock_items(erp: ErpNextClient, batch: Batch) -> list[StockItem]:
    """Return the batch's Website Items that are published or have been exported, ordered by name.

    With them come the parts of those that are bundles, whose stock is theirs. A variant without a warehouse is sold
    from its template's, as in ERPNext's web shop. Templates themselves have no stock: they are left out unless they
    were exported.
    """
    found: list[StockItem | Row] = []
    for row in listed(erp, batch, FIELDS, or_filters=SHOWN_OR_EXPORTED):
        # Of most items nothing else is needed: they are not kept as rows, which are three times as large.
        is_plain = row["website_warehouse"] and row["item_is_stock_item"] != 0 and not row["item_has_variants"]
        found.append(_stock_item(row, row["website_warehouse"]) if is_plain else row)
    rows = [one for one in found if not isinstance(one, StockItem)]
    beside = _beside(erp, rows, {one.name if isinstance(one, StockItem) else one["name"] for one in found})
    rows += beside
    templates = ByName((row["item_code"] or "", row["website_warehouse"]) for row in rows if row["item_has_variants"])
    return [
        one
        if isinstance(one, StockItem)
        else _stock_item(one, one["website_warehouse"] or templates.find(one["item_variant_of"] or "") or "")
        for one in chain(found, beside)
        if isinstance(one, StockItem) or one["medusa_variant_id"] or not one["item_has_variants"]
    ]


def _stock_item(row: Row, warehouse: str) -> StockItem:
    return StockItem(
        row["name"],
        row["item_code"] or "",
        str(row["medusa_variant_id"] or ""),
        # One text for all items that are sold from it.
        intern(warehouse),
        int(number(row["custom_threshold_qty"])),
        int(bool(row["custom_in_stock"])),
        # An Item that does not exist is counted as before: its Bins may still be there.
        is_stocked=row["item_is_stock_item"] != 0,
        has_batches=bool(row["item_has_batch_no"]),
        safety_stock=number(row["item_safety_stock"]),
    )


def _beside(erp: ErpNextClient, rows: Sequence[Row], known: set[str]) -> list[Row]:
    """Return what else is needed of Website Items: parts of bundles among them, and templates that have a warehouse.

    `known` are the names of those that are there already, `rows` those of them that may need others.
    """
    services = [row["item_code"] for row in rows if row["item_code"] and row["item_is_stock_item"] == 0]
    bundles = read_bundles(erp, services, erp.clock().date())
    parts = {part.item_code for each in bundles.values() for part in each}
    found = _by_code(erp, parts, known)
    there = {folded(row["item_code"]) for row in (*rows, *found) if row["item_has_variants"]}
    without = {row["item_variant_of"] for row in (*rows, *found) if not row["website_warehouse"]}
    missing = {code for code in without if folded(code) not in there}
    return found + _by_code(erp, missing, known | {row["name"] for row in found})


def _by_code(erp: ErpNextClient, codes: Iterable[str | None], known: Container[str]) -> list[Row]:
    """Return the Website Items of these Items, without those whose names are known."""
    wanted = sorted({code for code in codes if code})
    rows = erp.rows_in(WEBSITE_ITEM, list(FIELDS), wanted, key="item_code", or_filters=SHOWN_OR_EXPORTED)
    return [row for row in rows if row["name"] not in known]


def warehouse_rows(erp: ErpNextClient) -> pd.DataFrame:
    """Return every Warehouse, with the columns TREE. Raises PermanentError where one has no place in the tree."""
    rows = erp.http.seen("warehouses", lambda: list(placed("Warehouse", erp.rows("Warehouse", TREE, page_size=10_000))))
    return pd.DataFrame(rows, columns=pd.Index(TREE))
