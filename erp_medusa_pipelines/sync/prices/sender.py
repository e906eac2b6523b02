"""Send new and changed entries to Medusa in full calls.

Which list a chunk of new entries goes to, the calls, and what a refusal or a lost answer means.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from erp_medusa_pipelines.clients.failures import PermanentError, TransientError
from erp_medusa_pipelines.clients.medusa_prices import PRICE_LISTS, MedusaPrices, batch_route, decimal_of, entry_variant
from erp_medusa_pipelines.clients.refusals import variants_without_price_set
from erp_medusa_pipelines.sync.engine.batch_sync import BatchSync, named_by_index
from erp_medusa_pipelines.sync.engine.delivery import Resolution
from erp_medusa_pipelines.sync.engine.quarantine import lies_of
from erp_medusa_pipelines.sync.engine.stages import Stage
from erp_medusa_pipelines.sync.prices.lists import PriceLists
from erp_medusa_pipelines.sync.prices.plan import Entry, IdChange, ItemPlan, Today, Wanted
from erp_medusa_pipelines.sync.prices.windows import Tier, Window


@dataclass(slots=True)
class Target:
    """The list for a chunk of new entries: one with room, or (without id) one that the first call creates."""

    window: Window
    list_id: str | None
    part: int = 0


class EntrySender:
    """Collect the entries of many items and send them. `sizes`, the number of entries by list, is updated.

    `keep_ids` is called with the ids of created entries, from several threads. `kind` tells apart what is held of one
    Item Price that has entries for several kinds of customers.
    """

    def __init__(
        self,
        run: BatchSync,
        prices: MedusaPrices,
        lists: PriceLists,
        sizes: Counter[str],
        *,
        per_call: int,
        keep_ids: Callable[[Sequence[IdChange]], None],
        kind: str = "",
    ) -> None:
        self._run = run
        self._prices = prices
        self._lists = lists
        self._sizes = sizes
        self._per_call = per_call
        self._keep_ids = keep_ids
        self._kind = kind
        self._new: dict[Window, list[Wanted]] = defaultdict(list)
        self._changed: dict[str, list[Wanted]] = defaultdict(list)
        self._awaited: Counter[tuple[str, str, Window]] = Counter()
        self._stale_ids: dict[str, IdChange] = {}
        self._awaited_lock = threading.Lock()
        self._stage = Stage("prices", run.options.parallel)

    def add(self, plan: ItemPlan) -> None:
        """Queue the entries to create and change for an item, without those refused before."""
        with self._awaited_lock:
            self._awaited.update((plan.variant_id, *unplaced) for unplaced in plan.unplaced)
        for window, wanted in plan.create:
            if wanted.ids and (no_id := wanted.ids.change_to("")):
                self._stale_ids[wanted.name] = no_id
            # One that is held is not in Medusa either: what it replaces stays.
            with self._awaited_lock:
                self._awaited[wanted.variant_id, wanted.tier.group, window] += 1
            if not self._run.held(wanted.name, wanted.fingerprint, self._kind):
                self._new[window].append(wanted)
        for list_id, wanted in plan.change:
            if not self._run.held(wanted.name, wanted.fingerprint, self._kind):
                self._changed[list_id].append(wanted)

    def send_full_calls(self) -> None:
        """Send what fills a call; the rest waits for more."""
        self._submit(most=self._per_call)

    def finish(self) -> None:
        """Send the rest and wait for everything. Item Prices whose entry was not created keep no id of an older one.

        An id says that Medusa has the price.
        """
        self._submit(most=0)
        self._stage.finish()
        self._keep_ids(list(self._stale_ids.values()))

    def close(self) -> None:
        """Cancel what has not started."""
        self._stage.close()

    def is_replaced(self, variant_id: str, entry: Entry, today: Sequence[Today]) -> bool:
        """Return whether an old entry must go: Medusa has the new ones for all of its days, none is refused or held.

        Or it has the one for today, which the old entry would hide.
        """
        missing = self._missing.get((variant_id, entry.tier.group), ())
        if any(one.window not in missing and one.is_undercut_by(entry) for one in today):
            return True
        return not any(entry.spans is None or window.overlaps(entry.spans) for window in missing)

    @cached_property
    def _missing(self) -> Mapping[tuple[str, str], Sequence[Window]]:
        """Return the windows without a new entry by variant and customer group, once everything was sent."""
        found: dict[tuple[str, str], list[Window]] = defaultdict(list)
        for (variant_id, group, window), number in self._awaited.items():
            if number > 0:
                found[variant_id, group].append(window)
        return found

    def _submit(self, *, most: int) -> None:
        for window, wanted in self._new.items():
            for chunk in self._full_calls(wanted, most):
                self._stage.submit(self._create, self._target(window, len(chunk)), chunk)
        for list_id, wanted in self._changed.items():
            for chunk in self._full_calls(wanted, most):
                self._stage.submit(self._update, list_id, chunk)

    def _full_calls(self, wanted: list[Wanted], most: int) -> Iterator[list[Wanted]]:
        while wanted and len(wanted) >= most:
            chunk = wanted[: self._per_call]
            del wanted[: self._per_call]
            yield chunk

    # --- new entries ------------------------------------------------------------------------------------------

    def _target(self, window: Window, entries: int) -> Target:
        for kept in self._lists.meant_for(self._run.batch, window):
            if self._sizes[kept.id] + entries <= self._per_call:
                self._sizes[kept.id] += entries
                return Target(window, kept.id)
        return Target(window, None, self._lists.next_part(self._run.batch, window))

    def _create(self, target: Target, chunk: Sequence[Wanted]) -> None:
        self._run.send_chunk(
            chunk,
            partial(self._send_new, target),
            lies=lies_of("amount", "prices.amount"),
            resolve=self._without_variant,
            recover=partial(self._recover, target),
            kind=lambda _wanted: self._kind,
            route=batch_route(target.list_id) if target.list_id else PRICE_LISTS,
        )

    def _send_new(self, target: Target, group: Sequence[Wanted]) -> None:
        bodies = [wanted.body for wanted in group]
        if target.list_id is None:
            target.list_id, created = self._lists.create(self._run.batch, target.window, target.part, bodies)
            self._run.report.count("lists_written")
        else:
            try:
                created = self._prices.create(target.list_id, bodies)
            except PermanentError as error:
                raise _list_is_gone(error, target.list_id) from error
        ids = {(entry_variant(row), row["currency_code"], Tier.of(row)): row["id"] for row in created}
        if len(ids) < len(group):
            where = f"price list {target.list_id}"
            raise TransientError("Medusa", where, "the response is incomplete", ambiguous=True)
        made = [(wanted, ids[wanted.variant_id, wanted.currency.lower(), wanted.tier]) for wanted in group]
        self._created(made, target.window)

    def _recover(self, target: Target, group: Sequence[Wanted]) -> list[Wanted]:
        """After a lost answer, adopt what was created and return what was not."""
        if target.list_id is None:
            target.list_id = self._lists.look_for(self._run.batch, target.window, target.part)
        if target.list_id is None:
            return list(group)
        there = {
            (entry_variant(row), row["currency_code"], Tier.of(row), decimal_of(row["amount"])): row["id"]
            for row in self._prices.entries(target.list_id, ruled=self._lists.book.is_own)
        }
        found = [(one, there.get((one.variant_id, one.currency.lower(), one.tier, one.amount))) for one in group]
        self._created([(one, entry_id) for one, entry_id in found if entry_id], target.window)
        return [one for one, entry_id in found if entry_id is None]

    def _created(self, entries: Sequence[tuple[Wanted, str]], window: Window) -> None:
        with self._awaited_lock:
            self._awaited.subtract((one.variant_id, one.tier.group, window) for one, _ in entries)
            for wanted, _ in entries:
                if wanted.ids:
                    self._stale_ids.pop(wanted.name, None)
        self._run.report.count("written", len(entries))
        self._run.report.advance(len(entries))
        changes = [wanted.ids.change_to(entry_id) for wanted, entry_id in entries if wanted.ids]
        self._keep_ids([change for change in changes if change])

    # --- changed entries --------------------------------------------------------------------------------------

    def _update(self, list_id: str, chunk: Sequence[Wanted]) -> None:
        send = partial(self._send_changed, list_id)
        self._run.send_chunk(
            chunk,
            send,
            lies=lies_of("amount"),
            resolve=self._without_variant,
            kind=lambda _wanted: self._kind,
            route=batch_route(list_id),
        )

    def _send_changed(self, list_id: str, group: Sequence[Wanted]) -> None:
        try:
            updated = self._prices.update(list_id, [wanted.body for wanted in group])
        except PermanentError as error:
            raise _list_is_gone(error, list_id) from error
        vanished = [wanted.name for wanted in group if wanted.entry_id not in updated]
        if vanished:
            # Medusa silently skips unknown ids; the next run finds them missing and creates them.
            error = TransientError("Medusa", f"price list {list_id}", "the entry was deleted meanwhile")
            self._run.defer(vanished, error)
        self._run.report.count("updated", len(group) - len(vanished))
        self._run.report.advance(len(group) - len(vanished))

    def _without_variant(self, error: PermanentError, group: Sequence[Wanted]) -> Resolution[Wanted] | None:
        """Handle a refusal of prices: Medusa says the same of a variant that is gone and of one without price set."""
        named = variants_without_price_set(error.reason)
        lost = [wanted for wanted in group if wanted.variant_id in named]
        if not lost:
            return named_by_index(error, group)
        try:
            there = {row["id"] for row in self._prices.variants(wanted.variant_id for wanted in lost)}
        except TransientError:
            return None
        rejected = [
            (one, PermanentError("Medusa", error.where, _why_refused(one.variant_id, one.variant_id in there)))
            for one in lost
        ]
        return [wanted for wanted in group if wanted.variant_id not in named], rejected


def _list_is_gone(error: PermanentError, list_id: str) -> PermanentError | TransientError:
    """Leave the entries of a list that was deleted during the run for a retry; the next run creates it again."""
    if error.status != 404:
        return error
    return TransientError("Medusa", f"price list {list_id}", f"price list {list_id} was deleted meanwhile", status=404)


def _why_refused(variant_id: str, is_there: bool) -> str:
    if is_there:
        return f"variant {variant_id} has no price set in Medusa: the next export adds one, and then its price"
    return f"variant {variant_id} is no longer in Medusa: the next export gives the item one, with this price"
