"""Price lists in Medusa, one for each window of time, identified by their metadata.

Belongs here: which list a window has, creating missing lists, repairing and retiring old ones. Does not belong
here: entries (entries.py).

A list is for one window and one batch: a batch reads and writes only its own lists, so runs of different batches never
conflict. It is created together with its first entries and holds at most the entries of one call; further entries get
a further list. Medusa reads a whole list to add to it, and deletes more slowly the longer it is: many short lists cost
a fraction of a long one, and their cost does not grow with the shop.

Every list with our metadata key is ours. Lists of a Price List that is no longer exported are `replaced`: their entries
go as the new ones are there, and a list of which none must stay becomes a draft.

A list never changes its window. Once its start has passed it means the same as a list without a start, so entries
need not move as days pass. A list whose window is over becomes a draft, and an empty one is deleted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices
from erp_medusa_pipelines.sync.engine.batches import Batch
from erp_medusa_pipelines.sync.engine.report import SyncReport
from erp_medusa_pipelines.sync.prices.windows import ONE_DAY, Window, ends_at, first_day_after, starts_at

OWNER_KEY = "erp_price_list"
"""Metadata key that marks a list as ours; its value is the ERPNext Price List."""

DESCRIPTION = "Kept in step with ERPNext's Item Prices; changes made here are undone by the next run."


@dataclass(frozen=True, slots=True)
class KeptList:
    """One of our lists as Medusa holds it. `batch` is "index/count"; `part` numbers the lists of a window and batch."""

    id: str
    window: Window
    batch: str
    part: int
    body: Mapping[str, Any]
    """Medusa's values of the fields that the sync maintains."""


class PriceLists:
    """The lists of one ERPNext Price List, as of the last `load`."""

    def __init__(self, prices: MedusaPrices, price_list: str, zone: ZoneInfo, today: date) -> None:
        self._prices = prices
        self._price_list = price_list
        self._zone = zone
        self.today = today
        self._new_parts: Counter[tuple[Batch, Window]] = Counter()
        self.lists: list[KeptList] = []
        self.replaced: list[Mapping[str, Any]] = []
        """Active lists of another ERPNext Price List, as Medusa has them."""

    def load(self) -> None:
        """Read the lists from Medusa."""
        rows = list(self._prices.lists())
        self.lists = self._ours(rows)
        self.replaced = [row for row in rows if self._is_replaced(row)]

    def is_live(self, row: Mapping[str, Any]) -> bool:
        """Return whether customers are asked the prices of this list (status, starts_at, ends_at) now."""
        now = self._prices.now()
        begins, ends = _instant(row["starts_at"]), _instant(row["ends_at"])
        has_begun, is_over = begins is None or begins <= now, ends is not None and ends < now
        return row["status"] == "active" and has_begun and not is_over

    def is_live_window(self, window: Window) -> bool:
        """Return whether customers are asked the prices of an active list of this window now."""
        row = {"starts_at": starts_at(window, self._zone), "ends_at": ends_at(window, self._zone)}
        return self.is_live({"status": "active", **row})

    def of_batch(self, batch: Batch) -> list[KeptList]:
        """Return lists that may hold entries of the batch's items: its own, and those of another number of batches."""
        return [kept for kept in self.lists if self._is_own(kept, batch) or self._is_foreign(kept, batch)]

    def meaning(self, kept: KeptList, batch: Batch) -> Window | None:
        """Return the window for which an entry of the batch may stay in this list, or None if it must be removed."""
        if not self._is_own(kept, batch) or kept.window.is_past(self.today):
            return None
        return kept.window.remaining(self.today)

    def reconcile(self, report: SyncReport) -> None:
        """Undo manual changes, and make drafts of lists whose window is over."""
        self.load()
        report.count("found", len(self.lists))
        for kept in self.lists:
            if changes := self._differences(kept):
                self._prices.update_list(kept.id, changes)
                report.count("updated")
            else:
                report.count("unchanged")

    def meant_for(self, batch: Batch, window: Window) -> list[KeptList]:
        """Return the lists to which new entries of a window may be added."""
        return [kept for kept in self.lists if self.meaning(kept, batch) == window]

    def next_part(self, batch: Batch, window: Window) -> int:
        """Return the number of a further list, a new one each time."""
        there = (kept.part for kept in self.lists if kept.window == window and self._is_own(kept, batch))
        self._new_parts[batch, window] += 1
        return max(there, default=0) + self._new_parts[batch, window]

    def create(
        self, batch: Batch, window: Window, part: int, entries: Sequence[Mapping[str, Any]]
    ) -> tuple[str, list[dict[str, Any]]]:
        """Create a list with its first entries {variant_id, currency_code, amount}, or nothing. Returns (id, entries).

        After a lost answer, use `look_for`.
        """
        metadata: dict[str, Any] = {OWNER_KEY: self._price_list, "batch": batch.label, "part": part}
        if window.start:
            metadata["valid_from"] = window.start.isoformat()
        if window.end:
            metadata["valid_upto"] = (window.end - ONE_DAY).isoformat()
        return self._prices.create_list(
            {
                "title": f"{self._price_list}, {window} ({batch.index + 1} of {batch.count}, {part})",
                "description": DESCRIPTION,
                "type": "override",
                "status": "active",
                "starts_at": starts_at(window, self._zone),
                "ends_at": ends_at(window, self._zone),
                "metadata": metadata,
                "prices": list(entries),
            }
        )

    def look_for(self, batch: Batch, window: Window, part: int) -> str | None:
        """Return the id of a list that Medusa may have created although the answer was lost."""
        for kept in self._ours(self._prices.lists()):
            if (kept.window, kept.part) == (window, part) and self._is_own(kept, batch):
                return kept.id
        return None

    def delete_empty(self, kept: KeptList) -> bool:
        """Delete a list if it is still empty, and return whether it was. Deleting one with entries can take minutes."""
        if self._prices.count(kept.id):
            return False
        self._prices.delete_empty_list(kept.id)
        return True

    def replaced_of(self, batch: Batch) -> list[Mapping[str, Any]]:
        """Return the replaced lists that may hold entries of the batch's items, as `of_batch` does."""
        own = batch.label
        return [row for row in self.replaced if _batch_of(row) == own or _count_of(_batch_of(row)) != batch.count]

    def retire(self, list_id: str) -> None:
        """Make a draft of a replaced list. Call it once the new entries exist: the lower of two prices wins."""
        self._prices.update_list(list_id, {"status": "draft"})

    # --- recognising ------------------------------------------------------------------------------------------

    def _is_replaced(self, row: Mapping[str, Any]) -> bool:
        owner = (row["metadata"] or {}).get(OWNER_KEY)
        return owner is not None and owner != self._price_list and row["status"] == "active"

    def _ours(self, rows: Iterable[Mapping[str, Any]]) -> list[KeptList]:
        found = (self._kept(row) for row in rows)
        return [kept for kept in found if kept is not None]

    def _kept(self, row: Mapping[str, Any]) -> KeptList | None:
        metadata = row["metadata"] or {}
        if metadata.get(OWNER_KEY) != self._price_list:
            return None
        valid_from, valid_upto = metadata.get("valid_from"), metadata.get("valid_upto")
        window = Window(
            date.fromisoformat(valid_from) if valid_from else None,
            first_day_after(date.fromisoformat(valid_upto) if valid_upto else None),
        )
        return KeptList(row["id"], window, _batch_of(row), metadata.get("part") or 1, row)

    @staticmethod
    def _is_own(kept: KeptList, batch: Batch) -> bool:
        return kept.batch == batch.label

    @staticmethod
    def _is_foreign(kept: KeptList, batch: Batch) -> bool:
        return _count_of(kept.batch) != batch.count

    def _differences(self, kept: KeptList) -> dict[str, Any]:
        """Return what must be corrected: after manual changes, a new time zone of the site, or an ended window."""
        wanted = {
            "type": "override",
            "status": "draft" if kept.window.is_past(self.today) else "active",
            "starts_at": starts_at(kept.window, self._zone),
            "ends_at": ends_at(kept.window, self._zone),
        }
        return {key: value for key, value in wanted.items() if kept.body[key] != value}


def _batch_of(row: Mapping[str, Any]) -> str:
    return (row["metadata"] or {}).get("batch") or "0/0"


def _count_of(label: str) -> int:
    return int(label.partition("/")[2])


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
