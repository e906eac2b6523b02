"""Item Prices become entries of Medusa price lists; the entries' ids are written back to the Item Prices.

Belongs here: the order of the work, and the brake. plan.py decides what must be done for an item.

New entries come first, then changed ones. Unwanted entries are removed last, and only where the new entries for their
days all exist: one that is refused, held or left for a retry replaces nothing. So an interrupted run leaves no item
without a price: at worst an old entry exists beside its successor until the next run. An old entry that is lower than
today's new one would be asked instead of it: it does not wait for an entry of other days.
"""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import ClassVar

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter
from erp_medusa_pipelines.clients.failures import ApiError, TransientError
from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices
from erp_medusa_pipelines.sync.engine.batch_sync import LOOK_UP, BatchSync
from erp_medusa_pipelines.sync.engine.brake import Guard, MassLossError
from erp_medusa_pipelines.sync.engine.quarantine import Lies
from erp_medusa_pipelines.sync.engine.report import SyncReport
from erp_medusa_pipelines.sync.engine.stages import Stage, ahead
from erp_medusa_pipelines.sync.engine.write_back import WriteBack
from erp_medusa_pipelines.sync.prices.amounts import AmountRule
from erp_medusa_pipelines.sync.prices.entries import Entries, read_entries
from erp_medusa_pipelines.sync.prices.item_prices import (
    DOCTYPE,
    ITEMS_PER_REQUEST,
    ItemPrices,
    PricedItem,
    priced_items,
    read_prices,
)
from erp_medusa_pipelines.sync.prices.lists import PriceLists
from erp_medusa_pipelines.sync.prices.losses import Losses, ShopPrices, without_hidden
from erp_medusa_pipelines.sync.prices.plan import Entry, IdChange, ItemPlan, plan_item
from erp_medusa_pipelines.sync.prices.removals import Removals
from erp_medusa_pipelines.sync.prices.sender import EntrySender
from erp_medusa_pipelines.sync.prices.windows import cut, left_over

log = logging.getLogger(__name__)

WRITE_BACK = WriteBack(
    DOCTYPE, "medusa_price_id", counted="ids_written", problem="the price is in Medusa, but its ids could not be kept"
)

ReadTogether = tuple[Sequence[PricedItem], Mapping[str, ItemPrices] | None]
"""Items whose prices were read in one request, and these by item_code; None when they could not be read."""


@dataclass(kw_only=True)
class PriceSync(BatchSync):
    """One run of the prices for one batch. Counts are entries, or lists."""

    doctype: ClassVar[str] = DOCTYPE

    writer: ErpNextWriter
    price_list: str
    prices: MedusaPrices
    lists: PriceLists
    rule: AmountRule
    guard: Guard
    entries_per_call: int = 500
    foreign: frozenset[str] = frozenset()
    """Website Items with another item's ids: they wait."""
    losses_stopped: MassLossError | None = None
    """Set by `run` when too many items would lose their only price: then everything else was done."""

    def run(self) -> SyncReport:
        """Sync the batch. Raises AccessError; any other failure goes into the report."""
        with ThreadPoolExecutor(1, thread_name_prefix="entries") as pool:
            # Both servers are read at the same time.
            loading = pool.submit(self.lists.load)
            everybody = list(priced_items(self.erp))
            items = [item for item in everybody if self.batch.contains(item.name)]
            exported = [item for item in items if item.variant_id and item.name not in self.foreign]
            own = {item.variant_id for item in exported}
            others = {item.variant_id for item in everybody if item.variant_id} - own
            # Medusa's answers about prices have only the ids of variants.
            self.medusa.name_documents({item.variant_id: item.item_code for item in exported})
            unpriced = partial(self._unpriced, everybody)
            reading = pool.submit(read_entries, self.prices, self.lists, self.batch, own, others, unpriced)
            windows = ahead(self._windows(exported))
            first = list(islice(windows, 1))
            loading.result()
            entries = reading.result()
        self.report.count("waiting", len(items) - len(exported))
        self.report.expect(len(exported))
        self._sync(chain(first, windows), entries)
        return self.report

    def _sync(self, windows: Iterator[ReadTogether], entries: Entries) -> None:
        writing = Stage("write-back", 1, waiting=4)

        def keep_ids(changes: Sequence[IdChange]) -> None:
            if changes:
                writing.submit(self._write_ids, changes)

        sender = EntrySender(
            self, self.prices, self.lists, entries.sizes, per_call=self.entries_per_call, keep_ids=keep_ids
        )
        losses = Losses()
        try:
            for items, prices in windows:
                # Send as soon as there is a full call.
                for some in batched(items, self.entries_per_call):
                    keep_ids([change for item in some for change in self._plan(item, prices, entries, sender, losses)])
                    sender.send_full_calls()
                    self.report.passed(len(some))
            sender.finish()
            self._remove(losses, entries, sender)
            writing.finish()
        finally:
            sender.close()
            writing.close()

    def _windows(self, items: Sequence[PricedItem]) -> Iterator[ReadTogether]:
        for some in batched(items, ITEMS_PER_REQUEST):
            unknown: list[PricedItem] = []

            def refuse(item: PricedItem, error: ApiError, unknown: list[PricedItem] = unknown) -> None:
                reason = f"the prices of {item.item_code} cannot be looked up: {error.reason}"
                self.withhold(item.name, "", reason, lies=Lies.ELSEWHERE, kind=LOOK_UP, doctype=WEBSITE_ITEM)
                unknown.append(item)

            def leave(items: Sequence[PricedItem], error: TransientError, unknown: list[PricedItem] = unknown) -> None:
                self.failed(error)
                for item in items:
                    self.report.defer(WEBSITE_ITEM, item.name, error)
                unknown += items

            if self.outage is None:
                yield from self.looked_up(some, self._read_prices, lambda item: item.name, refuse=refuse, leave=leave)
            else:
                leave(some, self.outage)
            # Their entries in Medusa stay unchanged.
            if unknown:
                yield unknown, None

    def _unpriced(self, everybody: Sequence[PricedItem], variants: Collection[str]) -> set[str]:
        """Return those of other batches' variants for which ERPNext has no price, now or later."""
        items = [item for item in everybody if item.variant_id in variants]
        try:
            prices = self._read_prices(items) if items else {}
        except ApiError as error:
            log.warning("%d items that moved to other batches keep their prices: %s", len(items), error.reason)
            return set()
        rows = {item.variant_id: prices[item.item_code].rows for item in items}
        return {variant_id for variant_id, each in rows.items() if not left_over(cut(each), self.lists.today)}

    def _read_prices(self, items: Sequence[PricedItem]) -> Mapping[str, ItemPrices]:
        return read_prices(self.erp, self.price_list, items)

    def _plan(
        self,
        item: PricedItem,
        prices: Mapping[str, ItemPrices] | None,
        entries: Entries,
        sender: EntrySender,
        losses: Losses,
    ) -> list[IdChange]:
        """Queue what must be done for an item. Returns the ids that can be written without a call to Medusa."""
        there, replaced = entries.by_variant.pop(item.variant_id, []), entries.replaced.pop(item.variant_id, [])
        if prices is None:
            return []
        wanted = prices.get(item.item_code, ItemPrices())
        plan = plan_item(item, wanted, there, rule=self.rule, today=self.lists.today, is_live=self.lists.is_live_window)
        self._note(plan, item.item_code)
        sender.add(plan)
        losses.add(plan, item.item_code, replaced)
        return plan.ids

    def _note(self, plan: ItemPlan, item_code: str) -> None:
        self.report.count("found", plan.found)
        self.report.count("unchanged", plan.unchanged)
        self.report.advance(plan.unchanged)
        for refused in plan.refused:
            # Judged anew by every run: the store's currencies and the settings decide too.
            # The name of an Item Price says nothing to anybody.
            reason = f"{item_code} in {self.price_list}: {refused.reason}"
            self.reject(refused.name, reason, reason, refused.field, lies=Lies.ELSEWHERE)

    def _remove(self, losses: Losses, entries: Entries, sender: EntrySender) -> None:
        losses.add_unwanted(entries)
        kept = self._too_many(losses)
        removals = Removals(self, self.prices, self.lists, self.price_list)

        def going(found: Mapping[str | None, Sequence[Entry]]) -> Iterator[Entry]:
            for variant_id, stale in found.items():
                if variant_id not in kept:
                    today = losses.today.get(variant_id)
                    yield from (one for one in stale if not variant_id or sender.is_replaced(variant_id, one, today))

        removals.remove(going(losses.stale))
        removals.delete_empty_lists(entries.sizes)
        if not (self.report.leftovers or self.batch.items):
            removals.retire_replaced(going(losses.replaced), entries.sizes)

    def _too_many(self, losses: Losses) -> Collection[str | None]:
        """Return the variants that keep their entries because too many items would lose their only price."""
        shop = ShopPrices(self.erp, self.medusa, self.price_list, self.prices, self.lists, self.rule)
        self.losses_stopped = self.guard.refusal(without_hidden(losses.loss, self.medusa), shop.loss)
        return losses.loss.lost.keys() if self.losses_stopped else ()

    # --- ids back to ERPNext ----------------------------------------------------------------------------------

    def _write_ids(self, changes: Sequence[IdChange]) -> None:
        outcome = self.writer.write(DOCTYPE, [(change.name, change.values) for change in changes])
        self.note_written(WRITE_BACK, outcome)
