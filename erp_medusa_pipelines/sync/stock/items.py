"""Website Items as the stock sync needs them, and the Bins of their warehouses. Reads ERPNext only.

Belongs here: which items count, and reading them and their Bins in few requests. Does not belong here: what Medusa is
sent (plan.py).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient

ITEMS_PER_REQUEST = 2000
FIELDS = (
    "name", "item_code", "published", "medusa_variant_id", "website_warehouse", "custom_threshold_qty",
    "custom_in_stock",
)  # fmt: skip
SHOWN_OR_EXPORTED = [["published", "=", 1], ["medusa_variant_id", "is", "set"]]
TREE = ["name", "lft", "rgt", "is_group"]
BIN = ["item_code", "warehouse", "actual_qty"]


@dataclass(frozen=True, slots=True)
class StockItem:
    """The fields of a Website Item that the stock sync needs. `variant_id` is empty until it is exported."""

    name: str
    item_code: str
    variant_id: str
    warehouse: str
    threshold: int
    in_stock: int


def stock_items(erp: ErpNextClient) -> Iterator[StockItem]:
    """Return the whole shop's Website Items that are published or have been exported, ordered by name."""
    for row in erp.rows(WEBSITE_ITEM, FIELDS, or_filters=SHOWN_OR_EXPORTED, page_size=10_000):
        yield StockItem(
            row["name"],
            row["item_code"] or "",
            row["medusa_variant_id"] or "",
            row["website_warehouse"] or "",
            int(row["custom_threshold_qty"] or 0),
            int(bool(row["custom_in_stock"])),
        )


def warehouse_rows(erp: ErpNextClient) -> pd.DataFrame:
    """Return every Warehouse: name, lft, rgt, is_group."""
    return pd.DataFrame(erp.rows("Warehouse", TREE, page_size=10_000), columns=pd.Index(TREE))


def bins(erp: ErpNextClient, codes: Iterable[str]) -> pd.DataFrame:
    """Return the Bins of these Items: item_code, warehouse, actual_qty."""
    rows: list[tuple[Any, ...]] = []
    for some in batched(codes, ITEMS_PER_REQUEST):
        found = erp.get_list("Bin", BIN, filters=[["item_code", "in", some]])
        rows += [(row["item_code"], row["warehouse"], row["actual_qty"] or 0.0) for row in found]
    return pd.DataFrame(rows, columns=pd.Index(BIN)).astype({"actual_qty": "float64"})
