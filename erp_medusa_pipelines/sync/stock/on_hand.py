"""The quantities of an item at one stock location, and what of them can be promised. Pure functions.

    for sale = actual - expired - reserved - safety        before Medusa's own orders
    left     = for sale - ordered                          after them

`reserved` is what ERPNext keeps for others: Sales Orders from elsewhere, Work Orders and subcontracting. `ordered` is
what open Sales Orders from Medusa keep. Medusa subtracts its reservations itself, so its level must not subtract them
again; an order that Medusa has shipped already has no reservation there any more, and is subtracted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

Places = Mapping[str, "OnHand"]
"""Quantities by stock location."""


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
