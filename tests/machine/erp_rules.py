"""What ERPNext itself would sell, computed from its rows, without the project's code.

Whether, how many, at what price.
"""

import math
from datetime import date
from typing import Any

from tests.machine.world import WAREHOUSE, World


def is_sold(world: World, name: str) -> bool:
    """Return whether ERPNext takes the Website Item's Item into an order today."""
    row = world.row(name)
    item = world.erp.store.get("Item", row["item_code"])
    return bool(
        row["published"]
        and item
        and not item["disabled"]
        and not item["has_variants"]
        and item["is_sales_item"]
        and not _is_over(item, world.trade.today)
    )


def pieces(world: World, name: str) -> int | None:
    """Return how many can be promised; None: any number."""
    row = world.row(name)
    item = world.erp.store.get("Item", row["item_code"])
    assert item is not None
    if item["is_stock_item"]:
        return _whole(_left(world, row["item_code"])) if _warehouse(world, row, item) == WAREHOUSE else 0
    parts = world.trade.parts(row["item_code"])
    items = {part["item_code"]: world.erp.store.get("Item", part["item_code"]) for part in parts}
    if any(_cannot_be_packed(world, part) for part in items.values()):
        return 0
    stocked = [part for part in parts if (one := items[part["item_code"]]) and one["is_stock_item"]]
    if not stocked:
        return None
    return min(_whole(max(0.0, _left(world, part["item_code"])) / part["qty"]) for part in stocked)


def parts_in_stock(world: World, name: str) -> list[str]:
    """Return the codes of the stocked Items that a Website Item is a bundle of."""
    code = world.row(name)["item_code"]
    item = world.erp.store.get("Item", code)
    if item and item["is_stock_item"]:
        return []
    codes = sorted(row["item_code"] for row in world.trade.parts(code))
    return [each for each in codes if (part := world.erp.store.get("Item", each)) and part["is_stock_item"]]


def price(world: World, name: str) -> float | None:
    """Return the rate of the Item, or else of its template."""
    code = world.row(name)["item_code"]
    item = world.erp.store.get("Item", code)
    for each in (code, item and item["variant_of"]):
        rows = world.erp.store.rows("Item Price", item_code=each, price_list=world.price_list) if each else []
        if rows:
            return rows[0]["price_list_rate"]
    return None


def _is_over(item: dict[str, Any], today: date) -> bool:
    end = item["end_of_life"]
    return bool(end) and date.fromisoformat(end) <= today


def _cannot_be_packed(world: World, part: dict[str, Any] | None) -> bool:
    if part is None or part["disabled"] or _is_over(part, world.trade.today):
        return True
    return not part["is_stock_item"] and bool(
        world.erp.store.rows("Product Bundle", new_item_code=part["name"], disabled=0)
    )


def _warehouse(world: World, row: dict[str, Any], item: dict[str, Any]) -> str | None:
    if row["website_warehouse"] or not item["variant_of"]:
        return row["website_warehouse"]
    rows = world.erp.store.rows("Website Item", item_code=item["variant_of"])
    return rows[0]["website_warehouse"] if rows else None


def _left(world: World, code: str) -> float:
    """Return what lies there, less what has expired, less what orders keep."""
    store, today = world.erp.store, world.trade.today.isoformat()
    bins = store.rows("Bin", item_code=code, warehouse=WAREHOUSE)
    item = store.get("Item", code)
    batches = store.rows("Batch", item=code) if item and item["has_batch_no"] else []
    gone = [row["name"] for row in batches if row["expiry_date"] and row["expiry_date"] < today]
    entries = [row for batch in gone for row in store.rows("Serial and Batch Entry", batch_no=batch)]
    expired = max(0.0, sum(row["qty"] for row in entries))
    return sum((row["actual_qty"] or 0.0) - (row["reserved_qty"] or 0.0) for row in bins) - expired


def _whole(quantity: float) -> int:
    return max(0, math.floor(round(quantity, 6)))
