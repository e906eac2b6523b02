"""Stock of Website Items becomes Medusa's inventory levels and the in-stock flag of the Website Item.

The order of the work, and the brake against emptying a shop. plan.py decides what must be done for an item.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import ClassVar

from erp_medusa_pipelines.clients.batched import batched, even_size
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter
from erp_medusa_pipelines.clients.failures import AccessError, ApiError, PermanentError, TransientError
from erp_medusa_pipelines.clients.medusa import Row
from erp_medusa_pipelines.clients.medusa_inventory import LEVELS_BATCH, MedusaInventory
from erp_medusa_pipelines.settings import variable_name
from erp_medusa_pipelines.sync.engine.batch_sync import BatchSync, whole_shop
from erp_medusa_pipelines.sync.engine.batches import WHOLE_SHOP
from erp_medusa_pipelines.sync.engine.brake import Guard, Limit, Loss, MassLossError
from erp_medusa_pipelines.sync.engine.delivery import Resolution
from erp_medusa_pipelines.sync.engine.names import ByName
from erp_medusa_pipelines.sync.engine.quarantine import Lies, lies_elsewhere
from erp_medusa_pipelines.sync.engine.report import SyncReport, WriteBack
from erp_medusa_pipelines.sync.engine.stages import Stage, ahead
from erp_medusa_pipelines.sync.shop.bundles import bundles_with, has_stock, read_bundles
from erp_medusa_pipelines.sync.stock.inventory import InventoryReader, StockedItem
from erp_medusa_pipelines.sync.stock.items import ITEMS_PER_REQUEST, StockItem, StockItems, warehouse_rows
from erp_medusa_pipelines.sync.stock.kits import Bundle, Kits
from erp_medusa_pipelines.sync.stock.locations import StockLocations
from erp_medusa_pipelines.sync.stock.on_hand import Places
from erp_medusa_pipelines.sync.stock.plan import Level, LevelPlan, LowStock, plan_flags, plan_levels
from erp_medusa_pipelines.sync.stock.quantities import Found, QuantityReader, StockRule
from erp_medusa_pipelines.sync.stock.warehouses import Warehouses

log = logging.getLogger(__name__)

ROWS_COMPARED = 500
"""Inventory items compared while the next ones are fetched."""

BUNDLE = "bundle"
LOCATIONS = variable_name("warehouse_stock_locations")
FLAGS = WriteBack(WEBSITE_ITEM, "custom_in_stock", counted="flags_written", problem="flag not written")


def _place(level: Level) -> str:
    """Return the key of a refusal: each location of an item can be refused separately."""
    return level.location_id


class LevelSender:
    """Write levels for one run. Thread-safe."""

    def __init__(self, run: BatchSync, inventory: MedusaInventory) -> None:
        self._run = run
        self._inventory = inventory

    def send(self, chunk: Sequence[Level]) -> None:
        """Write a chunk; failures go into the run's report."""
        self._run.send_chunk(
            chunk,
            self._send,
            lies=lies_elsewhere,
            resolve=self._resolve,
            recover=self._as_they_are,
            kind=_place,
            route=LEVELS_BATCH,
        )

    def _send(self, group: Sequence[Level]) -> None:
        create = [level.body for level in group if not level.exists]
        update = [level.body for level in group if level.exists]
        self._inventory.write_levels(create=create, update=update)
        self._run.report.count("written", len(create))
        self._run.report.count("updated", len(update))
        self._run.report.advance(len(group))

    def _resolve(self, _error: PermanentError, group: Sequence[Level]) -> Resolution[Level] | None:
        """Handle the usual reason for a refusal: levels that were created or deleted since they were read."""
        again = self._as_they_are(group)
        return (again, []) if again != list(group) else None

    def _as_they_are(self, group: Sequence[Level]) -> list[Level]:
        """Return what of a group must still be written, compared with Medusa now."""
        there = self._inventory.levels(level.inventory_item_id for level in group)
        remaining: list[Level] = []
        for level in group:
            rows = there.get(level.inventory_item_id, ())
            stocked = next((row["stocked_quantity"] for row in rows if row["location_id"] == level.location_id), None)
            if stocked == level.quantity:
                self._run.report.count("updated" if level.exists else "written")
                self._run.report.advance(1)
            else:
                remaining.append(replace(level, exists=stocked is not None))
        return remaining


def stock_limit(percent: int, setting: str) -> Limit:
    """Return how many items may be sold out."""
    return Limit(
        name="stock",
        what="items in stock would be sold out",
        percent=percent,
        setting=setting,
        allow="allow_zero",
        check=(
            f"Check that ERPNext's user sees all Bins and Warehouses, and that {LOCATIONS} and"
            f" {variable_name('medusa_stock_location_id')} name locations that are linked to the sales channel."
        ),
    )


@dataclass
class StockWork:
    """What a run found so far that is to be written, and what customers would lose by it."""

    levels: list[Level] = field(default_factory=list)
    codes: dict[str, str] = field(default_factory=dict)
    """Item codes of the levels' Website Items."""
    flags: dict[str, int] = field(default_factory=dict)
    """Changes of custom_in_stock by Website Item."""
    loss: Loss = field(default_factory=Loss)
    _had_flag: set[str] = field(default_factory=set)
    _has_bins: bool = False

    def add_flags(self, items: Mapping[str, StockItem], quantities: Found, flags: Mapping[str, int]) -> None:
        """Add the changes of flags of some items."""
        self.flags.update(flags)
        self._had_flag.update(name for name, item in items.items() if item.in_stock)
        self._has_bins = self._has_bins or quantities.has_bins

    @property
    def total_loss(self) -> Loss:
        """Return the loss with the items that only a flag calls sold out. It counts where ERPNext has no Bin at all."""
        if not self._has_bins:
            self.loss.add(Loss({name: name for name in self._had_flag if self.flags.get(name) == 0}, self._had_flag))
        return self.loss


def _places(parts: Iterable[StockItem]) -> ByName[str]:
    """Return the warehouses of bundles' parts by item code."""
    return ByName((item.item_code, item.warehouse) for item in parts)


def _variants(parts: Iterable[StockItem]) -> dict[str, str]:
    """Return the exported variants of stocked Items by item code."""
    return {one.item_code: one.variant_id for one in parts if one.variant_id and one.is_stocked}


def _none(_names: Collection[str]) -> Collection[str]:
    return ()


@dataclass(kw_only=True)
class StockSync(BatchSync):
    """One run of the stock for one batch. Counts are levels."""

    doctype: ClassVar[str] = WEBSITE_ITEM

    writer: ErpNextWriter
    inventory: MedusaInventory
    locations: StockLocations
    rule: StockRule = field(default_factory=StockRule)
    guard: Guard
    levels_per_call: int = 1000
    foreign: Callable[[Collection[str]], Collection[str]] = _none
    """Returns which of some Website Items have another item's ids: they wait."""
    low_stock: list[LowStock] = field(default_factory=list)
    losses_stopped: MassLossError | None = None
    """Set by `run` when too many items would be sold out: then everything else was done."""

    def run(self) -> SyncReport:
        """Sync the batch. Raises AccessError, and PermanentError for wrong settings."""
        work = self._compared()
        levels = self._braked(work)
        sender, sending = LevelSender(self, self.inventory), Stage("levels", self.options.parallel)
        self.inventory.forget_seen({work.codes[level.name] for level in levels})
        try:
            for some in batched(levels, self.levels_per_call):
                sending.submit(sender.send, some)
            self._write_flags(work.flags)
            sending.finish()
        finally:
            sending.close()
        if new := {work.codes[level.name] for level in levels if not level.exists}:
            self._complete_kits(new)
        return self.report

    def _compared(self) -> StockWork:
        """Return what is to be written of the batch's items."""
        work = StockWork()
        with ThreadPoolExecutor(1, thread_name_prefix="inventory") as pool:
            # Both servers are read at the same time.
            seeing = pool.submit(self.inventory.see)
            items = StockItems(self.erp, self.batch)
            warehouses = self._warehouses()
            # Those that a run reads for itself come all at once.
            for some in batched(items, self._at_once(items) if self.inventory.is_seen else max(items.number, 1)):
                self._compare({item.name: item for item in some}, items.parts, warehouses, work, seeing)
        return work

    @staticmethod
    def _at_once(items: StockItems) -> int:
        return even_size(items.number, ITEMS_PER_REQUEST)

    def _compare(
        self,
        items: Mapping[str, StockItem],
        parts: Sequence[StockItem],
        warehouses: Warehouses,
        work: StockWork,
        seeing: Future[None],
    ) -> None:
        """Add to `work` what is to be written of some of the batch's items, once the inventory items were seen."""
        with ThreadPoolExecutor(1, thread_name_prefix="bins") as pool:
            counting = pool.submit(self._on_hand, items, _places(parts), warehouses)
            seeing.result()
            seen = self._seen(items)
            items = self._bound(items, seen)
            skus = [item.item_code for item in items.values() if item.variant_id]
            self.report.count("waiting", len(items) - len(skus))
            pages = ahead(batched(seen or self._stocked(skus), ROWS_COMPARED))
            first = next(pages, [])
            quantities = counting.result()
        kits = self._kits(items, parts, quantities)
        on_hand = {name: places for name, places in quantities.on_hand.items() if name not in kits}
        work.add_flags(items, quantities, self._flags(items, quantities))
        current = self._looked_up_again(items, on_hand, chain([first], pages))
        found = InventoryReader(self, self.inventory).stocked(items, on_hand, current)
        levels = self._levels(found, on_hand, work.loss)
        work.levels += levels
        work.codes |= {level.name: items[level.name].item_code for level in levels}

    def _seen(self, items: Mapping[str, StockItem]) -> list[Row]:
        """Return the exported items' inventory items as the runs of this tick saw them."""
        skus = [item.item_code for item in items.values() if item.variant_id]
        return list(self.inventory.seen(skus)) if self.inventory.is_seen else []

    def _bound(self, items: Mapping[str, StockItem], seen: Iterable[Row]) -> dict[str, StockItem]:
        """Return the items, those with another one's ids without them.

        An item whose variant is stocked by the inventory item with its own code has its own: it is not asked about.
        """
        exported = {item.item_code: item for item in items.values() if item.variant_id}
        doubtful = {item.name for item in items.values() if item.variant_id}
        for row in seen:
            item = exported.get(row["sku"])
            if item and any(link["variant_id"] == item.variant_id for link in row.get("variant_link") or ()):
                doubtful.discard(item.name)
        foreign = self.foreign(doubtful) if doubtful else ()
        return {name: replace(item, variant_id="") if name in foreign else item for name, item in items.items()}

    def _stocked(self, skus: Sequence[str]) -> Iterable[Row]:
        """Return the inventory items with these skus, by a run that reads them for itself."""
        if not skus or self.inventory.is_seen:
            return ()
        return self.inventory.stocked(skus, self._number_in_shop(skus))

    def _looked_up_again(
        self,
        items: Mapping[str, StockItem],
        on_hand: Mapping[str, Places],
        pages: Iterable[Sequence[Row]],
    ) -> Iterator[Sequence[Row]]:
        """Yield the pages. Of what was seen, those whose levels are to be written are looked up again."""
        reader = InventoryReader(self, self.inventory)
        for rows in pages:
            if not self.inventory.is_seen or self.inventory.is_new:
                yield rows
                continue
            found = reader.found_by_sku(items, on_hand, [rows])
            skus = {items[one.name].item_code for one in found if self._plan_of(one, on_hand).write}
            yield [row for row in rows if row["sku"] not in skus]
            if skus:
                yield list(self.inventory.stocked(sorted(skus), 0))

    def _number_in_shop(self, skus: Sequence[str]) -> int:
        """Return about how many stocked variants the shop has: names spread evenly over the batches."""
        return len(skus) * (1 if self.batch.named else self.batch.count)

    def _kits(self, items: Mapping[str, StockItem], parts: Sequence[StockItem], quantities: Found) -> frozenset[str]:
        """Link bundles to their parts. Returns those whose stock in Medusa is not their own."""
        exported = [Bundle(items[name], of) for name, of in quantities.bundles.items() if items[name].variant_id]
        if not exported:
            return frozenset()
        try:
            return Kits(self, self.inventory, _variants(parts)).link(exported)
        except TransientError as error:
            self.medusa_breaker.failed(error)
            names = frozenset(bundle.item.name for bundle in exported)
            self.defer(names, error)
            return names

    def _complete_kits(self, new: set[str]) -> None:
        """Link bundles of other batches to these parts, which Medusa has only now: their own runs may be over.

        What fails waits for those runs' next night.
        """
        try:
            codes = bundles_with(self.erp, new)
            rows = self.erp.rows_in(WEBSITE_ITEM, ["name"], codes, key="item_code")
            names = frozenset(row["name"] for row in rows if not self.batch.contains(row["name"]))
            if names:
                items = StockItems(self.erp, replace(WHOLE_SHOP, items=names))
                bundles = read_bundles(self.erp, codes, self.erp.clock().date())
                exported = (one for one in items if one.variant_id)
                found = [Bundle(one, parts) for one in exported if has_stock(parts := bundles.get(one.item_code, []))]
                Kits(self, self.inventory, _variants(items.parts)).complete(found)
        except AccessError:
            raise
        except ApiError as error:
            log.warning("bundles of other batches are not linked to new parts tonight: %s", error)

    # --- quantities in ERPNext --------------------------------------------------------------------------------

    def _warehouses(self) -> Warehouses:
        try:
            return Warehouses(
                warehouse_rows(self.erp),
                self.locations.by_warehouse,
                self.locations.default,
                every_one=self.rule.quantity == "actual",
            )
        except KeyError as error:
            text = f"{LOCATIONS}: there is no Warehouse {error.args[0]}"
            raise PermanentError(self.erp.http.service, "Warehouse", text) from None

    def _on_hand(self, items: Mapping[str, StockItem], places: ByName[str], warehouses: Warehouses) -> Found:
        """Return what ERPNext knows of these items; those of unknown quantity are reported."""
        found = QuantityReader(self.erp, warehouses, self.rule).read(items, places)
        self.report.count("without_warehouse", found.without_warehouse)
        self.report.count("not_stocked", len(found.not_stocked))
        for name, warehouse in found.unknown_warehouses.items():
            self._reject_warehouse(name, warehouse)
        for name, reason in found.unsellable.items():
            text = f"the bundle cannot be sold: {reason}"
            self.reject(name, reason, text, "item_code", lies=Lies.ELSEWHERE, kind=BUNDLE)
        return found

    def _reject_warehouse(self, name: str, warehouse: str) -> None:
        text = f"there is no Warehouse {warehouse}"
        self.reject(name, warehouse, text, "website_warehouse", lies=Lies.ELSEWHERE, kind="warehouse")

    def _flags(self, items: Mapping[str, StockItem], quantities: Found) -> dict[str, int]:
        """Return changes of custom_in_stock by Website Item."""
        plan = plan_flags(items, quantities.on_hand, quantities.not_stocked)
        self.low_stock += plan.low
        self.report.count("low_stock", len(plan.low))
        return plan.changes

    # --- levels in Medusa ----------------------------------------------------------------------------------

    def _levels(self, found: Iterable[StockedItem], on_hand: Mapping[str, Places], loss: Loss) -> list[Level]:
        """Return the levels to write. Notes in `loss` what customers can buy, and of which nothing would be left."""
        levels: list[Level] = []
        unchanged = 0
        for one in found:
            name, plan = one.name, self._plan_of(one, on_hand)
            for what, number in plan.counts.items():
                self.report.count(what, number)
            unchanged += plan.counts["unchanged"]
            levels += plan.write
            if plan.before > 0:
                loss.had.add(name)
            elif plan.after > 0:
                loss.gained.add(name)
            if plan.sells_out:
                loss.lost[name] = name
        # The total is known only now.
        self.report.advance(unchanged)
        return levels

    def _plan_of(self, found: StockedItem, on_hand: Mapping[str, Places]) -> LevelPlan:
        places = self.locations
        return plan_levels(
            found.name,
            found.inventory_item_id,
            on_hand[found.name],
            found.levels,
            ours=places.used,
            no_longer_used=places.no_longer_used.keys(),
            not_sold_from=places.not_sold_from.keys(),
        )

    def _braked(self, work: StockWork) -> list[Level]:
        """Drop the levels and flags of items that sell out if those are too many."""
        loss = work.total_loss
        self.losses_stopped = self.guard.refusal(loss, self._loss_in_shop)
        if not self.losses_stopped:
            return work.levels
        for name in loss.lost:
            if work.flags.get(name) == 0:
                del work.flags[name]
        return [level for level in work.levels if not level.sells_out]

    # --- losses ---------------------------------------------------------------------------------------------

    def _loss_in_shop(self) -> Loss:
        """Count over all batches, with a report that is thrown away."""
        shop = replace(self, scope=whole_shop(self.scope), low_stock=[])
        work, warehouses = StockWork(), shop._warehouses()
        everything = StockItems(shop.erp, shop.batch)
        for some in batched(everything, self._at_once(everything)):
            items = {item.name: item for item in some}
            quantities = shop._on_hand(items, _places(everything.parts), warehouses)
            work.add_flags(items, quantities, shop._flags(items, quantities))
            skus = [item.item_code for item in some if item.variant_id]
            pages = batched(self.inventory.stocked(skus, everything.number), ROWS_COMPARED)
            found = InventoryReader(shop, self.inventory).found_by_sku(items, quantities.on_hand, pages)
            shop._levels(found, quantities.on_hand, work.loss)
        return work.total_loss

    def _write_flags(self, flags: Mapping[str, int]) -> None:
        if flags:
            changes = [(name, {"custom_in_stock": in_stock}) for name, in_stock in flags.items()]
            self.note_written(FLAGS, self.writer.write(WEBSITE_ITEM, changes))
