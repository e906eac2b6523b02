"""Which Item Price is in force when: rows with overlapping validity cut into windows that do not overlap.

Belongs here: the rule, as pure functions over dates and moments. Does not belong here: reading rows or sending prices.

ERPNext takes, of the rows valid on a day, the one with the latest valid_from; rows without valid_from come last, and of
rows with the same valid_from the one that names its UOM comes before the one that names none. What is still equal then,
ERPNext leaves to chance; here the row that was created last wins (`modified` would not do: writing ids changes it).

Medusa takes the lowest of all entries in force, so what it holds for one variant must never overlap. Days become
moments in the site's time zone. Medusa's `ends_at` is inclusive and kept in milliseconds, hence a window ends one
millisecond before the next begins.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

ONE_DAY = timedelta(days=1)
TICK = timedelta(milliseconds=1)
"""The finest time that Medusa keeps."""


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One Item Price, as far as the rule and the sync need it. Emptiness is None or ''."""

    name: str
    rate: Decimal
    currency: str
    valid_from: date | None = None
    valid_upto: date | None = None
    uom: str = ""
    creation: str = ""
    medusa_id: str = ""
    medusa_price_id: str = ""

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
        """Whether the window is over."""
        return self.end is not None and self.end <= today

    def remaining(self, today: date) -> "Window":
        """What is left of the window: a start in the past is no start."""
        return Window(None, self.end) if self.start is not None and self.start <= today else self

    def __str__(self) -> str:
        start = f"from {self.start}" if self.start else ""
        end = f"up to {self.end - ONE_DAY}" if self.end else ""
        return " ".join(part for part in (start, end) if part) or "always"


@dataclass(frozen=True, slots=True)
class Segment:
    """A window in which one row is in force."""

    window: Window
    row: PriceRow


def first_day_after(valid_upto: date | None) -> date | None:
    """The day on which a row is valid no more; None when it never ends."""
    return None if valid_upto is None or valid_upto == date.max else valid_upto + ONE_DAY


def rank(row: PriceRow) -> tuple[date, bool, str, str]:
    """Of the rows valid on a day, the one with the highest rank is in force."""
    return (row.valid_from or date.min, bool(row.uom), row.creation, row.name)


def cut(rows: Iterable[PriceRow]) -> list[Segment]:
    """Windows in order of time in which one and the same row is in force; days without a valid row are in none."""
    valid = [row for row in rows if row.is_ever_valid]
    edges = {edge for row in valid for edge in (row.valid_from, first_day_after(row.valid_upto)) if edge is not None}
    bounds: list[date | None] = [None, *sorted(edges), None]
    segments: list[Segment] = []
    for start, end in pairwise(bounds):
        # Between two edges nothing changes, so any day of the piece speaks for all of it.
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
    """The row that ERPNext takes on a day."""
    valid = (
        row
        for row in rows
        if (row.valid_from is None or row.valid_from <= day) and (row.valid_upto is None or day <= row.valid_upto)
    )
    return max(valid, key=rank, default=None)


def left_over(segments: Iterable[Segment], today: date) -> list[Segment]:
    """What of the segments is still to come or going on, with starts in the past taken away."""
    return [
        Segment(segment.window.remaining(today), segment.row)
        for segment in segments
        if not segment.window.is_past(today)
    ]


def starts_at(window: Window, zone: ZoneInfo) -> str | None:
    """The window's first moment, as Medusa writes it."""
    return None if window.start is None else _iso(_midnight(window.start, zone))


def ends_at(window: Window, zone: ZoneInfo) -> str | None:
    """The window's last moment, as Medusa writes it."""
    return None if window.end is None else _iso(_midnight(window.end, zone) - TICK)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a day. Where clocks skip midnight, zoneinfo gives the moment at which they do."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
