"""Stock of Website Items becomes Medusa's inventory levels and the in-stock flag of the Website Item.

Belongs here: the order of the work, and the brake against emptying a shop. plan.py decides what must be done for an
item.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import ClassVar

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter
from erp_medusa_pipelines.clients.failures import PermanentError, TransientError
from erp_medusa_pipelines.clients.medusa_inventory import MedusaInventory
from erp_medusa_pipelines.settings import variable_name
from erp_medusa_pipelines.sync.engine.batch_sync import BatchSync
from erp_medusa_pipelines.sync.engine.batches import WHOLE_SHOP
from erp_medusa_pipelines.sync.engine.brake import Counted, MassLossError, refuse_mass_loss
from erp_medusa_pipelines.sync.engine.quarantine import Lies, Quarantine
from erp_medusa_pipelines.sync.engine.report import SyncReport
from erp_medusa_pipelines.sync.engine.stages import Stage, ahead
from erp_medusa_pipelines.sync.engine.write_back import WriteBack
from erp_medusa_pipelines.sync.stock.inventory import InventoryReader, StockedItem
from erp_medusa_pipelines.sync.stock.items import StockItem, stock_items, warehouse_rows
from erp_medusa_pipelines.sync.stock.kits import Bundle, Kits
from erp_medusa_pipelines.sync.stock.locations import StockLocations
from erp_medusa_pipelines.sync.stock.on_hand import Places
from erp_medusa_pipelines.sync.stock.plan import Level, LowStock, plan_flags, plan_levels
from erp_medusa_pipelines.sync.stock.quantities import Found, QuantityReader, StockRule
from erp_medusa_pipelines.sync.stock.sender import LevelSender
from erp_medusa_pipelines.sync.stock.warehouses import Warehouses

ROWS_COMPARED = 500
"""Inventory items compared while the next ones are fetched."""

BUNDLE = "bundle"
ALLOW = "allow_zero: true"
LOCATIONS = variable_name("warehouse_stock_locations")
FLAGS = WriteBack(WEBSITE_ITEM, "custom_in_stock", counted="flags_written", problem="flag not written")


@dataclass(kw_only=True)
class StockSync(BatchSync):
    """One run of the stock for one batch. Counts are levels."""

    doctype: ClassVar[str] = WEBSITE_ITEM

    writer: ErpNextWriter
    inventory: MedusaInventory
    locations: StockLocations
    rule: StockRule = field(default_factory=StockRule)
    zero_percent: int = 50
    allow_zero: bool = False
    levels_per_call: int = 1000
    foreign: frozenset[str] = frozenset()
    """Website Items with another item's ids: they wait."""
    low_stock: list[LowStock] = field(default_factory=list)
    _losses_stopped: MassLossError | None = None

    def run(self) -> SyncReport:
        """Sync the batch. Raises MassLossError, AccessError, and PermanentError for wrong settings.

        If too many levels would drop to zero, the others are written before MassLossError is raised.
        """
        items, variants = self._read_items()
        skus = [item.item_code for item in items.values() if item.variant_id]
        self.report.count("waiting", len(items) - len(skus))
        with ThreadPoolExecutor(1, thread_name_prefix="bins") as pool:
            counting = pool.submit(self._on_hand, items)
            pages = ahead(batched(self.inventory.stocked(skus, len(variants)) if skus else (), ROWS_COMPARED))
            first = next(pages, [])
            quantities = counting.result()
        kits = self._kits(items, variants, quantities)
        on_hand = {name: places for name, places in quantities.on_hand.items() if name not in kits}
        flags = self._flags(items, quantities)
        found = InventoryReader(self, self.inventory).stocked(items, on_hand, chain([first], pages))
        levels = self._braked(*self._levels(found, on_hand), flags)
        sender, sending = LevelSender(self, self.inventory), Stage("levels", self.options.parallel)
        try:
            for some in batched(levels, self.levels_per_call):
                sending.submit(sender.send, some)
            self._write_flags(flags)
            sending.finish()
        finally:
            sending.close()
        if self._losses_stopped:
            raise self._losses_stopped
        return self.report

    def _read_items(self) -> tuple[dict[str, StockItem], dict[str, str]]:
        """Return the batch's Website Items by name, and the whole shop's variants of stocked Items by item code."""
        items: dict[str, StockItem] = {}
        variants: dict[str, str] = {}
        for item in stock_items(self.erp):
            if item.variant_id and item.is_stocked:
                variants[item.item_code] = item.variant_id
            if item.item_code and self.batch.contains(item.name):
                items[item.name] = replace(item, variant_id="") if item.name in self.foreign else item
        return items, variants

    def _kits(self, items: Mapping[str, StockItem], variants: Mapping[str, str], quantities: Found) -> frozenset[str]:
        """Link bundles to their parts. Returns those whose stock in Medusa is not their own."""
        exported = {name: parts for name, parts in quantities.bundles.items() if items[name].variant_id}
        bundles = [Bundle(items[name], parts) for name, parts in exported.items()]
        try:
            return Kits(self, self.inventory, variants).link(bundles)
        except TransientError as error:
            self.medusa_breaker.failed(error)
            self.defer(exported, error)
            return frozenset(exported)

    # --- quantities in ERPNext --------------------------------------------------------------------------------

    def _on_hand(self, items: Mapping[str, StockItem]) -> Found:
        """Return what ERPNext knows of these items; those of unknown quantity are reported."""
        try:
            warehouses = Warehouses(
                warehouse_rows(self.erp),
                self.locations.by_warehouse,
                self.locations.default,
                every_one=self.rule.quantity == "actual",
            )
        except KeyError as error:
            text = f"{LOCATIONS}: there is no Warehouse {error.args[0]}"
            raise PermanentError(self.erp.http.service, "Warehouse", text) from None
        found = QuantityReader(self.erp, warehouses, self.rule).read(items)
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
        """Return changes of custom_in_stock by Website Item. Raises MassLossError when ERPNext has no Bin at all."""
        plan = plan_flags(items, quantities.on_hand, quantities.not_stocked)
        self.low_stock += plan.low
        self.report.count("low_stock", len(plan.low))
        if not (quantities.has_bins or self.allow_zero):
            lost = sum(not in_stock for in_stock in plan.changes.values())
            of = sum(item.in_stock for item in items.values())
            refuse_mass_loss(
                (lost, of),
                self._flags_in_shop,
                percent=self.zero_percent,
                what="items would be marked out of stock, and ERPNext returned no Bin at all",
                allow=ALLOW,
            )
        return plan.changes

    # --- levels in Medusa ----------------------------------------------------------------------------------

    def _levels(self, found: Iterable[StockedItem], on_hand: Mapping[str, Places]) -> tuple[list[Level], int]:
        """Return the levels to write, and how many levels of the batch are above zero now."""
        ours, no_longer_used = self.locations.used, self.locations.no_longer_used.keys()
        levels: list[Level] = []
        positive = unchanged = 0
        for name, item_id, stocked in found:
            plan = plan_levels(name, item_id, on_hand[name], stocked, ours=ours, no_longer_used=no_longer_used)
            for what, number in plan.counts.items():
                self.report.count(what, number)
            unchanged += plan.counts["unchanged"]
            positive += plan.positive
            levels += plan.write
        # The total is known only now.
        self.report.advance(unchanged)
        return levels, positive

    def _braked(self, levels: Sequence[Level], positive: int, flags: dict[str, int]) -> list[Level]:
        """Drop the levels and flags of items that sell out if those are too many."""
        selling_out = [level for level in levels if level.sells_out]
        try:
            if not self.allow_zero:
                refuse_mass_loss(
                    (len(selling_out), positive),
                    self._sold_out_in_shop,
                    percent=self.zero_percent,
                    what="stock levels above zero would drop to zero",
                    allow=ALLOW,
                )
        except MassLossError as error:
            self._losses_stopped = error
            levels = [level for level in levels if not level.sells_out]
            for name in {level.name for level in selling_out if flags.get(level.name) == 0}:
                del flags[name]
        return list(levels)

    # --- losses of the whole shop ---------------------------------------------------------------------------

    def _whole_shop(self) -> "StockSync":
        """Count losses over all batches, with a report that is thrown away."""
        scope = replace(self.scope, batch=WHOLE_SHOP, quarantine=Quarantine(), report=SyncReport())
        return replace(self, scope=scope, foreign=frozenset(), low_stock=[])

    def _flags_in_shop(self) -> Counted:
        shop = self._whole_shop()
        items, _variants = shop._read_items()
        quantities = shop._on_hand(items)
        changes = plan_flags(items, quantities.on_hand, quantities.not_stocked).changes
        return sum(not in_stock for in_stock in changes.values()), sum(item.in_stock for item in items.values())

    def _sold_out_in_shop(self) -> Counted:
        shop = self._whole_shop()
        items, variants = shop._read_items()
        on_hand = shop._on_hand(items).on_hand
        skus = [item.item_code for item in items.values() if item.variant_id]
        pages = batched(self.inventory.stocked(skus, len(variants)), ROWS_COMPARED)
        found = InventoryReader(shop, self.inventory).found_by_sku(items, on_hand, pages)
        levels, positive = shop._levels(found, on_hand)
        return sum(level.sells_out for level in levels), positive

    def _write_flags(self, flags: Mapping[str, int]) -> None:
        if flags:
            changes = [(name, {"custom_in_stock": in_stock}) for name, in_stock in flags.items()]
            self.note_written(FLAGS, self.writer.write(WEBSITE_ITEM, changes))
