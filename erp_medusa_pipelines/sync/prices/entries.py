"""Item Prices become entries of Medusa price lists; the entries' ids are written back to the Item Prices.

Belongs here: comparing what Medusa holds with what should be there, and the order of writing. Which row is in force
when is in windows.py, the lists themselves in lists.py.

New entries come first, then changed ones, and what is no longer wanted goes last and only for variants whose new
entries are all there. So a run that breaks off leaves no item without a price: at worst an old entry stands beside its
successor until the next run.
"""

import logging
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from itertools import chain, islice
from typing import Any, ClassVar

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter
from erp_medusa_pipelines.clients.failures import PermanentError, TransientError
from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices, decimal_of, entry_variant, number_of
from erp_medusa_pipelines.sync.engine.batch_sync import BatchSync, named_by_index
from erp_medusa_pipelines.sync.engine.brake import refuse_mass_loss
from erp_medusa_pipelines.sync.engine.delivery import Resolution
from erp_medusa_pipelines.sync.engine.quarantine import Held
from erp_medusa_pipelines.sync.engine.report import Reject, SyncReport
from erp_medusa_pipelines.sync.engine.stages import Stage, ahead
from erp_medusa_pipelines.sync.prices.amounts import AmountRule, PriceRefusedError, amount_of
from erp_medusa_pipelines.sync.prices.item_prices import (
    DOCTYPE,
    ITEMS_PER_REQUEST,
    ItemPrices,
    PricedItem,
    priced_items,
    read_prices,
)
from erp_medusa_pipelines.sync.prices.lists import PriceLists, batch_label
from erp_medusa_pipelines.sync.prices.windows import Window, cut, left_over

log = logging.getLogger(__name__)

DELETES_PER_CALL = 100
"""Medusa takes about 10 ms for each, in which it answers nobody else."""

LISTS_READ_AT_ONCE = 10
"""Lists whose entries are read in one request: 5,000 entries, in 1.2 MB, keep Medusa busy for 0.8 seconds."""

IdChange = tuple[str, str, dict[str, str]]
"""(Item Price, fingerprint, {field: id})."""

_VARIANT_ID = re.compile(r"variant_[0-9A-Z]{26}")


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as Medusa holds it. `window` is None when it must not stay where it is."""

    id: str
    list_id: str
    window: Window | None
    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Wanted:
    """An entry to create (no `entry_id`) or to change. `name` is the Item Price."""

    name: str
    fingerprint: str
    variant_id: str
    currency: str
    amount: Decimal
    stands_for_row: bool
    """Whether the Item Price gets this entry's id: a row in force twice has it of the earlier entry."""
    ids_fingerprint: str
    clear: bool
    """Whether the Item Price still has a medusa_id, which must not stay."""
    entry_id: str = ""

    @property
    def body(self) -> dict[str, Any]:
        """Its part of the call."""
        common = {"variant_id": self.variant_id, "amount": number_of(self.amount)}
        return {"id": self.entry_id, **common} if self.entry_id else {**common, "currency_code": self.currency.lower()}


@dataclass(slots=True)
class Target:
    """Where a chunk of new entries goes: a list that has room, or (no id yet) one that its first call makes."""

    window: Window
    list_id: str | None
    part: int = 0


@dataclass(kw_only=True)
class PriceSync(BatchSync):
    """One run of the prices for one batch. Counts are entries, or lists."""

    doctype: ClassVar[str] = DOCTYPE

    writer: ErpNextWriter
    price_list: str
    prices: MedusaPrices
    lists: PriceLists
    rule: AmountRule
    removal_percent: int = 50
    allow_removal: bool = False
    entries_per_call: int = 500
    _entries: dict[str | None, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    _held_by: Counter[str] = field(default_factory=Counter)
    _stale: dict[str | None, list[Entry]] = field(default_factory=dict)
    _awaited: Counter[str] = field(default_factory=Counter)
    _unread: set[str] = field(default_factory=set)
    _new: dict[Window, list[Wanted]] = field(default_factory=lambda: defaultdict(list))
    _changed: dict[str, list[Wanted]] = field(default_factory=lambda: defaultdict(list))
    _had_price: int = 0
    _loses_price: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._awaited_lock = threading.Lock()
        self._writing = Stage("write-back", 1, waiting=4)

    def run(self) -> SyncReport:
        """Sync the batch. Raises MassLossError, and AccessError; everything else is in the report."""
        # Both servers are read at the same time.
        with ThreadPoolExecutor(1, thread_name_prefix="entries") as pool:
            loading = pool.submit(self.lists.load)
            items = [item for item in priced_items(self.erp) if self.batch.contains(item.name)]
            exported = [item for item in items if item.variant_id]
            reading = pool.submit(self._read_entries, {item.variant_id for item in exported})
            windows = ahead(self._windows(exported))
            first = list(islice(windows, 1))
            loading.result()
            reading.result()
        self.report.count("waiting", len(items) - len(exported))
        sending = Stage("prices", self.options.parallel)
        try:
            for window, prices in chain(first, windows):
                # Medusa has work as soon as there is a full call.
                for some in batched(window, self.entries_per_call):
                    self._plan_items(some, prices)
                    self._submit(sending, most=self.entries_per_call)
            self._submit(sending, most=0)
            sending.finish()
            self._remove_stale()
            self._delete_empty_lists()
            self._writing.finish()
        finally:
            sending.close()
            self._writing.close()
        return self.report

    # --- reading ----------------------------------------------------------------------------------------------

    def _read_entries(self, own: set[str]) -> None:
        """What Medusa holds: the lists of the batch, and its items in lists of another number of batches."""
        lists = {kept.id: kept for kept in self.lists.of_batch(self.batch)}
        windows = {list_id: self.lists.meaning(kept, self.batch) for list_id, kept in lists.items()}
        label = batch_label(self.batch)
        for some in batched(lists, LISTS_READ_AT_ONCE):
            for list_id, row in self.prices.entries_of(some):
                self._held_by[list_id] += 1
                variant_id = entry_variant(row)
                if lists[list_id].batch == label or variant_id in own:
                    currency, amount = row["currency_code"].upper(), decimal_of(row["amount"])
                    self._entries[variant_id].append(Entry(row["id"], list_id, windows[list_id], currency, amount))

    def _windows(self, items: Sequence[PricedItem]) -> Iterator[tuple[list[PricedItem], Mapping[str, ItemPrices]]]:
        for some in batched(items, ITEMS_PER_REQUEST):
            error = self.outage
            if error is None:
                try:
                    yield some, read_prices(self.erp, self.price_list, some)
                    continue
                except TransientError as failure:
                    self.erp_breaker.failed(failure)
                    error = failure
            for item in some:
                # What Medusa has for them stays as it is.
                self._unread.add(item.variant_id)
                self.report.defer(WEBSITE_ITEM, item.name, error)

    # --- comparing --------------------------------------------------------------------------------------------

    def _plan_items(self, items: Sequence[PricedItem], prices: Mapping[str, ItemPrices]) -> None:
        changes: list[IdChange] = []
        for item in items:
            changes += self._plan(item, prices.get(item.item_code, ItemPrices()))
        if changes:
            self._writing.submit(self._write_ids, changes)

    def _plan(self, item: PricedItem, prices: ItemPrices) -> list[IdChange]:
        """Note what has to be done for an item; returns ids to write that need nothing from Medusa."""
        ids_fingerprint = f"{item.variant_id} {prices.fingerprint}"
        held: dict[tuple[Window, str], list[Entry]] = defaultdict(list)
        stale: list[Entry] = []
        for entry in self._entries.pop(item.variant_id, ()):
            if entry.window is None:
                stale.append(entry)
            else:
                held[entry.window, entry.currency].append(entry)
        had_price, has_price = bool(held), False
        segments = left_over(cut(prices.rows), self.lists.today)
        amounts = self._amounts(prices, {segment.row.name for segment in segments})
        changes: list[IdChange] = []
        placed: set[str] = set()
        for segment in segments:
            row = segment.row
            if row.name not in amounts:
                continue
            has_price = True
            self.report.count("found")
            amount, is_first = amounts[row.name], row.name not in placed
            placed.add(row.name)
            duplicates = held.pop((segment.window, row.currency), [])
            duplicates.sort(key=lambda entry: (entry.amount != amount, entry.id))
            stale += duplicates[1:]
            fingerprint = f"{item.variant_id} {row.currency} {amount}"
            wanted = Wanted(
                row.name,
                fingerprint,
                item.variant_id,
                row.currency,
                amount,
                is_first,
                ids_fingerprint,
                bool(row.medusa_id),
            )
            if not duplicates:
                self._create_later(segment.window, wanted)
                continue
            entry = duplicates[0]
            ids_differ = is_first and (row.medusa_price_id, row.medusa_id) != (entry.id, "")
            if ids_differ and not self._ids_held(row.name, ids_fingerprint):
                changes.append(_ids(row.name, ids_fingerprint, entry.id, clear=bool(row.medusa_id)))
            if entry.amount == amount:
                self.report.count("unchanged")
                self.report.advance(1)
            elif not self.held(row.name, fingerprint):
                self._changed[entry.list_id].append(replace(wanted, entry_id=entry.id))
        for row in (*prices.rows, *prices.others):
            has_ids = row.medusa_price_id or row.medusa_id
            if has_ids and row.name not in placed and not self._ids_held(row.name, ids_fingerprint):
                changes.append(_ids(row.name, ids_fingerprint, "", clear=bool(row.medusa_id)))
        stale += [entry for entries in held.values() for entry in entries]
        if stale:
            self._stale[item.variant_id] = stale
        self._had_price += had_price
        self._loses_price += had_price and not has_price
        return changes

    def _amounts(self, prices: ItemPrices, in_force: set[str]) -> dict[str, Decimal]:
        """Amounts by Item Price; rows that would be shown and cannot be are rejected, each once."""
        amounts: dict[str, Decimal] = {}
        for row in prices.rows:
            if row.name not in in_force and row.is_ever_valid:
                continue
            try:
                amounts[row.name] = amount_of(row, self.rule)
            except PriceRefusedError as refused:
                self.report.count("found")
                if not self.held(row.name, refused.reason):
                    self.reject(row.name, refused.reason, refused.reason, refused.field)
        return amounts

    def _create_later(self, window: Window, wanted: Wanted) -> None:
        if self.held(wanted.name, wanted.fingerprint):
            return
        with self._awaited_lock:
            self._awaited[wanted.variant_id] += 1
        self._new[window].append(wanted)

    # --- writing to Medusa ------------------------------------------------------------------------------------

    def _submit(self, sending: Stage, *, most: int) -> None:
        """Hand over full calls; with `most=0` the rest as well."""
        for window, wanted in self._new.items():
            for chunk in self._full_calls(wanted, most):
                sending.submit(self._create, self._target(window, len(chunk)), chunk)
        for list_id, wanted in self._changed.items():
            for chunk in self._full_calls(wanted, most):
                sending.submit(self._update, list_id, chunk)

    def _full_calls(self, wanted: list[Wanted], most: int) -> Iterator[list[Wanted]]:
        while wanted and len(wanted) >= most:
            chunk = wanted[: self.entries_per_call]
            del wanted[: self.entries_per_call]
            yield chunk

    def _target(self, window: Window, entries: int) -> Target:
        for kept in self.lists.meant_for(self.batch, window):
            if self._held_by[kept.id] + entries <= self.entries_per_call:
                self._held_by[kept.id] += entries
                return Target(window, kept.id)
        return Target(window, None, self.lists.next_part(self.batch, window))

    def _create(self, target: Target, chunk: Sequence[Wanted]) -> None:
        self.send_chunk(
            chunk,
            partial(self._send_new, target),
            resolve=_without_variant,
            recover=partial(self._recover, target),
        )

    def _send_new(self, target: Target, group: Sequence[Wanted]) -> None:
        bodies = [wanted.body for wanted in group]
        if target.list_id is None:
            target.list_id, created = self.lists.create(self.batch, target.window, target.part, bodies)
            self.report.count("lists_written")
        else:
            try:
                created = self.prices.create(target.list_id, bodies)
            except PermanentError as error:
                raise _list_is_gone(error, target.list_id) from error
        list_id = target.list_id
        ids = {(entry_variant(row), row["currency_code"]): row["id"] for row in created}
        if len(ids) < len(group):
            raise TransientError("Medusa", f"price list {list_id}", "the answer is not whole", ambiguous=True)
        self._created([(wanted, ids[wanted.variant_id, wanted.currency.lower()]) for wanted in group])

    def _recover(self, target: Target, group: Sequence[Wanted]) -> list[Wanted]:
        """After a lost answer: take over what was created all the same, return what was not."""
        if target.list_id is None:
            target.list_id = self.lists.look_for(self.batch, target.window, target.part)
        list_id = target.list_id
        if list_id is None:
            return list(group)
        there = {
            (entry_variant(row), row["currency_code"], decimal_of(row["amount"])): row["id"]
            for row in self.prices.entries(list_id)
        }
        found = [(one, there.get((one.variant_id, one.currency.lower(), one.amount))) for one in group]
        self._created([(one, entry_id) for one, entry_id in found if entry_id])
        return [one for one, entry_id in found if entry_id is None]

    def _created(self, entries: Sequence[tuple[Wanted, str]]) -> None:
        with self._awaited_lock:
            self._awaited.subtract(wanted.variant_id for wanted, _ in entries)
        self.report.count("written", len(entries))
        self.report.advance(len(entries))
        changes = [
            _ids(wanted.name, wanted.ids_fingerprint, entry_id, clear=wanted.clear)
            for wanted, entry_id in entries
            if wanted.stands_for_row
        ]
        if changes:
            self._writing.submit(self._write_ids, changes)

    def _update(self, list_id: str, chunk: Sequence[Wanted]) -> None:
        self.send_chunk(chunk, partial(self._send_changed, list_id), resolve=_without_variant)

    def _send_changed(self, list_id: str, group: Sequence[Wanted]) -> None:
        try:
            updated = self.prices.update(list_id, [wanted.body for wanted in group])
        except PermanentError as error:
            raise _list_is_gone(error, list_id) from error
        vanished = [wanted.name for wanted in group if wanted.entry_id not in updated]
        if vanished:
            # Medusa skips unknown ids without a word; the next run sees them missing and creates them.
            self.defer(vanished, TransientError("Medusa", f"price list {list_id}", "the entry was deleted meanwhile"))
        self.report.count("updated", len(group) - len(vanished))
        self.report.advance(len(group) - len(vanished))

    # --- removing ---------------------------------------------------------------------------------------------

    def _remove_stale(self) -> None:
        for variant_id in self._unread:
            self._entries.pop(variant_id, None)
        # What nobody asked for: entries of items that are not exported any more, or of variants that are gone.
        self._stale |= self._entries
        for variant_id, entries in self._entries.items():
            live = variant_id is not None and any(entry.window is not None for entry in entries)
            self._had_price += live
            self._loses_price += live
        if not self.allow_removal:
            refuse_mass_loss(
                self._loses_price,
                self._had_price,
                percent=self.removal_percent,
                what="items would lose their only price",
                allow="allow_removal: true",
            )
        by_list: dict[str, list[str]] = defaultdict(list)
        for variant_id, entries in self._stale.items():
            if variant_id is None or self._awaited[variant_id] == 0:
                for entry in entries:
                    by_list[entry.list_id].append(entry.id)
        for list_id, ids in by_list.items():
            for some in batched(ids, DELETES_PER_CALL):
                self._remove(list_id, some)

    def _remove(self, list_id: str, ids: Sequence[str]) -> None:
        error = self.outage
        if error is None:
            try:
                self.prices.delete(list_id, ids)
                self.report.count("removed", len(ids))
                return
            except PermanentError as refused:
                if refused.status == 404:
                    return  # the list is gone, and its entries with it
                raise
            except TransientError as failure:
                self.medusa_breaker.failed(failure)
                error = failure
        self.report.defer("Price List", f"{self.price_list}: {len(ids)} old entries of {list_id}", error)

    def _delete_empty_lists(self) -> None:
        """Lists that had no entries at the beginning of this run, and got none since."""
        for kept in self.lists.of_batch(self.batch):
            if self._held_by[kept.id] or self.outage:
                continue
            try:
                self.report.count("lists_removed", self.lists.delete_empty(kept))
            except PermanentError as error:
                if error.status != 404:  # another batch was quicker
                    raise
            except TransientError as error:
                self.medusa_breaker.failed(error)
                self.report.defer("Price List", f"{self.price_list}: empty list {kept.id}", error)

    # --- ids back to ERPNext ----------------------------------------------------------------------------------

    def _ids_held(self, name: str, fingerprint: str) -> bool:
        """Whether ERPNext refused the ids of this Item Price before, and nothing changed since."""
        with self._lock:
            entry = self.quarantine.held(name, fingerprint)
        if entry is not None:
            self.report.reject(Reject(DOCTYPE, name, entry.reason, entry.field, held=True))
        return entry is not None

    def _write_ids(self, changes: Sequence[IdChange]) -> None:
        fingerprints = {name: fingerprint for name, fingerprint, _ in changes}
        outcome = self.writer.write(DOCTYPE, [(name, values) for name, _, values in changes])
        self.report.count("ids_written", len(outcome.written))
        if outcome.written:
            self.erp_breaker.passed()
        passing: TransientError | None = None
        for name, error in outcome.failed.items():
            if isinstance(error, TransientError):
                passing = error
                self.report.defer(DOCTYPE, name, error)
                continue
            reason = f"the price is in Medusa, but its ids could not be kept: {error.reason}"
            with self._lock:
                self.quarantine.put(name, Held(fingerprints[name], reason, "medusa_price_id"))
            self.report.reject(Reject(DOCTYPE, name, reason, "medusa_price_id"))
        if passing:
            self.erp_breaker.failed(passing)


def _ids(name: str, fingerprint: str, entry_id: str, *, clear: bool) -> IdChange:
    # Never the list's id into medusa_id: with that field filled the Frappe app's validate hook calls Medusa on every
    # save of the row, even while it is switched off, and the save fails - staff's as well as ours. What an earlier
    # version, or the app, left there is emptied.
    return name, fingerprint, {"medusa_price_id": entry_id, **({"medusa_id": ""} if clear else {})}


def _list_is_gone(error: PermanentError, list_id: str) -> PermanentError | TransientError:
    """A list deleted by hand while the run uses it is made anew by the next one; its entries are not at fault."""
    if error.status != 404:
        return error
    return TransientError("Medusa", f"price list {list_id}", f"price list {list_id} was deleted meanwhile", status=404)


def _without_variant(error: PermanentError, group: Sequence[Wanted]) -> Resolution[Wanted] | None:
    """Settle what Medusa names: variants that it does not have."""
    unknown = set(_VARIANT_ID.findall(error.reason))
    lost = [wanted for wanted in group if wanted.variant_id in unknown]
    if not lost:
        return named_by_index(error, group)
    again = "empty medusa_id and medusa_variant_id of the Website Item to export it again"
    rejected = [
        (one, PermanentError("Medusa", error.where, f"variant {one.variant_id} is not in Medusa any more: {again}"))
        for one in lost
    ]
    return [wanted for wanted in group if wanted.variant_id not in unknown], rejected
