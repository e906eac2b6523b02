"""Read from ERPNext how many of each Website Item can be sold at each stock location.

Which quantities are read for which items, bundles and variants among them, and putting them together. Rolling up
warehouses is in `warehouses.py`, the sums are in `on_hand.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from erp_medusa_pipelines.clients.batched import batched, even_size
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.sync.engine.names import ByName, folded
from erp_medusa_pipelines.sync.engine.values import number
from erp_medusa_pipelines.sync.shop.bundles import Part, has_stock, read_bundles
from erp_medusa_pipelines.sync.stock.items import ITEMS_PER_REQUEST, StockItem
from erp_medusa_pipelines.sync.stock.on_hand import NOTHING, OnHand, Pairs, Places, expired, of_bundle, with_safety
from erp_medusa_pipelines.sync.stock.orders import left_to_deliver
from erp_medusa_pipelines.sync.stock.warehouses import Warehouses

StockQuantity = Literal["available", "actual"]
BIN = ("actual_qty", "reserved_qty", "reserved_qty_for_production", "reserved_qty_for_sub_contract")
Key = tuple[str, str]
"""(Website Item, Item): of a bundle, one for each part."""
Bins = dict[str, dict[str, OnHand]]
"""Quantities by folded item code and warehouse."""


@dataclass(frozen=True)
class StockRule:
    """What is sold: `actual` is what lies in the warehouses, `available` what of it can be promised.

    `safety` is withheld from each item that has no safety stock of its own.
    """

    quantity: StockQuantity = "available"
    safety: float = 0.0


@dataclass
class Found:
    """What ERPNext knows of some items."""

    on_hand: dict[str, dict[str, OnHand]] = field(default_factory=dict)
    """Quantities by Website Item and stock location; empty for an item that cannot be sold from anywhere."""
    bundles: dict[str, list[Part]] = field(default_factory=dict)
    """Parts by Website Item, of Product Bundles that are limited by their parts' stock."""
    not_stocked: set[str] = field(default_factory=set)
    """Website Items without a quantity, as services: any number can be sold."""
    unknown_warehouses: dict[str, str] = field(default_factory=dict)
    """Warehouse by Website Item whose warehouse does not exist. Nothing is known of its quantity."""
    parts: dict[str, dict[str, tuple[float, Places]]] = field(default_factory=dict)
    """(pieces in each bundle, quantities by location) of the stocked parts, by item code, by Website Item."""
    unsellable: dict[str, str] = field(default_factory=dict)
    """Reason by Website Item, of bundles that cannot be sold because of a part."""
    without_warehouse: int = 0
    has_bins: bool = False


class QuantityReader:
    """Read quantities of one site. Four to eight requests per 2,000 items, whatever is asked for."""

    def __init__(self, erp: ErpNextClient, warehouses: Warehouses, rule: StockRule) -> None:
        self._erp = erp
        self._warehouses = warehouses
        self._rule = rule

    def read(self, items: Mapping[str, StockItem], warehouse_of: ByName[str]) -> Found:
        """Return what can be sold of these items, by Website Item name.

        `warehouse_of` is the whole shop's, by item code: the parts of a bundle may be in other batches.
        """
        found = Found()
        today = self._erp.clock().date()
        services = {item.item_code for item in items.values() if not item.is_stocked}
        bundles = read_bundles(self._erp, sorted(services), today)
        wanted: list[tuple[Key, str]] = []
        for name, item in items.items():
            parts = bundles.get(item.item_code, [])
            if not item.is_stocked and not has_stock(parts):
                found.not_stocked.add(name)
            elif parts:
                found.bundles[name] = parts
                wanted += self._bundle(found, item, parts, warehouse_of)
            else:
                wanted += self._plain(found, item)
        sums = self._sums(found, wanted, {code for code, item in _by_code(items) if item.has_batches}, bundles)
        for name in found.bundles:
            if name not in found.unsellable:
                found.parts[name] = _stocked(found.bundles[name], name, sums)
                found.on_hand[name] = of_bundle(found.parts[name])
        for name, item in items.items():
            if name not in found.bundles and (name, item.item_code) in sums:
                found.on_hand[name] = with_safety(sums[name, item.item_code], self._safety(item))
        return found

    def _plain(self, found: Found, item: StockItem) -> list[tuple[Key, str]]:
        if not item.warehouse:
            # ERPNext's web shop does not sell an item without a warehouse either.
            found.without_warehouse += 1
            found.on_hand[item.name] = {}
        elif warehouse := self._warehouses.find(item.warehouse):
            return [((item.name, item.item_code), warehouse)]
        else:
            found.unknown_warehouses[item.name] = item.warehouse
        return []

    def _bundle(
        self, found: Found, item: StockItem, parts: Iterable[Part], warehouse_of: ByName[str]
    ) -> list[tuple[Key, str]]:
        """Return where to look for the parts: in the bundle's own warehouse, else in that of each part."""
        against = next((part.against for part in parts if part.against), None)
        if against:
            found.unsellable[item.name] = against
            found.on_hand[item.name] = {}
            return []
        places = {part.item_code: item.warehouse or warehouse_of.find(part.item_code) or "" for part in parts}
        if item.warehouse and not self._warehouses.find(item.warehouse):
            found.unknown_warehouses[item.name] = item.warehouse
            return []
        known = {code: self._warehouses.find(place) for code, place in places.items()}
        return [((item.name, code), place) for code, place in known.items() if place]

    def _safety(self, item: StockItem) -> float:
        if self._rule.quantity == "actual":
            return 0.0
        return item.safety_stock if item.safety_stock > 0 else self._rule.safety

    def _sums(
        self,
        found: Found,
        wanted: list[tuple[Key, str]],
        with_batches: set[str],
        bundles: Iterable[str],
    ) -> dict[Key, dict[str, OnHand]]:
        if not wanted:
            return {}
        spelled = {folded(code): code for (_, code), _ in wanted}
        codes = sorted(spelled.values())
        bins = self._bins(codes)
        found.has_bins = bool(bins)
        if self._rule.quantity == "available":
            part_codes = set(codes) - with_batches
            in_batches = sorted(with_batches & set(codes)) + self._batched_parts(found, part_codes)
            self._add(bins, expired(self._erp, in_batches, self._erp.clock().date()), "expired")
            reserved = sorted(spelled[code] for code in bins.keys() & spelled.keys() if _is_reserved(bins[code]))
            self._add(bins, left_to_deliver(self._erp, reserved, frozenset(bundles)), "ordered")
            bins = {code: _reserved_elsewhere(places) for code, places in bins.items()}
        return {
            (name, code): self._warehouses.roll_up(place, bins.get(folded(code), {})) for (name, code), place in wanted
        }

    def _add(self, bins: Bins, more: Pairs, column: str) -> None:
        for (code, warehouse), quantity in more.items():
            place = self._warehouses.find(warehouse) or warehouse
            places = bins.setdefault(folded(code), {})
            places[place] = places.get(place, NOTHING).plus(OnHand(**{column: quantity}))

    def _batched_parts(self, found: Found, codes: set[str]) -> list[str]:
        """Return which parts of bundles have batches; of Website Items it is known."""
        parts = {part.item_code for each in found.bundles.values() for part in each} & codes
        rows = self._erp.rows_in("Item", ["name"], sorted(parts), filters=[["has_batch_no", "=", 1]])
        return [row["name"] for row in rows]

    def _bins(self, codes: Sequence[str]) -> Bins:
        """Return the Bins of these Items."""
        found: Bins = {}
        columns = BIN if self._rule.quantity == "available" else BIN[:1]
        for some in batched(codes, even_size(len(codes), ITEMS_PER_REQUEST)):
            for row in self._erp.get_list(
                "Bin", ["item_code", "warehouse", *columns], filters=[["item_code", "in", some]]
            ):
                pair = row["item_code"], row["warehouse"]
                self._add(found, {pair: number(row["actual_qty"])}, "actual")
                self._add(found, {pair: sum(number(row[column]) for column in columns[1:])}, "reserved")
        return found


def _is_reserved(places: Places) -> bool:
    return any(quantity.reserved > 0 for quantity in places.values())


def _reserved_elsewhere(places: Places) -> dict[str, OnHand]:
    """Return the quantities without what Medusa's own orders reserve of them."""
    return {
        place: replace(quantity, reserved=max(0.0, quantity.reserved - quantity.ordered))
        if quantity.ordered
        else quantity
        for place, quantity in places.items()
    }


def _by_code(items: Mapping[str, StockItem]) -> list[tuple[str, StockItem]]:
    return [(item.item_code, item) for item in items.values()]


def _stocked(
    parts: Iterable[Part], name: str, sums: Mapping[Key, dict[str, OnHand]]
) -> dict[str, tuple[float, Places]]:
    """Return the stocked parts of a bundle. One that lies nowhere has no quantity at any location."""
    return {part.item_code: (part.quantity, sums.get((name, part.item_code), {})) for part in parts if part.is_stocked}
