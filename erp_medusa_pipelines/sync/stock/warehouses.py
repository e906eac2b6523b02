"""Roll Bins up a tree of warehouses, to quantities of an item at each stock location. Pure functions.

A Website Item is sold from its website_warehouse and everything below it, except warehouses that goods are not sold
from: disabled ones, those for rejected goods and those for goods in transit. A mapping assigns warehouses to stock
locations; an assignment also holds for everything below the warehouse, unless a lower one overrides it.

Plain Python: pandas would cost each run 50 MB and half a second, for sums of a few Bins an item.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from erp_medusa_pipelines.sync.engine.names import ByName
from erp_medusa_pipelines.sync.stock.on_hand import NOTHING, OnHand

TRANSIT = "Transit"
"""ERPNext's Warehouse Type for goods on their way between warehouses."""


@dataclass(slots=True)
class _Node:
    """A Warehouse. Its nested set, `lft` to `rgt`, is its own place and everything below."""

    lft: int
    rgt: int
    is_group: bool
    is_sold_from: bool
    location_id: str

    def holds(self, other: "_Node") -> bool:
        return self.lft <= other.lft <= self.rgt


class Warehouses:
    """The tree. `rows` has the columns `items.TREE` of every Warehouse.

    With `every_one`, warehouses that goods are not sold from count as well. Raises KeyError for a warehouse of
    `locations` that does not exist.
    """

    def __init__(
        self,
        rows: Iterable[Mapping[str, Any]],
        locations: Mapping[str, str],
        default_location: str,
        *,
        every_one: bool = False,
    ) -> None:
        self._nodes = {
            row["name"]: _Node(
                row["lft"], row["rgt"], bool(row["is_group"]), every_one or _is_sold_from(row), default_location
            )
            for row in rows
        }
        self._names = ByName((name, name) for name in self._nodes)
        self._locations: dict[str, list[str]] = {}
        own = {typed: self.find(typed) for typed in locations}
        if unknown := sorted(typed for typed, name in own.items() if name is None):
            raise KeyError(", ".join(unknown))
        assigned = [(self._nodes[name], locations[typed]) for typed, name in own.items() if name]
        # A lower warehouse comes later and overrides those above it.
        for node, location_id in sorted(assigned, key=lambda one: one[0].lft):
            for other in self._nodes.values():
                if node.holds(other):
                    other.location_id = location_id

    def find(self, warehouse: str) -> str | None:
        """Return the name as the Warehouse itself has it, or None if there is none. Every other method wants that."""
        return self._names.find(warehouse)

    def locations_of(self, warehouse: str) -> list[str]:
        """Return the stock locations at which an item sold from this warehouse can be stored."""
        if warehouse not in self._locations:
            below = [one for one in self._nodes.values() if self._nodes[warehouse].holds(one)]
            leaves = [one for one in below if not one.is_group]
            self._locations[warehouse] = sorted({one.location_id for one in leaves or below})
        return self._locations[warehouse]

    def roll_up(self, warehouse: str, quantities: Mapping[str, OnHand]) -> dict[str, OnHand]:
        """Return the quantities of an item sold from this warehouse by stock location, from those by warehouse.

        A location at which it can be stored and nothing lies has zeros.
        """
        top = self._nodes[warehouse]
        found = dict.fromkeys(self.locations_of(warehouse), NOTHING)
        for name, quantity in quantities.items():
            node = self._nodes.get(name)
            if node and node.is_sold_from and top.holds(node):
                found[node.location_id] = found.get(node.location_id, NOTHING).plus(quantity)
        return {location: quantity.rounded() for location, quantity in found.items()}


def _is_sold_from(row: Mapping[str, Any]) -> bool:
    return not (row["disabled"] or row["is_rejected_warehouse"] or row["warehouse_type"] == TRANSIT)
