"""Item Prices become entries of Medusa price lists; the entries' ids are written back to the Item Prices.

The order of the work, and the brake. plan.py decides what must be done for an item.

New entries come first, then changed ones. Unwanted entries are removed last, and only where the new entries for their
days all exist: one that is refused, held or left for a retry replaces nothing. So an interrupted run leaves no item
without a price: at worst an old entry exists beside its successor until the next run. An old entry that is lower than
today's new one would be asked instead of it: it does not wait for an entry of other days.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import chain, islice
from typing import ClassVar, NamedTuple

from erp_medusa_pipelines.clients.batched import batched, even_size
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter
from erp_medusa_pipelines.clients.failures import ApiError, TransientError
from erp_medusa_pipelines.clients.medusa import PriceEntry
from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices
from erp_medusa_pipelines.sync.engine.batch_sync import LOOK_UP, BatchSync
from erp_medusa_pipelines.sync.engine.brake import Guard, Loss, MassLossError
from erp_medusa_pipelines.sync.engine.names import folded
from erp_medusa_pipelines.sync.engine.quarantine import Lies
from erp_medusa_pipelines.sync.engine.report import SyncReport, WriteBack
from erp_medusa_pipelines.sync.engine.stages import Stage, ahead
from erp_medusa_pipelines.sync.prices.amounts import AmountRule
from erp_medusa_pipelines.sync.prices.books import Book
from erp_medusa_pipelines.sync.prices.entries import Entries, read_entries
from erp_medusa_pipelines.sync.prices.item_prices import (
    DOCTYPE,
    ITEMS_PER_REQUEST,
    ItemPrices,
    PricedItem,
    PricedItems,
    PricesByCode,
    items_of_variants,
    read_price_lists,
)
from erp_medusa_pipelines.sync.prices.lists import PriceLists
from erp_medusa_pipelines.sync.prices.losses import (
    Losses,
    Party,
    ShopPrices,
    asked,
    parties_of,
    rows_of_book,
    stopped_parties,
    without_hidden,
)
from erp_medusa_pipelines.sync.prices.offers import Offers, offers_of
from erp_medusa_pipelines.sync.prices.own_prices import (
    OwnByCode,
    all_together,
    offers_to,
    read_own_prices,
    with_everybodys,
)
from erp_medusa_pipelines.sync.prices.plan import Entry, IdChange, ItemPlan, plan_item
from erp_medusa_pipelines.sync.prices.pricing_rules import DOCTYPE as PRICING_RULE
from erp_medusa_pipelines.sync.prices.pricing_rules import PricingRules, Subject
from erp_medusa_pipelines.sync.prices.removals import Removals
from erp_medusa_pipelines.sync.prices.sender import EntrySender
from erp_medusa_pipelines.sync.prices.windows import cut, left_over

log = logging.getLogger(__name__)

WRITE_BACK = WriteBack(
    DOCTYPE, "medusa_price_id", counted="ids_written", problem="the price is in Medusa, but its ids could not be kept"
)


class Prices(NamedTuple):
    """The prices of some items: everybody's by folded Price List, and those of one Customer."""

    by_list: Mapping[str, PricesByCode]
    own: OwnByCode


ReadTogether = tuple[Sequence[PricedItem], Prices | None]
"""Items whose prices were read together; None when they could not be read."""


@dataclass
class BookWork:
    """What one run does for one book."""

    lists: PriceLists
    entries: Entries
    sender: EntrySender
    keeps_ids: bool
    """Whether the Item Prices get the ids of this book's entries: one book of each Price List, and that of OWN."""
    losses: Losses

    @property
    def book(self) -> Book:
        """The book."""
        return self.lists.book


@dataclass(kw_only=True)
class PriceSync(BatchSync):
    """One run of the prices for one batch. Counts are entries, or lists.

    `lists` are of everybody's book of the shop's Price List, `more` those of the others.
    """

    doctype: ClassVar[str] = DOCTYPE

    writer: ErpNextWriter
    prices: MedusaPrices
    lists: PriceLists
    more: Sequence[PriceLists] = ()
    rule: AmountRule
    guard: Guard
    guard_of_more: Guard
    """Of the other books' prices."""
    entries_per_call: int = 500
    foreign: frozenset[str] = frozenset()
    """Website Items with another item's ids: they wait."""
    rules: PricingRules = field(default_factory=PricingRules)
    """ERPNext's Pricing Rules, where the shop applies them."""
    packs: bool = False
    """Whether Item Prices for packs count from as many pieces on."""
    customer_groups: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Of each Customer Group with a book of its own: folded names of itself and of all above."""
    _told: set[tuple[str, ...]] = field(default_factory=set)
    losses_stopped: MassLossError | None = None
    """Set by `run` when too many items would lose their only price: then everything else was done."""

    @property
    def every_book(self) -> list[PriceLists]:
        """Return the lists of all books."""
        return [self.lists, *self.more]

    def run(self) -> SyncReport:
        """Sync the batch. Raises AccessError; any other failure goes into the report."""
        losses = [Losses(lists.book) for lists in self.every_book]
        exported = 0
        with ExitStack() as files:
            with ThreadPoolExecutor(1, thread_name_prefix="entries") as pool:
                # Both servers are read at the same time.
                loading = [pool.submit(lists.load) for lists in self.every_book]
                items = PricedItems(self.erp, self.batch)
                own: set[str] = set()
                for item in items:
                    if self._is_bound(item):
                        exported += 1
                        own.add(item.variant_id)
                    else:
                        self.report.count("waiting")
                self.report.expect(exported)
                for loaded in loading:
                    loaded.result()
                # What is listed again after half an hour may have others, whose entries were not read.
                wanted: Iterable[PricedItem] = (one for one in items if self._is_bound(one) and one.variant_id in own)
                # Of two items with one variant the first has its entries: they are compared in their order.
                if len(own) < exported or not self._was_read_in_tick():
                    self.erp.http.forget(self._together)
                    read = partial(self._read_prices, of_tick=True)
                else:
                    read = self._read_prices
                    wanted, is_quiet = self._not_known_equal(wanted, exported, own, losses)
                    if is_quiet:
                        return self.report
                    exported = len(wanted)
                reading = [pool.submit(self._entries, files, lists, own) for lists in self.every_book]
                windows = ahead(self._windows(wanted, exported, read))
                first = list(islice(windows, 1))
                entries = [each.result() for each in reading]
            self._sync(chain(first, windows), entries, losses)
        return self.report

    def _is_bound(self, item: PricedItem) -> bool:
        return bool(item.variant_id) and item.name not in self.foreign

    def _entries(self, files: ExitStack, lists: PriceLists, own: Set[str], *, seen: bool = False) -> Entries:
        unpriced = partial(self._unpriced, lists.book)
        of_others = self._of_other_batches
        return read_entries(
            files, self.erp.reading, self.prices, lists, self.batch, own, of_others, unpriced, seen=seen
        )

    # --- what needs no work -------------------------------------------------------------------------------------

    def _was_read_in_tick(self) -> bool:
        """Return whether another run of this tick has read the batch's prices. Where there are none, none is equal."""
        return (
            not self.batch.named
            and any(lists.of_batch(self.batch) for lists in self.every_book)
            and all(
                not lists.replaced and self.prices.all_seen(kept.id for kept in lists.of_batch(self.batch))
                for lists in self.every_book
            )
        )

    def _not_known_equal(
        self, items: Iterable[PricedItem], number: int, own: Set[str], losses: Sequence[Losses]
    ) -> tuple[list[PricedItem], bool]:
        """Return the items that may differ by what this tick's runs have read, and whether all else is as it must be.

        The others are counted. What differs is read again before anything is written.
        """
        doubtful: list[PricedItem] = []
        with ExitStack() as files:
            entries = [self._entries(files, lists, own, seen=True) for lists in self.every_book]
            is_tidy = not any(
                each.unwanted or not all(each.sizes[kept.id] for kept in lists.of_batch(self.batch))
                for lists, each in zip(self.every_book, entries, strict=True)
            )
            works = list(self._works(entries, losses, lambda _changes: None))
            for work in works:
                work.sender.close()
            for some in batched(items, even_size(number, ITEMS_PER_REQUEST)):
                try:
                    prices = self._read_prices(some, of_tick=True)
                except ApiError:
                    # It is reported when it is read again.
                    doubtful += some
                    continue
                for part in batched(some, self.entries_per_call):
                    doubtful += self._doubtful(part, prices, works)
        return doubtful, is_tidy and not doubtful

    def _doubtful(self, items: Sequence[PricedItem], prices: Prices, works: Sequence[BookWork]) -> list[PricedItem]:
        taken = [work.entries.take([item.variant_id for item in items]) for work in works]
        found: list[PricedItem] = []
        for item in items:
            plans = [
                self._plan_of(item, prices, entries[item.variant_id], work)
                for work, (entries, _) in zip(works, taken, strict=True)
            ]
            if any(plan.create or plan.change or plan.stale or plan.ids or plan.refused for plan in plans):
                found.append(item)
                continue
            for plan, work in zip(plans, works, strict=True):
                self._note(plan, item.item_code, work.book)
                work.losses.add(plan, item.item_code, [])
        self.report.passed(len(items) - len(found))
        return found

    def _sync(self, windows: Iterator[ReadTogether], entries: Sequence[Entries], losses: Sequence[Losses]) -> None:
        writing = Stage("write-back", 1, waiting=4)

        def keep_ids(changes: Sequence[IdChange]) -> None:
            if changes:
                writing.submit(self._write_ids, changes)

        works = list(self._works(entries, losses, keep_ids))
        try:
            for items, prices in windows:
                # Send as soon as there is a full call.
                for some in batched(items, self.entries_per_call):
                    for work in works:
                        keep_ids(self._plan(some, prices, work))
                        work.sender.send_full_calls()
                    self.report.passed(len(some))
            for work in works:
                work.sender.finish()
            self._remove(works)
            writing.finish()
        finally:
            for work in works:
                work.sender.close()
            writing.close()

    def _works(
        self, entries: Sequence[Entries], losses: Sequence[Losses], keep_ids: Callable[[Sequence[IdChange]], None]
    ) -> Iterator[BookWork]:
        with_ids: set[str] = set()
        for lists, there, lost in zip(self.every_book, entries, losses, strict=True):
            sender = EntrySender(
                self,
                self.prices,
                lists,
                there.sizes,
                per_call=self.entries_per_call,
                keep_ids=keep_ids,
                kind=self._kind(lists.book),
            )
            name = folded(lists.book.price_list)
            is_first = lists.book.is_own or name not in with_ids
            yield BookWork(lists, there, sender, keeps_ids=is_first and not lists.book.is_sale, losses=lost)
            with_ids.add(name)

    @staticmethod
    def _kind(book: Book) -> str:
        """Return what tells apart the holds of one Item Price in several books; everybody's have none."""
        return f"{book.whom}{' sale' if book.is_sale else ''}"

    def _windows(
        self, items: Iterable[PricedItem], number: int, read: Callable[[Sequence[PricedItem]], Prices]
    ) -> Iterator[ReadTogether]:
        for some in batched(items, even_size(number, ITEMS_PER_REQUEST)):
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
                yield from self.looked_up(some, read, lambda item: item.name, refuse=refuse, leave=leave)
            else:
                leave(some, self.outage)
            # Their entries in Medusa stay unchanged.
            if unknown:
                yield unknown, None

    def _of_other_batches(self, variants: Collection[str]) -> set[str]:
        """Return those of these variants that are another batch's."""
        items = items_of_variants(self.erp, variants)
        return {item.variant_id for item in items if not self.batch.contains(item.name)}

    def _unpriced(self, book: Book, variants: Collection[str]) -> set[str]:
        """Return those of other batches' variants for which a book has no price, now or later."""
        try:
            items = list(items_of_variants(self.erp, variants))
            rows = list(rows_of_book(self.erp, book, items)) if items else []
        except ApiError as error:
            log.warning("%d items that moved to other batches keep their prices: %s", len(variants), error.reason)
            return set()
        today = self.lists.today
        priced = {item.item_code for item, _, some in rows if left_over(cut(some.rows), today)}
        return {item.variant_id for item in items if item.item_code not in priced}

    @property
    def _together(self) -> str:
        """What the runs of a tick that work on this batch are answered together."""
        return f"prices of {self.batch.label}"

    def _read_prices(self, items: Sequence[PricedItem], *, of_tick: bool = False) -> Prices:
        """Return the prices of these items, with `of_tick` as its first run sees them."""
        # Two books may be of the same Price List.
        names = {folded(lists.book.price_list): lists.book.price_list for lists in reversed(self.every_book)}
        owners = {name: owner for lists in self.more for name, owner in lists.book.owners.items()}
        names |= {folded(owner.price_list): owner.price_list for owner in owners.values()}

        def read() -> Prices:
            found = read_price_lists(self.erp, list(names.values()), items)
            by_list = {folded(name): prices for name, prices in found.items()}
            has_own = any(lists.book.is_own for lists in self.more)
            return Prices(by_list, read_own_prices(self.erp, owners, items) if has_own else {})

        return self.erp.http.seen(self._together, read) if of_tick else read()

    def _plan(self, items: Sequence[PricedItem], prices: Prices | None, work: BookWork) -> list[IdChange]:
        """Queue what must be done for some items. Returns the ids that can be written without a call to Medusa."""
        entries, replaced = work.entries.take([item.variant_id for item in items])
        if prices is None:
            return []
        ids: list[IdChange] = []
        for item in items:
            # Of two items with one variant the first has its entries.
            there, old = entries.pop(item.variant_id, []), replaced.pop(item.variant_id, [])
            plan = self._plan_of(item, prices, there, work)
            self._note(plan, item.item_code, work.book)
            if plan.create or plan.change or plan.stale or old:
                # Medusa's answers about prices have only the ids of variants.
                self.medusa.name_documents({item.variant_id: item.item_code})
                self._tell_prices(item.variant_id, there if plan.change else ())
            work.sender.add(plan)
            work.losses.add(plan, item.item_code, old)
            ids += plan.ids
        return ids

    def _plan_of(self, item: PricedItem, prices: Prices, there: Sequence[Entry], work: BookWork) -> ItemPlan:
        book = work.book
        if book.is_own:
            wanted, offers = self._own_offers(item, prices, book)
        else:
            wanted = prices.by_list[folded(book.price_list)].get(item.item_code, ItemPrices())
            offers = self._offers(item, wanted, book.price_list, book.customer_group)
        return plan_item(
            item,
            wanted,
            there,
            rule=self.rule,
            today=work.lists.today,
            is_live=work.lists.is_live_window,
            keeps_ids=work.keeps_ids,
            segments=offers.sales if book.is_sale else offers.prices,
        )

    def _own_offers(self, item: PricedItem, prices: Prices, book: Book) -> tuple[ItemPrices, Offers]:
        """Return the rows of all Customers with prices of their own for an item, and what each of them is asked."""
        of_item = prices.own.get(item.item_code, {})
        found = Offers()
        for name, own in of_item.items():
            owner = book.owners.get(name)
            if owner is None or not (own.rows or own.packs):
                continue
            everybodys = prices.by_list[folded(owner.price_list)].get(item.item_code, ItemPrices())
            offers = self._offers(item, with_everybodys(own, everybodys), owner.price_list, owner.customer_group)
            found.add(offers_to(owner, offers))
        return all_together(of_item), found

    def _offers(self, item: PricedItem, prices: ItemPrices, price_list: str, customer_group: str) -> Offers:
        """Return what ERPNext asks of these customers; rules that it does not decide between are reported, once."""
        subject = Subject(
            item.item_code,
            item.template,
            self.rules.above(item.item_group) if self.rules.rules else (),
            item.brand,
            item.stock_uom,
            price_list,
            "",
            self.customer_groups.get(folded(customer_group), ()) if customer_group else (),
        )
        found = offers_of(prices.rows, prices.packs if self.packs else (), self.rules, subject, self.lists.today)
        for names, problem in found.problems.items():
            if names not in self._told:
                self._told.add(names)
                reason = f"{item.item_code} and maybe others are asked their Item Price: {problem}"
                self.withhold(names[0], "", reason, lies=Lies.ELSEWHERE, doctype=PRICING_RULE)
        return found

    def _note(self, plan: ItemPlan, item_code: str, book: Book) -> None:
        self.report.count("found", plan.found)
        self.report.count("unchanged", plan.unchanged)
        self.report.advance(plan.unchanged)
        for refused in plan.refused:
            # Judged anew by every run: the store's currencies and the settings decide too.
            # The name of an Item Price says nothing to anybody.
            reason = f"{item_code} in {book}: {refused.reason}"
            kind = self._kind(book)
            self.reject(refused.name, reason, reason, refused.field, lies=Lies.ELSEWHERE, kind=kind)

    def _remove(self, works: Sequence[BookWork]) -> None:
        for work in works:
            work.losses.add_unwanted(work.entries)
        main, *others = works
        (loss,) = without_hidden([main.losses.by_group[""]], self.medusa)
        stopped = self.guard.refusal(loss, lambda: self._whole_shop(main).get("", Loss()))
        # A sale that ends takes no price away.
        kept, stopped_more = self._too_many([work for work in others if not work.book.is_sale])
        self.losses_stopped = stopped or stopped_more
        for work in works:
            groups = (
                [""] if work is main and stopped else [party.group for party in kept if party.book == work.book.key]
            )
            self._remove_of(work, {group: work.losses.by_group[group].lost for group in groups})

    def _remove_of(self, work: BookWork, kept: Mapping[str, Collection[str]]) -> None:
        """Remove what must go. `kept` are variants whose entries stay, by the group that is asked them."""
        losses, removals = work.losses, Removals(self, self.prices, work.lists)

        def going(found: Mapping[str | None, Sequence[Entry]]) -> Iterator[Entry]:
            for variant_id, stale in found.items():
                today = losses.today.get(variant_id, [])
                gone: list[Entry] = []
                for one in stale:
                    stays = variant_id in kept.get(asked(one, work.book), ())
                    if not stays and (not variant_id or work.sender.is_replaced(variant_id, one, today)):
                        gone.append(one)
                self._tell_prices(variant_id or "", gone)
                yield from gone

        removals.remove(going(losses.stale))
        removals.delete_empty_lists(work.entries.sizes)
        if not (self.report.leftovers or self.batch.items):
            removals.retire_replaced(going(losses.replaced), work.entries.sizes)

    def _tell_prices(self, variant_id: str, entries: Iterable[Entry]) -> None:
        self.medusa.tell_prices(
            {one.id: PriceEntry(variant_id, float(one.amount), one.currency, one.tier.group) for one in entries}
        )

    def _too_many(self, works: Sequence[BookWork]) -> tuple[Collection[Party], MassLossError | None]:
        """Return which customers would lose too many prices that only they are asked, and why these stay."""
        if not works:
            return (), None
        found = {party: work.losses.by_group[party.group] for work in works for party in parties_of(work.book)}
        visible = dict(zip(found, without_hidden([*found.values()], self.medusa), strict=True))
        of_books = {work.book.key: cache(partial(self._whole_shop, work)) for work in works}

        def in_shop(party: Party) -> Loss:
            return of_books[party.book]().get(party.group, Loss())

        return stopped_parties(self.guard_of_more, visible, in_shop)

    def _whole_shop(self, work: BookWork) -> dict[str, Loss]:
        shop = ShopPrices(self.erp, self.medusa, self.prices, work.lists, self.rule, self.packs)
        return shop.losses()

    # --- ids back to ERPNext ----------------------------------------------------------------------------------

    def _write_ids(self, changes: Sequence[IdChange]) -> None:
        outcome = self.writer.write(DOCTYPE, [(change.name, change.values) for change in changes])
        self.note_written(WRITE_BACK, outcome)
