"""Price lists of Medusa that stand for windows of time, found again by their metadata.

Belongs here: which list a window has, making lists that are missing, mending and retiring old ones. Does not belong
here: entries (prices.py).

There is one list per window and batch: a batch reads and writes only its own lists, so runs of different batches
never meet, and since Medusa reads a whole list for every call that creates entries, small lists are quick ones.

A list keeps its window for ever. Once its start has passed it means the same as a list without a start, so nothing
has to be moved as days go by. A list whose window is over becomes a draft, and is deleted when its batch emptied it.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import TransientError
from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices
from erp_medusa_pipelines.sync.batches import Batch
from erp_medusa_pipelines.sync.item_prices import ItemPrices, priced_items, read_prices, windows_of_items
from erp_medusa_pipelines.sync.price_amounts import AmountRule, PriceRefusedError, amount_of
from erp_medusa_pipelines.sync.price_windows import (
    ONE_DAY,
    PriceRow,
    Window,
    cut,
    ends_at,
    first_day_after,
    left_over,
    starts_at,
)
from erp_medusa_pipelines.sync.report import SyncReport

log = logging.getLogger(__name__)

OWNER_KEY = "erp_price_list"
"""Metadata key by which a list is known as ours; its value is the ERPNext Price List."""

CREATED_AT_ONCE = 3

DESCRIPTION = "Kept in step with ERPNext's Item Prices; changes made here are undone by the next run."


@dataclass(frozen=True, slots=True)
class KeptList:
    """One of our lists as Medusa holds it. `batch` is "index/count"."""

    id: str
    window: Window
    batch: str
    status: str
    body: Mapping[str, Any]
    """What Medusa has of the fields that are kept."""


def batch_label(batch: Batch) -> str:
    """How a batch is named in metadata; the count is in it, since another count makes other batches."""
    return f"{batch.index}/{batch.count}"


def sync_price_lists(
    erp: ErpNextClient,
    price_list: str,
    lists: "PriceLists",
    rule: AmountRule,
    batches: Sequence[Batch],
    report: SyncReport,
) -> None:
    """A list for every window that a price of the shop needs, in every batch that needs it; old ones are retired."""
    needed: dict[Batch, set[Window]] = {batch: set() for batch in batches}
    for items in windows_of_items(priced_items(erp)):
        prices = read_prices(erp, price_list, items)
        for item in items:
            own = next(batch for batch in batches if batch.holds(item.name))
            for segment in left_over(cut(prices.get(item.item_code, ItemPrices()).rows), lists.today):
                if _is_shown(segment.row, rule):
                    needed[own].add(segment.window)
    report.count("found", sum(len(windows) for windows in needed.values()))
    for batch, windows in needed.items():
        lists.ensure(batch, windows, report)
    lists.retire(len(batches), report)


def _is_shown(row: PriceRow, rule: AmountRule) -> bool:
    try:
        amount_of(row, rule)
    except PriceRefusedError:
        return False
    return True


class PriceLists:
    """The lists of one ERPNext Price List."""

    def __init__(self, prices: MedusaPrices, price_list: str, zone: ZoneInfo, today: date) -> None:
        self._prices = prices
        self._price_list = price_list
        self._zone = zone
        self.today = today
        self.lists: list[KeptList] = []

    def load(self) -> "PriceLists":
        """Read what Medusa has."""
        found = (self._kept(row) for row in self._prices.lists())
        self.lists = [kept for kept in found if kept is not None]
        return self

    def of_batch(self, batch: Batch) -> list[KeptList]:
        """The lists that may hold entries of the batch's items: its own, and those of another number of batches."""
        return [kept for kept in self.lists if self._is_own(kept, batch) or self._is_foreign(kept, batch)]

    def meaning(self, kept: KeptList, batch: Batch) -> Window | None:
        """The window for which an entry of the batch may stay in this list; None when it has to leave."""
        if not self._is_own(kept, batch) or kept.window.is_past(self.today):
            return None
        return kept.window.remaining(self.today)

    def ensure(self, batch: Batch, windows: Iterable[Window], report: SyncReport) -> dict[Window, str]:
        """The id of the list for new entries of each window; missing ones are created, changed ones mended."""
        ordered = sorted(windows, key=str)
        there = {window: kept for window in ordered if (kept := self._target(batch, window)) is not None}
        for kept in there.values():
            if changes := self._differences(kept):
                self._prices.update_list(kept.id, changes)
                report.count("updated")
            else:
                report.count("unchanged")
        created = self._create(batch, [window for window in ordered if window not in there])
        report.count("written", len(created))
        return {window: kept.id for window, kept in (there | created).items()}

    def find(self, batch: Batch, window: Window) -> str | None:
        """The id of the list for new entries of a window, when there is one."""
        kept = self._target(batch, window)
        return kept.id if kept else None

    def retire(self, batch_count: int, report: SyncReport) -> None:
        """Lists that nobody needs any more: made drafts when their window is over, deleted once they are empty."""
        for kept in self.lists:
            past = kept.window.is_past(self.today)
            foreign = int(kept.batch.partition("/")[2]) != batch_count
            if not (past or foreign or self._is_doubled(kept)):
                continue
            if self._prices.count(kept.id) == 0:
                self._prices.delete_empty_list(kept.id)
                report.count("removed")
            elif past and kept.status != "draft":
                self._prices.update_list(kept.id, {"status": "draft"})
                report.count("retired")

    # --- recognising ------------------------------------------------------------------------------------------

    def _kept(self, row: Mapping[str, Any]) -> KeptList | None:
        metadata = row["metadata"] or {}
        if metadata.get(OWNER_KEY) != self._price_list:
            return None
        valid_from, valid_upto = metadata.get("valid_from"), metadata.get("valid_upto")
        window = Window(
            date.fromisoformat(valid_from) if valid_from else None,
            first_day_after(date.fromisoformat(valid_upto) if valid_upto else None),
        )
        return KeptList(row["id"], window, metadata.get("batch") or "0/0", row["status"], row)

    @staticmethod
    def _is_own(kept: KeptList, batch: Batch) -> bool:
        return kept.batch == batch_label(batch)

    @staticmethod
    def _is_foreign(kept: KeptList, batch: Batch) -> bool:
        return int(kept.batch.partition("/")[2]) != batch.count

    def _target(self, batch: Batch, window: Window) -> KeptList | None:
        own = [kept for kept in self.lists if self.meaning(kept, batch) == window]
        # One without a start stays the target for ever; of equals (two runs made one each) the oldest.
        return min(own, key=lambda kept: (kept.window.start is not None, kept.id), default=None)

    def _is_doubled(self, kept: KeptList) -> bool:
        index, _, count = kept.batch.partition("/")
        batch = Batch(int(index), int(count))
        window = self.meaning(kept, batch)
        target = self._target(batch, window) if window is not None else None
        return target is not None and target.id != kept.id

    # --- what a list is like ----------------------------------------------------------------------------------

    def _differences(self, kept: KeptList) -> dict[str, Any]:
        """What somebody changed by hand, or a new time zone of the site, put right again."""
        wanted = {
            "type": "override",
            "status": "active",
            "starts_at": starts_at(kept.window, self._zone),
            "ends_at": ends_at(kept.window, self._zone),
        }
        return {key: value for key, value in wanted.items() if kept.body[key] != value}

    def _create(self, batch: Batch, windows: Sequence[Window]) -> dict[Window, KeptList]:
        with ThreadPoolExecutor(CREATED_AT_ONCE, thread_name_prefix="lists") as pool:
            answers = list(pool.map(partial(self._answer, batch), windows))
        created: dict[Window, KeptList] = {}
        for window, answer in zip(windows, answers, strict=True):
            if isinstance(answer, TransientError):
                created[window] = self._found_again(batch, window, answer)
            else:
                created[window] = KeptList(answer["id"], window, batch_label(batch), answer["status"], answer)
        known = {kept.id for kept in self.lists}
        self.lists += [kept for kept in created.values() if kept.id not in known]
        return created

    def _found_again(self, batch: Batch, window: Window, error: TransientError) -> KeptList:
        self.load()
        found = self._target(batch, window)
        if found is None:
            raise error
        log.info("list %s was created although no answer came (%s)", found.id, error.reason)
        return found

    def _answer(self, batch: Batch, window: Window) -> Mapping[str, Any] | TransientError:
        """What Medusa says to a new list, be it nothing: then it may have been created all the same."""
        metadata: dict[str, Any] = {OWNER_KEY: self._price_list, "batch": batch_label(batch)}
        if window.start:
            metadata["valid_from"] = window.start.isoformat()
        if window.end:
            metadata["valid_upto"] = (window.end - ONE_DAY).isoformat()
        body = {
            "title": f"{self._price_list}, {window} ({batch.index + 1} of {batch.count})",
            "description": DESCRIPTION,
            "type": "override",
            "status": "active",
            "starts_at": starts_at(window, self._zone),
            "ends_at": ends_at(window, self._zone),
            "metadata": metadata,
        }
        try:
            return self._prices.create_list(body)
        except TransientError as error:
            if error.ambiguous:
                return error
            raise
