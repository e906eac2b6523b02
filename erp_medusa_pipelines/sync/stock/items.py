"""Website Items as the stock sync needs them, and the warehouses. Reads ERPNext only.

Which items count, and where they are sold from. Their quantities are read in `quantities.py`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from sys import intern

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient, Row
from erp_medusa_pipelines.sync.engine.batches import Batch
from erp_medusa_pipelines.sync.engine.names import ByName, folded
from erp_medusa_pipelines.sync.engine.values import number, placed
from erp_medusa_pipelines.sync.shop.bundles import read_bundles
from erp_medusa_pipelines.sync.shop.listing import Relisted

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


class StockItems:
    """The batch's Website Items that are published or have been exported, ordered by name, as often as iterated.

    They are not kept: a batch of any size takes the memory of its bundles' parts. A variant without a warehouse is sold
    from its template's, as in ERPNext's web shop. Templates themselves have no stock: they are left out unless they
    were exported.
    """

    def __init__(self, erp: ErpNextClient, batch: Batch) -> None:
        self._erp = erp
        self._rows = Relisted(erp, batch, FIELDS, or_filters=SHOWN_OR_EXPORTED)
        self.number = 0
        templates: list[tuple[str, str]] = []
        services: set[str] = set()
        without: set[str] = set()
        for row in self._rows:
            self.number += 1
            if row["item_has_variants"]:
                templates.append(_place(row))
            if not row["website_warehouse"]:
                without.add(row["item_variant_of"] or "")
            if row["item_code"] and row["item_is_stock_item"] == 0:
                services.add(row["item_code"])
        parts = self._parts(services)
        templates += [_place(row) for row in parts if row["item_has_variants"]]
        without |= {row["item_variant_of"] or "" for row in parts if not row["website_warehouse"]}
        there = {folded(code) for code, _ in templates}
        templates += map(_place, self._by_code(code for code in without if folded(code) not in there))
        self._templates = ByName(templates)
        self.parts = [item for row in parts if (item := self._item(row))]
        """Parts of the bundles among them, of any batch."""

    def __iter__(self) -> Iterator[StockItem]:
        return (item for row in self._rows if (item := self._item(row)) and item.item_code)

    def _item(self, row: Row) -> StockItem | None:
        if row["item_has_variants"] and not row["medusa_variant_id"]:
            return None
        warehouse = row["website_warehouse"] or self._templates.find(row["item_variant_of"] or "")
        return _stock_item(row, warehouse or "")

    def _parts(self, services: Iterable[str]) -> list[Row]:
        bundles = read_bundles(self._erp, sorted(services), self._erp.clock().date())
        return self._by_code(part.item_code for parts in bundles.values() for part in parts)

    def _by_code(self, codes: Iterable[str]) -> list[Row]:
        wanted = sorted({code for code in codes if code})
        return list(
            self._erp.rows_in(WEBSITE_ITEM, list(FIELDS), wanted, key="item_code", or_filters=SHOWN_OR_EXPORTED)
        )


def without_warehouse(erp: ErpNextClient, names: Iterable[str]) -> dict[str, str]:
    """Return those of these Website Items that ERPNext sells from no warehouse, with the reason."""
    reason = "ERPNext sells it from nowhere: its Website Item has no website_warehouse"
    items = StockItems(erp, Batch(0, 1, frozenset(names)))
    return {item.name: reason for item in items if item.is_stocked and not item.warehouse}


def _place(row: Row) -> tuple[str, str]:
    """Return the item code of a row, and where it is sold from."""
    return row["item_code"] or "", row["website_warehouse"] or ""


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


def warehouse_rows(erp: ErpNextClient) -> list[Row]:
    """Return every Warehouse, with the columns TREE. Raises PermanentError where one has no place in the tree."""
    return erp.http.seen("warehouses", lambda: list(placed("Warehouse", erp.rows("Warehouse", TREE, page_size=10_000))))
