"""Which Item Price is valid when: cut rows with overlapping validity into windows that do not overlap.

The rule, as pure functions over dates and times.

Of the rows valid on a day, ERPNext uses the one with the latest valid_from; rows without valid_from come last. A row of
a variant's template is used only on days without a valid row of the variant itself, and one for everybody only where
the Customer who asks has none of its own. Of rows
with the same valid_from, one with a UOM comes before one without. ERPNext does not order rows that are still equal;
here the row created last wins (not the one modified last: writing ids changes `modified`).

Medusa uses the lowest of all valid entries, so the entries of one variant must never overlap. Days become times in the
site's time zone. Medusa's `ends_at` is inclusive and stored in milliseconds, so a window ends one millisecond before
the next begins.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from erp_medusa_pipelines.sync.prices.books import GROUPS_RULE

ONE_DAY = timedelta(days=1)
TICK = timedelta(milliseconds=1)
"""The finest resolution of Medusa's times."""


@dataclass(frozen=True, slots=True)
class PriceRow:
    """The fields of one Item Price that the rule and the sync need. Empty values are None or ''."""

    name: str
    rate: Decimal
    currency: str
    valid_from: date | None = None
    valid_upto: date | None = None
    uom: str = ""
    creation: str = ""
    medusa_id: str = ""
    medusa_price_id: str = ""
    packing_unit: int = 0
    customer: str = ""
    """The one Customer that it is for; "" for everybody's."""
    inherited: bool = False
    """Whether it is a row of the template: its ids belong to no variant."""
    unreadable: tuple[str, str] | None = None
    """Field and reason of a number or date that cannot be read, as a raw import can leave it."""

    @property
    def is_ever_valid(self) -> bool:
        """False for a window that ends before it starts."""
        return self.valid_from is None or self.valid_upto is None or self.valid_from <= self.valid_upto


@dataclass(frozen=True, slots=True)
class Window:
    """Days from `start` up to, not including, `end`; None is open."""

    start: date | None = None
    end: date | None = None

    def is_past(self, today: date) -> bool:
        """Return whether the window is over."""
        return self.end is not None and self.end <= today

    def remaining(self, today: date) -> "Window":
        """Return the window as of today: a start in the past becomes None."""
        return Window(None, self.end) if self.start is not None and self.start <= today else self

    def overlaps(self, other: "Window") -> bool:
        """Return whether there is a day in both."""
        begins_before_end = self.start is None or other.end is None or self.start < other.end
        ends_after_start = self.end is None or other.start is None or other.start < self.end
        return begins_before_end and ends_after_start

    def __str__(self) -> str:
        start = f"from {self.start}" if self.start else ""
        end = f"up to {self.end - ONE_DAY}" if self.end else ""
        return " ".join(part for part in (start, end) if part) or "always"


@dataclass(frozen=True, slots=True, order=True)
class Tier:
    """Pieces that a price is for: from `least` up to and including `most`, which 0 leaves open."""

    least: int = 1
    most: int = 0
    group: str = ""
    """The customer group of Medusa whose members alone are asked it; "" for all that the list is for."""

    @property
    def body(self) -> dict[str, Any]:
        """Return what Medusa gets of it; any number of pieces needs no word."""
        least = {"min_quantity": self.least} if self.least > 1 else {}
        rules = {"rules": {GROUPS_RULE: self.group}} if self.group else {}
        return {**least, **({"max_quantity": self.most} if self.most else {}), **rules}

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Tier":
        """Return the pieces that an entry of Medusa is for, and the group where its rules were asked for."""
        # Below a list they come as an object, elsewhere as rows.
        rules = entry.get("rules") or {row["attribute"]: row["value"] for row in entry.get("price_rules") or ()}
        least, most = entry.get("min_quantity") or 1, entry.get("max_quantity") or 0
        return cls(max(int(least), 1), int(most), rules.get(GROUPS_RULE) or "")

    def overlaps(self, other: "Tier") -> bool:
        """Return whether somebody who takes some number of pieces is asked both."""
        if self.group != other.group:
            return False
        return (not self.most or other.least <= self.most) and (not other.most or self.least <= other.most)


ANY_NUMBER = Tier()


@dataclass(frozen=True, slots=True)
class Segment:
    """A window in which one row is valid, for some numbers of pieces."""

    window: Window
    row: PriceRow
    tier: Tier = ANY_NUMBER


def first_day_after(valid_upto: date | None) -> date | None:
    """Return the first day on which the row is no longer valid, or None if it never ends."""
    return None if valid_upto is None or valid_upto == date.max else valid_upto + ONE_DAY


def rank(row: PriceRow) -> tuple[bool, bool, date, bool, str, str]:
    """Return the sort key of a row: of the rows valid on a day, the highest one is used."""
    return (*level(row), row.valid_from or date.min, bool(row.uom), row.creation, row.name)


def level(row: PriceRow) -> tuple[bool, bool]:
    """Return what comes before all else in the sort key of a row."""
    return not row.inherited, bool(row.customer)


def cut(rows: Iterable[PriceRow]) -> list[Segment]:
    """Return windows, in order of time, that each have one row; days without a valid row are in no window."""
    valid = [row for row in rows if row.is_ever_valid]
    edges = {edge for row in valid for edge in (row.valid_from, first_day_after(row.valid_upto)) if edge is not None}
    bounds: list[date | None] = [None, *sorted(edges), None]
    segments: list[Segment] = []
    for start, end in pairwise(bounds):
        # Nothing changes between two edges, so one day represents the whole piece.
        day = start or (end - ONE_DAY if end and end > date.min else date.min)
        row = in_force(valid, day)
        if row is None:
            continue
        last = segments[-1] if segments else None
        if last is not None and last.row is row and last.window.end == start:
            segments[-1] = Segment(Window(last.window.start, end), row)
        else:
            segments.append(Segment(Window(start, end), row))
    return segments


def in_force(rows: Iterable[PriceRow], day: date) -> PriceRow | None:
    """Return the row that ERPNext uses on a day, or None."""
    valid = (
        row
        for row in rows
        if (row.valid_from is None or row.valid_from <= day) and (row.valid_upto is None or day <= row.valid_upto)
    )
    return max(valid, key=rank, default=None)


def left_over(segments: Iterable[Segment], today: date) -> list[Segment]:
    """Return current and future segments; starts in the past become None."""
    return [
        replace(segment, window=segment.window.remaining(today))
        for segment in segments
        if not segment.window.is_past(today)
    ]


def starts_at(window: Window, zone: ZoneInfo) -> str | None:
    """Return the window's first instant in Medusa's format, or None."""
    return None if window.start is None else _iso(_midnight(window.start, zone))


def ends_at(window: Window, zone: ZoneInfo) -> str | None:
    """Return the window's last instant in Medusa's format, or None."""
    return None if window.end is None else _iso(_midnight(window.end, zone) - TICK)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant of a day. If clocks skip midnight, it is the instant at which they do."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
