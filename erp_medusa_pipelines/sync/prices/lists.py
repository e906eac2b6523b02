"""Price lists in Medusa, one for each window of time, identified by their metadata.

Which list a window has, creating missing lists, repairing and retiring old ones.

A list is for one window and one batch: a batch reads and writes only its own lists, so runs of different batches never
conflict. It is created together with its first entries and holds at most the entries of one call; further entries get
a further list. Medusa reads a whole list to add to it, and deletes more slowly the longer it is: many short lists cost
a fraction of a long one, and their cost does not grow with the shop.

Every list with our metadata key or our description is ours, and belongs to one book (books.py). Lists of a book that
is no longer in force are `replaced`: their entries go as the new ones are there, and a list of which none must stay
becomes a draft. The same happens to a list whose metadata somebody changed in Medusa's admin so that it says nothing
any more. Everybody's book of the shop's own Price List looks after them.

A list never changes its window. Once its start has passed it means the same as a list without a start, so entries
need not move as days pass. A list whose window is over becomes a draft, and an empty one is deleted.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from erp_medusa_pipelines.clients.failures import AccessError, PermanentError, is_blocked, is_gone
from erp_medusa_pipelines.clients.medusa import metadata_of
from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices
from erp_medusa_pipelines.sync.engine.batches import Batch
from erp_medusa_pipelines.sync.engine.report import Reject, SyncReport
from erp_medusa_pipelines.sync.prices.books import OWNER_KEY, WHOM_KEY, Book, Key, key_of
from erp_medusa_pipelines.sync.prices.windows import ONE_DAY, Window, ends_at, first_day_after, starts_at

DOCTYPE = "Price List"
DESCRIPTION = "Kept in step with ERPNext's Item Prices; changes made here are undone by the next run."


_LABEL = re.compile(r"(\d{1,6})/(\d{1,6})")
_PART = re.compile(r"\d{1,6}")


class UnreadableListError(Exception):
    """What a list of ours is for can no longer be found out; the message says why."""


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
    """The lists of one book, as of the last `load`.

    `others` are the keys of the other books in force, for the one book that looks after replaced lists; None for these
    others.
    """

    def __init__(
        self, prices: MedusaPrices, book: Book, zone: ZoneInfo, today: date, others: Collection[Key] | None = ()
    ) -> None:
        self._prices = prices
        self.book = book
        self._price_list = book.price_list
        self._others = others
        self._zone = zone
        self.today = today
        self._new_parts: Counter[tuple[Batch, Window]] = Counter()
        self.lists: list[KeptList] = []
        self.replaced: list[Mapping[str, Any]] = []
        """Active lists of ours that are for a book no longer in force, or unreadable, as Medusa has them."""
        self.unreadable: dict[str, str] = {}
        """Why, by the ids of such lists."""

    def load(self) -> None:
        """Read the lists from Medusa."""
        rows = list(filter(_is_ours, self._prices.lists()))
        self.unreadable = {}
        self.lists = self._ours(rows)
        known = {kept.id for kept in self.lists}
        left = (row for row in rows if row["id"] not in known and row["status"] == "active")
        self.replaced = [row for row in left if self._looks_after(row)]

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
        for list_id, why in self.unreadable.items():
            then = "its prices move to other lists, and it becomes a draft"
            text = f"somebody changed price list {list_id} in Medusa: {why}; {then}"
            report.reject(Reject(DOCTYPE, self._price_list, text))
        for kept in self.lists:
            changes = self._differences(kept)
            try:
                if changes:
                    self._prices.update_list(kept.id, changes)
            except PermanentError as error:
                self.refused(report, kept.id, "put right", error)
            else:
                report.count("updated" if changes else "unchanged")

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
        metadata: dict[str, Any] = {**self.book.metadata, "batch": batch.label, "part": part}
        if window.start:
            metadata["valid_from"] = window.start.isoformat()
        if window.end:
            metadata["valid_upto"] = (window.end - ONE_DAY).isoformat()
        return self._prices.create_list(
            {
                "title": f"{self.book}, {window} ({batch.index + 1} of {batch.count}, {part})",
                "description": DESCRIPTION,
                **self.book.body,
                "status": "active",
                "starts_at": starts_at(window, self._zone),
                "ends_at": ends_at(window, self._zone),
                "metadata": metadata,
                "prices": list(entries),
            }
        )

    def look_for(self, batch: Batch, window: Window, part: int) -> str | None:
        """Return the id of a list that Medusa may have created although the answer was lost."""
        for kept in self._ours(filter(_is_ours, self._prices.lists())):
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

    def refused(self, report: SyncReport, list_id: str, what: str, error: PermanentError) -> None:
        """Report that Medusa refuses to do something with one list; the others do not wait for it.

        Every run tries again. Raises the error where it concerns all of them.
        """
        if isinstance(error, AccessError) and not is_blocked(error):
            raise error
        if not is_gone(error):  # else another run, or somebody, deleted it
            text = f"price list {list_id} cannot be {what}: {error.reason}"
            report.reject(Reject(DOCTYPE, self._price_list, text))

    def retire(self, list_id: str) -> None:
        """Make a draft of a replaced list. Call it once the new entries exist: the lower of two prices wins."""
        self._prices.update_list(list_id, {"status": "draft"})

    # --- recognising ------------------------------------------------------------------------------------------

    def _ours(self, rows: Iterable[Mapping[str, Any]]) -> list[KeptList]:
        found: list[KeptList] = []
        for row in rows:
            key = key_of(metadata_of(row))
            try:
                if key is None and self._others is not None:
                    raise UnreadableListError(f"its metadata has no {OWNER_KEY}, or no text in {WHOM_KEY}")
                if key == self.book.key:
                    found.append(_kept(row, self.book))
            except UnreadableListError as error:
                if row["status"] == "active":
                    self.unreadable[row["id"]] = str(error)
        return found

    def _looks_after(self, row: Mapping[str, Any]) -> bool:
        """Return whether this book sees to it that a list which is no longer used is put away."""
        key = key_of(metadata_of(row))
        return key == self.book.key or (self._others is not None and key not in self._others)

    @staticmethod
    def _is_own(kept: KeptList, batch: Batch) -> bool:
        return kept.batch == batch.label

    @staticmethod
    def _is_foreign(kept: KeptList, batch: Batch) -> bool:
        return _count_of(kept.batch) != batch.count

    def _differences(self, kept: KeptList) -> dict[str, Any]:
        """Return what must be corrected: after manual changes, a new time zone of the site, or an ended window."""
        wanted = {
            "type": self.book.body["type"],
            "status": "draft" if kept.window.is_past(self.today) and not self.is_live(kept.body) else "active",
            "starts_at": starts_at(kept.window, self._zone),
            "ends_at": ends_at(kept.window, self._zone),
        }
        different = {key: value for key, value in wanted.items() if kept.body[key] != value}
        rules = self.book.body.get("rules")
        if rules and _as_sets(rules) != _as_sets(kept.body.get("rules") or {}):
            different["rules"] = rules
        return different


def _is_ours(row: Mapping[str, Any]) -> bool:
    """Return whether the export made a list, whatever somebody has changed of it since."""
    metadata = metadata_of(row)
    return OWNER_KEY in metadata or {"batch", "part"} <= metadata.keys() or row["description"] == DESCRIPTION


def _as_sets(rules: Mapping[str, Any]) -> dict[str, set[str]]:
    """Return rules whose values are compared in any order: Medusa writes a single one as text."""
    return {name: {values} if isinstance(values, str) else set(values) for name, values in rules.items()}


def _kept(row: Mapping[str, Any], book: Book) -> KeptList:
    if row["rules_count"] and not book.rules:
        raise UnreadableListError("it has rules, so that it is not for everybody")
    label = _batch_of(row)
    if _count_of(label) == 0:
        raise UnreadableListError("its metadata names no batch")
    window = Window(_day_of(row, "valid_from"), first_day_after(_day_of(row, "valid_upto")))
    part = str(metadata_of(row).get("part") or 1)
    return KeptList(row["id"], window, label, int(part) if _PART.fullmatch(part) else 1, row)


def _day_of(row: Mapping[str, Any], key: str) -> date | None:
    text = metadata_of(row).get(key)
    try:
        return date.fromisoformat(text) if text else None
    except (TypeError, ValueError):
        raise UnreadableListError(f"its metadata has no date in {key}: {text!r}") from None


def _batch_of(row: Mapping[str, Any]) -> str:
    """Return the batch's label; one that names no batch of any number of batches becomes 0/0, which is all of them."""
    label = _LABEL.fullmatch(str(metadata_of(row).get("batch") or ""))
    index, count = map(int, label.groups()) if label else (0, 0)
    return f"{index}/{count}" if index < count else "0/0"


def _count_of(label: str) -> int:
    return int(label.partition("/")[2])


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
