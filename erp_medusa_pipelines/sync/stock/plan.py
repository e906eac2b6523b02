"""Plan what makes Medusa's levels and the in-stock flag equal to the stock in the warehouses. Pure functions.

Medusa itself subtracts what it has reserved for orders. A level is never set below the reserved quantity, which is sold
already and must be possible to ship.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from erp_medusa_pipelines.sync.stock.items import StockItem
from erp_medusa_pipelines.sync.stock.on_hand import OnHand, Places


class Stocked(NamedTuple):
    """A level in Medusa."""

    quantity: float
    reserved: float


@dataclass(frozen=True, slots=True)
class Level:
    """A level to write. `name` is the Website Item; `exists` says whether Medusa has a level there."""

    name: str
    inventory_item_id: str
    location_id: str
    quantity: int
    exists: bool
    sells_out: bool = False
    """Whether it is one of those that leave a customer nothing to buy of the item."""

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint of a refusal: it holds for the same quantity at the same location."""
        return f"{self.inventory_item_id} {self.location_id} {self.quantity}"

    @property
    def body(self) -> dict[str, Any]:
        """Return its part of the request body."""
        return {
            "inventory_item_id": self.inventory_item_id,
            "location_id": self.location_id,
            "stocked_quantity": self.quantity,
        }


@dataclass(frozen=True, slots=True)
class LowStock:
    """An item at or below its threshold."""

    name: str
    quantity: int
    threshold: int


@dataclass(slots=True)
class LevelPlan:
    """What must be done for one inventory item."""

    write: list[Level] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """found, unchanged; negative, fractions, raised_to_reserved."""
    before: float = 0.0
    """Pieces that customers can buy now, and `after` the write: less what is reserved, where they are sold from."""
    after: float = 0.0

    @property
    def sells_out(self) -> bool:
        """Return whether customers can buy it now, and could not after the write."""
        return self.before > 0 >= self.after


@dataclass(slots=True)
class FlagPlan:
    """Items whose in-stock flag changes, with its new value, and items at or below their threshold."""

    changes: dict[str, int] = field(default_factory=dict)
    low: list[LowStock] = field(default_factory=list)


def plan_levels(
    name: str,
    inventory_item_id: str,
    on_hand: Places,
    stocked: Mapping[str, Stocked],
    *,
    ours: Set[str],
    no_longer_used: Set[str] = frozenset(),
    not_sold_from: Set[str] = frozenset(),
) -> LevelPlan:
    """Compare quantities by location with an item's levels in Medusa.

    Levels become zero at locations of `ours` that the item can no longer be stored at, and at those that are
    `no_longer_used`. That is no loss if the item can be bought from another location, which no customer can do where
    it is `not_sold_from`.
    """
    plan = LevelPlan()
    left = {place: OnHand() for place in stocked if place in ours or place in no_longer_used}
    for location, there in {**left, **on_hand}.items():
        plan.counts["found"] += 1
        have = stocked.get(location)
        quantity = there.level(have.reserved if have else 0.0)
        target = _target(quantity, have, plan.counts)
        reserved = have.reserved if have else 0.0
        if location not in not_sold_from:
            plan.before += max(0.0, have.quantity - reserved) if have else 0.0
            plan.after += max(0.0, target - reserved)
        if have is not None and have.quantity == target:
            plan.counts["unchanged"] += 1
        else:
            plan.write.append(Level(name, inventory_item_id, location, target, have is not None))
    if plan.sells_out:
        plan.write = [replace(level, sells_out=_is_lowered(level, stocked)) for level in plan.write]
    return plan


def _is_lowered(level: Level, stocked: Mapping[str, Stocked]) -> bool:
    return level.location_id in stocked and level.quantity < stocked[level.location_id].quantity


def plan_flags(
    items: Mapping[str, StockItem], on_hand: Mapping[str, Places], not_stocked: Set[str] = frozenset()
) -> FlagPlan:
    """Compare the in-stock flags with the quantities of the items whose quantities are known.

    Items that are `not_stocked` are in stock, as in ERPNext's web shop.
    """
    plan = FlagPlan(changes={name: 1 for name in sorted(not_stocked) if not items[name].in_stock})
    for name, places in on_hand.items():
        item, quantity = items[name], sum(_whole(each.left) for each in places.values())
        in_stock = int(quantity > 0)
        if 0 < quantity <= item.threshold:
            plan.low.append(LowStock(name, quantity, item.threshold))
        if in_stock != item.in_stock:
            plan.changes[name] = in_stock
    return plan


def levels_of(rows: Iterable[Mapping[str, Any]] | None) -> dict[str, Stocked]:
    """Return Medusa's level rows by location."""
    return {row["location_id"]: Stocked(row["stocked_quantity"], row["reserved_quantity"]) for row in rows or ()}


def _target(quantity: float, have: Stocked | None, counts: Counter[str]) -> int:
    """Return the level to set; negative and fractional quantities are counted."""
    if quantity < 0:
        counts["negative"] += 1
    elif quantity != int(quantity):
        counts["fractions"] += 1
    whole = _whole(quantity)
    reserved = math.ceil(have.reserved) if have else 0
    counts["raised_to_reserved"] += reserved > whole
    return max(whole, reserved)


def _whole(quantity: float) -> int:
    """Return the sellable part of a quantity: whole pieces, at least 0."""
    return max(0, math.floor(quantity))
