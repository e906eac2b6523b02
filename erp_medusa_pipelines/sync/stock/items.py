"""Website Items as the stock sync needs them, and the warehouses. Reads ERPNext only.

Which items count, and where they are sold from. Their quantities are read in `quantities.py`.
"""

from dataclasses import dataclass

import pandas as pd

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.sync.engine.names import ByName
from erp_medusa_pipelines.sync.engine.nested_set import placed
from erp_medusa_pipelines.sync.engine.numbers import number

ITEMS_PER_REQUEST = 2000
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


def stock_items(erp: ErpNextClient) -> list[StockItem]:
    """Return the whole shop's Website Items that are published or have been exported, ordered by name.

    A variant without a warehouse is sold from its template's, as in ERPNext's web shop. Templates themselves have no
    stock: they are left out unless they were exported.
    """
    rows = list(erp.rows(WEBSITE_ITEM, FIELDS, or_filters=SHOWN_OR_EXPORTED, page_size=10_000))
    templates = ByName((row["item_code"] or "", row["website_warehouse"]) for row in rows if row["item_has_variants"])
    return [
        StockItem(
            row["name"],
            row["item_code"] or "",
            str(row["medusa_variant_id"] or ""),
            row["website_warehouse"] or templates.find(row["item_variant_of"] or "") or "",
            int(number(row["custom_threshold_qty"])),
            int(bool(row["custom_in_stock"])),
            # An Item that does not exist is counted as before: its Bins may still be there.
            is_stocked=row["item_is_stock_item"] != 0,
            has_batches=bool(row["item_has_batch_no"]),
            safety_stock=number(row["item_safety_stock"]),
        )
        for row in rows
        if row["medusa_variant_id"] or not row["item_has_variants"]
    ]


def warehouse_rows(erp: ErpNextClient) -> pd.DataFrame:
    """Return every Warehouse, with the columns TREE. Raises PermanentError where one has no place in the tree."""
    rows = placed("Warehouse", erp.rows("Warehouse", TREE, page_size=10_000))
    return pd.DataFrame(rows, columns=pd.Index(TREE))
