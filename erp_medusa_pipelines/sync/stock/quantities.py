"""Read from ERPNext how many of each Website Item can be sold at each stock location.

Which quantities are read for which items, bundles and variants among them, and putting them together. Rolling up
warehouses is in `warehouses.py`, the sums are in `on_hand.py`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from erp_medusa_pipelines.clients.batched import batched, even_size
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.sync.engine.names import ByName, folded
from erp_medusa_pipelines.sync.engine.values import number
from erp_medusa_pipelines.sync.shop.bundles import Part, has_stock, read_bundles
from erp_medusa_pipelines.sync.stock.items import ITEMS_PER_REQUEST, StockItem
from erp_medusa_pipelines.sync.stock.on_hand import OnHand, Places, expired, of_bundle, ordered, with_safety
from erp_medusa_pipelines.sync.stock.warehouses import Warehouses

StockQuantity = Literal["available", "actual"]
COLUMNS = ("actual", "expired", "reserved", "ordered")
BIN = ("actual_qty", "reserved_qty", "reserved_qty_for_production", "reserved_qty_for_sub_contract")
KEY = pd.Index(["name", "item_code", "warehouse"])
Key = tuple[str, str]
"""(Website Item, Item): of a bundle, one for each part."""


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
        bins = self._alike(self._bins(codes))
        found.has_bins = len(bins) > 0
        if self._rule.quantity == "available":
            part_codes = set(codes) - with_batches
            in_batches = sorted(with_batches & set(codes)) + self._batched_parts(found, part_codes)
            bins = _with(bins, self._alike(expired(self._erp, in_batches, self._erp.clock().date())))
            reserved = sorted(spelled[code] for code in set(bins[bins["reserved"] > 0]["item_code"]) & spelled.keys())
            bins = _with(bins, self._alike(ordered(self._erp, reserved, frozenset(bundles))))
            bins["reserved"] = (bins["reserved"] - bins["ordered"]).clip(lower=0)
        rows = [(f"{name}\0{code}", folded(code), place) for (name, code), place in wanted]
        frame = pd.DataFrame(rows, columns=KEY)
        sums: dict[Key, dict[str, OnHand]] = defaultdict(dict)
        for (key, location), row in self._warehouses.roll_up(frame, bins, COLUMNS).items():
            name, _, code = key.partition("\0")
            sums[name, code][location] = OnHand(**row)
        return sums

    def _alike(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the sums of a frame (item_code, warehouse) by folded codes, and warehouses as they are spelled."""
        # Any: pandas types its results as unions that fit no annotation.
        rows: Any = frame
        places = {place: self._warehouses.find(place) or place for place in rows["warehouse"].unique()}
        codes = {code: folded(code) for code in rows["item_code"].unique()}
        alike = rows.assign(item_code=rows["item_code"].map(codes), warehouse=rows["warehouse"].map(places))
        return alike.groupby(["item_code", "warehouse"], as_index=False).sum()

    def _batched_parts(self, found: Found, codes: set[str]) -> list[str]:
        """Return which parts of bundles have batches; of Website Items it is known."""
        parts = {part.item_code for each in found.bundles.values() for part in each} & codes
        rows = self._erp.rows_in("Item", ["name"], sorted(parts), filters=[["has_batch_no", "=", 1]])
        return [row["name"] for row in rows]

    def _bins(self, codes: list[str]) -> pd.DataFrame:
        """Return the Bins of these Items: item_code, warehouse, and COLUMNS."""
        rows: list[tuple[str, str, float, float, float, float]] = []
        columns = BIN if self._rule.quantity == "available" else BIN[:1]
        for some in batched(codes, even_size(len(codes), ITEMS_PER_REQUEST)):
            for row in self._erp.get_list(
                "Bin", ["item_code", "warehouse", *columns], filters=[["item_code", "in", some]]
            ):
                reserved = sum(number(row[column]) for column in columns[1:])
                rows.append((row["item_code"], row["warehouse"], number(row["actual_qty"]), 0.0, reserved, 0.0))
        frame = pd.DataFrame(rows, columns=pd.Index(["item_code", "warehouse", *COLUMNS]))
        return frame.astype(dict.fromkeys(COLUMNS, "float64"))


def _with(bins: pd.DataFrame, taken: pd.DataFrame) -> pd.DataFrame:
    """Return the Bins with a column of `taken` filled in, and rows for pairs that have no Bin."""
    (column,) = set(taken.columns) & set(COLUMNS)
    merged = bins.drop(columns=column).merge(taken, on=["item_code", "warehouse"], how="outer")
    return merged.fillna(dict.fromkeys(COLUMNS, 0.0))


def _by_code(items: Mapping[str, StockItem]) -> list[tuple[str, StockItem]]:
    return [(item.item_code, item) for item in items.values()]


def _stocked(
    parts: Iterable[Part], name: str, sums: Mapping[Key, dict[str, OnHand]]
) -> dict[str, tuple[float, Places]]:
    """Return the stocked parts of a bundle. One that lies nowhere has no quantity at any location."""
    return {part.item_code: (part.quantity, sums.get((name, part.item_code), {})) for part in parts if part.is_stocked}
