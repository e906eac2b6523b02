"""The quantities of an item at one stock location, and what of them can be promised.

    for sale = actual - expired - reserved - safety        before Medusa's own orders
    left     = for sale - ordered                          after them

`reserved` is what ERPNext keeps for others: Sales Orders from elsewhere, Work Orders and subcontracting. `ordered` is
what open Sales Orders from Medusa keep. Medusa subtracts its reservations itself, so its level must not subtract them
again; an order that Medusa has shipped already has no reservation there any more, and is subtracted.

Expired batches come from the ledger in grouped requests, orders from `orders.py`.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.erpnext import Aggregate, ErpNextClient, Filters
from erp_medusa_pipelines.sync.engine.names import folded

PER_REQUEST = 10_000
Pairs = Mapping[tuple[str, str], float]
Places = Mapping[str, "OnHand"]
"""Quantities by stock location."""


def expired(erp: ErpNextClient, codes: Iterable[str], today: date) -> Pairs:
    """Return what the ledger says of these Items' expired batches, by Item and warehouse, in the Item's stock unit.

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
    return {pair: quantity for pair, quantity in found.items() if quantity > 0}


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


@dataclass(frozen=True, slots=True)
class OnHand:
    """Quantities in the Item's stock unit."""

    actual: float = 0.0
    expired: float = 0.0
    reserved: float = 0.0
    ordered: float = 0.0
    safety: float = 0.0

    def plus(self, other: "OnHand") -> "OnHand":
        """Return the sum of both."""
        return OnHand(
            self.actual + other.actual,
            self.expired + other.expired,
            self.reserved + other.reserved,
            self.ordered + other.ordered,
            self.safety + other.safety,
        )

    def rounded(self) -> "OnHand":
        """Return the same without the dust of adding floats."""
        return OnHand(
            _rounded(self.actual),
            _rounded(self.expired),
            _rounded(self.reserved),
            _rounded(self.ordered),
            _rounded(self.safety),
        )

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


NOTHING = OnHand()


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
                max(0.0, places.get(location, NOTHING).left) // needed if needed > 0 else float("inf")
                for needed, places in parts.values()
            )
        )
        for location in sorted(everywhere)
    }


def _rounded(quantity: float) -> float:
    # Sums of Frappe's floats: 30 times 0.1 is 3.
    return round(quantity, 6)
