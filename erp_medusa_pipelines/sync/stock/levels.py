"""Stock of Website Items becomes Medusa's inventory levels and the in-stock flag of the Website Item.

Belongs here: comparing, the brake against emptying a shop, and the order of writing. How Bins become quantities is in
warehouses.py.

What Medusa is told is what lies in the warehouses (actual_qty): Medusa takes off what it has reserved for its orders
by itself. A level is never set below what is reserved there: that much is promised, and shipping it must not fail.
"""

import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, ClassVar

import pandas as pd

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter
from erp_medusa_pipelines.clients.failures import PermanentError, TransientError
from erp_medusa_pipelines.clients.medusa_inventory import MedusaInventory
from erp_medusa_pipelines.sync.engine.batch_sync import BatchSync
from erp_medusa_pipelines.sync.engine.brake import refuse_mass_loss
from erp_medusa_pipelines.sync.engine.delivery import Resolution
from erp_medusa_pipelines.sync.engine.report import Reject, SyncReport
from erp_medusa_pipelines.sync.engine.stages import Stage, ahead
from erp_medusa_pipelines.sync.stock.warehouses import Warehouses

ITEMS_PER_REQUEST = 2000
ROWS_COMPARED = 500
"""Inventory items compared while the next ones are fetched."""

ALLOW = "allow_zero: true"
FIELDS = (
    "name", "item_code", "published", "medusa_variant_id", "website_warehouse", "custom_threshold_qty",
    "custom_in_stock",
)  # fmt: skip
SHOWN_OR_EXPORTED = [["published", "=", 1], ["medusa_variant_id", "is", "set"]]


@dataclass(frozen=True, slots=True)
class StockItem:
    """What counts of a Website Item. `variant_id` is empty while it is not exported."""

    item_code: str
    variant_id: str
    warehouse: str
    threshold: int
    in_stock: int


@dataclass(frozen=True, slots=True)
class Level:
    """A level to write. `name` is the Website Item; `exists` says whether Medusa has one there."""

    name: str
    inventory_item_id: str
    location_id: str
    quantity: int
    exists: bool

    @property
    def fingerprint(self) -> str:
        return f"{self.inventory_item_id} {self.location_id} {self.quantity}"

    @property
    def body(self) -> dict[str, Any]:
        """Its part of the call."""
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


@dataclass(kw_only=True)
class StockSync(BatchSync):
    """One run of the stock for one batch. Counts are levels."""

    doctype: ClassVar[str] = WEBSITE_ITEM

    writer: ErpNextWriter
    inventory: MedusaInventory
    locations: Mapping[str, str]
    default_location: str
    zero_percent: int = 50
    allow_zero: bool = False
    levels_per_call: int = 1000
    low_stock: list[LowStock] = field(default_factory=list)
    _found_bins: bool = False

    def run(self) -> SyncReport:
        """Sync the batch. Raises MassLossError, AccessError, and PermanentError for wrong settings."""
        items, in_shop = self._read_items()
        skus = [item.item_code for item in items.values() if item.variant_id]
        with ThreadPoolExecutor(1, thread_name_prefix="bins") as pool:
            counting = pool.submit(self._on_hand, items)
            pages = ahead(batched(self.inventory.stocked(skus, in_shop) if skus else (), ROWS_COMPARED))
            first = next(pages, [])
            on_hand = counting.result()
        flags = self._flags(items, on_hand)
        if not (self._found_bins or self.allow_zero):
            refuse_mass_loss(
                sum(1 - values["custom_in_stock"] for _, values in flags),
                sum(item.in_stock for item in items.values()),
                percent=self.zero_percent,
                what="items would be marked out of stock, and ERPNext answered no Bin at all",
                allow=ALLOW,
            )
        levels, dropping, positive = self._differences(items, on_hand, chain([first], pages))
        if not self.allow_zero:
            refuse_mass_loss(
                dropping,
                positive,
                percent=self.zero_percent,
                what="stock levels above zero would drop to zero",
                allow=ALLOW,
            )
        sending = Stage("levels", self.options.parallel)
        try:
            for some in batched(levels, self.levels_per_call):
                sending.submit(self._send_levels, some)
            self._write_flags(flags)
            sending.finish()
        finally:
            sending.close()
        return self.report

    # --- what ERPNext says ------------------------------------------------------------------------------------

    def _read_items(self) -> tuple[dict[str, StockItem], int]:
        """The batch's Website Items by name, and how many of the whole shop are exported."""
        items: dict[str, StockItem] = {}
        exported = 0
        for row in self.erp.rows(WEBSITE_ITEM, FIELDS, or_filters=SHOWN_OR_EXPORTED, page_size=10_000):
            exported += bool(row["medusa_variant_id"])
            if row["item_code"] and self.batch.contains(row["name"]):
                items[row["name"]] = StockItem(
                    row["item_code"],
                    row["medusa_variant_id"] or "",
                    row["website_warehouse"] or "",
                    int(row["custom_threshold_qty"] or 0),
                    int(bool(row["custom_in_stock"])),
                )
        return items, exported

    def _on_hand(self, items: Mapping[str, StockItem]) -> dict[str, dict[str, float]]:
        """{Website Item: {stock location: quantity}}; items that cannot be judged are missing and reported."""
        columns = ["name", "lft", "rgt", "is_group"]
        tree = pd.DataFrame(self.erp.rows("Warehouse", columns, page_size=10_000), columns=pd.Index(columns))
        try:
            warehouses = Warehouses(tree, self.locations, self.default_location)
        except KeyError as error:
            text = f"WAREHOUSE_STOCK_LOCATIONS: no Warehouse is called {error.args[0]}"
            raise PermanentError(self.erp.http.service, "Warehouse", text) from None
        known: list[tuple[str, str, str]] = []
        on_hand: dict[str, dict[str, float]] = {}
        for name, item in items.items():
            warehouse = item.warehouse
            if not warehouse:
                # ERPNext's web shop does not sell such an item either.
                self.report.count("without_warehouse")
                on_hand[name] = {}
            elif warehouse in warehouses:
                known.append((name, item.item_code, warehouse))
            elif not self.held(name, f"warehouse {warehouse}"):
                reason = f"there is no Warehouse {warehouse}"
                self.reject(name, f"warehouse {warehouse}", reason, "website_warehouse")
        if not known:
            return on_hand
        frame = pd.DataFrame(known, columns=pd.Index(["name", "item_code", "warehouse"]))
        for (name, location), quantity in warehouses.on_hand(frame, self._bins(frame["item_code"])).items():
            on_hand.setdefault(name, {})[location] = quantity
        return on_hand

    def _bins(self, codes: Iterable[str]) -> pd.DataFrame:
        columns = ["item_code", "warehouse", "actual_qty"]
        rows: list[tuple[Any, ...]] = []
        for some in batched(codes, ITEMS_PER_REQUEST):
            found = self.erp.get_list("Bin", columns, filters=[["item_code", "in", some]])
            rows += [(row["item_code"], row["warehouse"], row["actual_qty"] or 0.0) for row in found]
        self._found_bins = bool(rows)
        return pd.DataFrame(rows, columns=pd.Index(columns)).astype({"actual_qty": "float64"})

    def _flags(
        self, items: Mapping[str, StockItem], on_hand: Mapping[str, Mapping[str, float]]
    ) -> list[tuple[str, dict[str, int]]]:
        """Changes of custom_in_stock. Says in passing which items run low."""
        changes: list[tuple[str, dict[str, int]]] = []
        for name, places in on_hand.items():
            quantity = sum(_whole(each) for each in places.values())
            in_stock, threshold = int(quantity > 0), items[name].threshold
            if 0 < quantity <= threshold:
                self.low_stock.append(LowStock(name, quantity, threshold))
                self.report.count("low_stock")
            if in_stock != items[name].in_stock:
                changes.append((name, {"custom_in_stock": in_stock}))
        return changes

    # --- what Medusa has --------------------------------------------------------------------------------------

    def _differences(
        self,
        items: Mapping[str, StockItem],
        on_hand: Mapping[str, Mapping[str, float]],
        pages: Iterable[Sequence[Mapping[str, Any]]],
    ) -> tuple[list[Level], int, int]:
        """Levels to write; how many of them drop to zero; how many levels are above zero now."""
        levels: list[Level] = []
        dropping = positive = 0
        for name, item_id, stocked in self._stocked(items, on_hand.keys(), pages):
            for location, quantity in self._wanted(on_hand[name], stocked).items():
                self.report.count("found")
                have = stocked.get(location)
                positive += bool(have and have[0] > 0)
                target = self._target(quantity, have)
                if have is not None and have[0] == target:
                    self.report.count("unchanged")
                    self.report.advance(1)
                    continue
                level = Level(name, item_id, location, target, have is not None)
                dropping += bool(have and have[0] > 0 and quantity <= 0)
                if not self.held(name, level.fingerprint):
                    levels.append(level)
        return levels, dropping, positive

    def _stocked(
        self, items: Mapping[str, StockItem], judged: Container[str], pages: Iterable[Sequence[Mapping[str, Any]]]
    ) -> Iterator[tuple[str, str, dict[str, tuple[float, float]]]]:
        """(Website Item, inventory item, {location: (stocked, reserved)}) of every variant that Medusa has."""
        names = {item.variant_id: name for name, item in items.items() if item.variant_id}
        self.report.count("waiting", len(items) - len(names))
        names = {variant_id: name for variant_id, name in names.items() if name in judged}
        for row in chain.from_iterable(pages):
            for link in row.get("variant_link") or ():
                name = names.get(link["variant_id"])
                if name and row["sku"] == items[name].item_code:
                    del names[link["variant_id"]]
                    yield name, row["id"], _levels_of(row)
        # Items whose item_code was changed since the export, and variants that staff gave another inventory item.
        for variant in self.inventory.variants_by_id(names) if names else ():
            name = names.pop(variant["id"])
            item_id = self._inventory_item(name, variant)
            if item_id is not None:
                links = variant["inventory_items"] or ()
                row = next((link["inventory"] for link in links if link["inventory_item_id"] == item_id), None)
                yield name, item_id, _levels_of(row or {})
        for variant_id, name in names.items():
            fingerprint = f"variant {variant_id}"
            again = "empty medusa_id and medusa_variant_id of the Website Item to export it again"
            if not self.held(name, fingerprint):
                reason = f"variant {variant_id} is not in Medusa any more: {again}"
                self.reject(name, fingerprint, reason, "medusa_variant_id")

    def _inventory_item(self, name: str, variant: Mapping[str, Any]) -> str | None:
        """The inventory item of a variant, made where it is missing; None when there is none to be kept."""
        links = variant["inventory_items"] or ()
        if len(links) == 1:
            return links[0]["inventory_item_id"]
        if not variant["manage_inventory"]:
            self.report.count("not_managed")
            return None
        fingerprint = f"{variant['id']} {len(links)}"
        if self.held(name, fingerprint):
            return None
        try:
            if links:
                raise PermanentError(
                    "Medusa", variant["id"], f"variant {variant['id']} has {len(links)} inventory items"
                )
            return self.inventory.stock_variant(variant)
        except PermanentError as error:
            self.reject(name, fingerprint, error.reason)
        except TransientError as error:
            self.medusa_breaker.failed(error)
            self.defer([name], error)
        return None

    def _wanted(self, on_hand: Mapping[str, float], stocked: Mapping[str, Any]) -> dict[str, float]:
        """Quantities by location; at locations of ours where the item cannot lie any more there is none left."""
        ours = {self.default_location, *self.locations.values()}
        return {**dict.fromkeys((place for place in stocked if place in ours), 0.0), **on_hand}

    def _target(self, quantity: float, have: tuple[float, float] | None) -> int:
        if quantity < 0:
            self.report.count("negative")
        elif quantity != int(quantity):
            self.report.count("fractions")
        whole = _whole(quantity)
        reserved = math.ceil(have[1]) if have else 0
        if reserved > whole:
            self.report.count("held_by_reservations")
        return max(whole, reserved)

    # --- writing ----------------------------------------------------------------------------------------------

    def _send_levels(self, chunk: Sequence[Level]) -> None:
        self.send_chunk(chunk, self._send, resolve=self._resolve, recover=self._recover)

    def _send(self, group: Sequence[Level]) -> None:
        create = [level for level in group if not level.exists]
        update = [level for level in group if level.exists]
        self.inventory.write_levels(create=[one.body for one in create], update=[one.body for one in update])
        self.report.count("written", len(create))
        self.report.count("updated", len(update))
        self.report.advance(len(group))

    def _resolve(self, error: PermanentError, group: Sequence[Level]) -> Resolution[Level] | None:
        """Settle what the refusal is about: levels that came or went since they were read."""
        again = self._as_they_are(group)
        return (again, []) if again != list(group) else None

    def _recover(self, group: Sequence[Level]) -> list[Level]:
        """After a lost answer: those that were not written."""
        return self._as_they_are(group)

    def _as_they_are(self, group: Sequence[Level]) -> list[Level]:
        """What is still to be written of a group, as Medusa is now."""
        there = self.inventory.levels(level.inventory_item_id for level in group)
        remaining: list[Level] = []
        for level in group:
            rows = there.get(level.inventory_item_id, ())
            stocked = next((row["stocked_quantity"] for row in rows if row["location_id"] == level.location_id), None)
            if stocked == level.quantity:
                self.report.count("written" if not level.exists else "updated")
                self.report.advance(1)
            else:
                remaining.append(replace(level, exists=stocked is not None))
        return remaining

    def _write_flags(self, changes: Sequence[tuple[str, Mapping[str, int]]]) -> None:
        if not changes:
            return
        outcome = self.writer.write(WEBSITE_ITEM, changes)
        self.report.count("flags_written", len(outcome.written))
        for name, error in outcome.failed.items():
            if isinstance(error, TransientError):
                self.report.defer(WEBSITE_ITEM, name, error)
            else:
                self.report.reject(Reject(WEBSITE_ITEM, name, f"flag not written: {error.reason}", "custom_in_stock"))


def _levels_of(inventory_item: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """(stocked, reserved) by location."""
    rows = inventory_item.get("location_levels") or ()
    return {row["location_id"]: (row["stocked_quantity"], row["reserved_quantity"]) for row in rows}


def _whole(quantity: float) -> int:
    """What can be sold of a quantity: whole pieces, never less than none."""
    return max(0, math.floor(quantity))
