"""The quantities of an item at one stock location, and what of them can be promised.

    for sale = actual - expired - reserved - safety        before Medusa's own orders
    left     = for sale - ordered                          after them

`reserved` is what ERPNext keeps for others: Sales Orders from elsewhere, Work Orders and subcontracting. `ordered` is
what open Sales Orders from Medusa keep. Medusa subtracts its reservations itself, so its level must not subtract them
again; an order that Medusa has shipped already has no reservation there any more, and is subtracted.

Expired batches come from the ledger in grouped requests, orders from `orders.py`. A frame of either has the columns
item_code, warehouse and a quantity in the Item's stock unit, at most a row per pair.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

import pandas as pd

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.erpnext import Aggregate, ErpNextClient, Filters
from erp_medusa_pipelines.sync.engine.names import folded
from erp_medusa_pipelines.sync.stock.orders import left_to_deliver

PER_REQUEST = 10_000
Pairs = Mapping[tuple[str, str], float]
Places = Mapping[str, "OnHand"]
"""Quantities by stock location."""


def expired(erp: ErpNextClient, codes: Iterable[str], today: date) -> pd.DataFrame:
    """Return what the ledger says of these Items' expired batches, as `expired`.

    A batch still counts on its expiry date, as in ERPNext's get_batch_qty. Codes of Items without batches cost nothing.
    """
    found: dict[tuple[str, str], float] = defaultdict(float)
    for some in batched(codes, PER_REQUEST):
        # `<` alone also finds batches without a date: Frappe takes NULL for the year 1.
        dated = [["expiry_date", "is", "set"], ["expiry_date", "<", today.isoformat()]]
        rows = erp.get_list("Batch", ["name", "item"], filters=[["item", "in", some], *dated])
        item_of = {folded(row["name"]): row["item"] for row in rows}
        for names in batched(sorted(row["name"] for row in rows), PER_REQUEST):
            for batch, warehouse, quantity in _ledger(erp, names):
                found[item_of.get(folded(batch), ""), warehouse] += quantity
    return _frame({pair: quantity for pair, quantity in found.items() if quantity > 0}, "expired")


def _ledger(erp: ErpNextClient, batches: Collection[str]) -> Iterable[tuple[str, str, float]]:
    """Yield (batch, warehouse, quantity): bundles' entries, and entries from before there were bundles."""
    chosen = ["batch_no", "in", list(batches)]
    sources: tuple[tuple[str, str, Filters, str | None], ...] = (
        ("Serial and Batch Entry", "qty", [["docstatus", "=", 1]], "Serial and Batch Bundle"),
        (
            "Stock Ledger Entry",
            "actual_qty",
            [["is_cancelled", "=", 0], ["serial_and_batch_bundle", "is", "not set"]],
            None,
        ),
    )
    for doctype, column, filters, parent in sources:
        fields = ["batch_no", "warehouse", Aggregate("SUM", column, "quantity")]
        options = {"group_by": "batch_no, warehouse", "order_by": "batch_no asc", "parent": parent}
        for row in erp.get_list(doctype, fields, filters=[*filters, chosen], **options):
            yield row["batch_no"], row["warehouse"] or "", row["quantity"] or 0.0


def ordered(erp: ErpNextClient, codes: Collection[str], bundles: Collection[str]) -> pd.DataFrame:
    """Return what open Sales Orders that came from Medusa reserve of these Items, as `ordered`."""
    return _frame(left_to_deliver(erp, codes, bundles), "ordered")


def _frame(found: Pairs, column: str) -> pd.DataFrame:
    rows = [(code, warehouse, quantity) for (code, warehouse), quantity in found.items()]
    frame = pd.DataFrame(rows, columns=pd.Index(["item_code", "warehouse", column]))
    return frame.astype({column: "float64"})


@dataclass(frozen=True, slots=True)
class OnHand:
    """Quantities in the Item's stock unit."""

    actual: float = 0.0
    expired: float = 0.0
    reserved: float = 0.0
    ordered: float = 0.0
    safety: float = 0.0

    @property
    def for_sale(self) -> float:
        """Return what can be sold before Medusa's own orders."""
        return _rounded(self.actual - self.expired - self.reserved - self.safety)

    @property
    def left(self) -> float:
        """Return what can be sold after Medusa's own orders."""
        return _rounded(self.for_sale - self.ordered)

    def level(self, reserved_in_medusa: float) -> float:
        """Return the stocked quantity for Medusa, which subtracts `reserved_in_medusa` from it."""
        return _rounded(self.for_sale - max(0.0, self.ordered - reserved_in_medusa))


def with_safety(places: Places, safety: float) -> dict[str, OnHand]:
    """Return the quantities with so much withheld, from the location with the most first."""
    kept = dict(places)
    remaining = safety
    for location in sorted(kept, key=lambda each: (-kept[each].left, each)):
        withheld = min(remaining, max(0.0, kept[location].left))
        if withheld <= 0:
            break
        kept[location] = replace(kept[location], safety=withheld)
        remaining -= withheld
    return kept


def of_bundle(parts: Mapping[str, tuple[float, Places]]) -> dict[str, OnHand]:
    """Return how many of a bundle can be packed at each location.

    `parts` holds (pieces in each bundle, quantities by location) of each part that is stocked, by item code. All parts
    must lie at the same location.
    """
    if not parts:
        return {}
    everywhere = {location for _, places in parts.values() for location in places}
    return {
        location: OnHand(
            min(
                max(0.0, places.get(location, OnHand()).left) // needed if needed > 0 else float("inf")
                for needed, places in parts.values()
            )
        )
        for location in sorted(everywhere)
    }


def _rounded(quantity: float) -> float:
    # Sums of Frappe's floats: 30 times 0.1 is 3.
    return round(quantity, 6)
