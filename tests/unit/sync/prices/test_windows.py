"""The price that Medusa shows is the one that ERPNext uses: for any rows, at any time."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_medusa_pipelines.sync.prices.windows import PriceRow, Window, cut, ends_at, left_over, starts_at

FIRST, LAST = date(2026, 3, 1), date(2026, 4, 10)
DAYS = st.dates(FIRST, LAST)
ZONES = st.sampled_from(["Asia/Muscat", "UTC", "America/Santiago", "Africa/Cairo", "Asia/Kathmandu", "America/Havana"])


@st.composite
def item_prices(draw: st.DrawFn) -> list[PriceRow]:
    """Rows of one item: any windows, also impossible ones, with few distinct days so that ties are common."""
    return [
        PriceRow(
            name=f"row-{number}",
            rate=Decimal(draw(st.integers(1, 50))) / 1000,
            currency="OMR",
            valid_from=draw(st.none() | DAYS),
            valid_upto=draw(st.none() | DAYS | st.just(date.max)),
            uom=draw(st.sampled_from(["", "Nos"])),
            creation=draw(st.sampled_from(["2026-01-01 10:00:00", "2026-01-02 10:00:00"])),
        )
        for number in range(draw(st.integers(0, 8)))
    ]


def erpnext_rate(rows: list[PriceRow], day: date) -> Decimal | None:
    """ERPNext's rule: IfNull(valid_from, ..) <= day <= IfNull(valid_upto, ..), sorted, the first one."""
    open_start, open_end = date(2000, 1, 1), date(2500, 12, 31)
    valid = [row for row in rows if (row.valid_from or open_start) <= day <= (row.valid_upto or open_end)]
    valid.sort(key=lambda row: (row.creation, row.name), reverse=True)
    valid.sort(key=lambda row: row.uom, reverse=True)
    valid.sort(key=lambda row: row.valid_from or date(1, 1, 1), reverse=True)
    return valid[0].rate if valid else None


def medusa_rate(entries: list[tuple[str | None, str | None, Decimal]], moment: datetime) -> Decimal | None:
    """Medusa's rule: starts_at <= now and ends_at >= now, then the lowest."""
    in_force = [
        rate
        for start, end, rate in entries
        if (start is None or datetime.fromisoformat(start) <= moment)
        and (end is None or datetime.fromisoformat(end) >= moment)
    ]
    return min(in_force, default=None)


@given(rows=item_prices(), zone=ZONES, today=DAYS, day=DAYS, offset=st.integers(0, 86_399_999))
def test_medusa_shows_what_erpnext_takes(rows: list[PriceRow], zone: str, today: date, day: date, offset: int) -> None:
    site = ZoneInfo(zone)
    moment = datetime.combine(day, datetime.min.time(), UTC) + timedelta(milliseconds=offset)
    local_day = moment.astimezone(site).date()
    if local_day < today:
        return  # entries made today say nothing about yesterday
    entries = [
        (starts_at(segment.window, site), ends_at(segment.window, site), segment.row.rate)
        for segment in left_over(cut(rows), today)
    ]
    assert medusa_rate(entries, moment) == erpnext_rate(rows, local_day)


@given(rows=item_prices(), zone=ZONES, day=DAYS, milliseconds=st.integers(-2, 2))
@pytest.mark.long
def test_nothing_overlaps_and_nothing_is_missing_around_midnight(
    rows: list[PriceRow], zone: str, day: date, milliseconds: int
) -> None:
    site = ZoneInfo(zone)
    midnight = datetime.combine(day, datetime.min.time(), site).astimezone(UTC)
    moment = midnight + timedelta(milliseconds=milliseconds)
    segments = cut(rows)
    entries = [(starts_at(each.window, site), ends_at(each.window, site), each.row.rate) for each in segments]
    shown = [entry for entry in entries if medusa_rate([entry], moment) is not None]
    assert len(shown) <= 1
    assert medusa_rate(entries, moment) == erpnext_rate(rows, moment.astimezone(site).date())


@given(rows=item_prices(), today=DAYS, later=st.integers(0, 40))
def test_windows_stay_the_same_as_days_pass(rows: list[PriceRow], today: date, later: int) -> None:
    """The segments of a later day are those of before without ended ones, so no entry needs to move."""
    then = today + timedelta(days=later)
    before = {(segment.window.remaining(then), segment.row.name) for segment in left_over(cut(rows), today)}
    after = {(segment.window, segment.row.name) for segment in left_over(cut(rows), then)}
    assert after == {(window, name) for window, name in before if not window.is_past(then)}


def row(
    rate: str, valid_from: date | None = None, valid_upto: date | None = None, name: str = "", **more: Any
) -> PriceRow:
    return PriceRow(name or rate, Decimal(rate), "OMR", valid_from, valid_upto, **more)


def test_a_promotion_interrupts_the_standing_price() -> None:
    standing = row("10.000", date(2026, 1, 1))
    promotion = row("8.500", date(2026, 3, 5), date(2026, 3, 9))
    found = [(segment.window, segment.row.rate) for segment in left_over(cut([standing, promotion]), date(2026, 3, 1))]
    assert found == [
        (Window(None, date(2026, 3, 5)), Decimal("10.000")),
        (Window(date(2026, 3, 5), date(2026, 3, 10)), Decimal("8.500")),
        (Window(date(2026, 3, 10), None), Decimal("10.000")),
    ]


@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [
        ({"uom": "Nos", "creation": "2026-01-01"}, {"uom": "", "creation": "2026-01-02"}, "first"),
        ({"creation": "2026-01-02"}, {"creation": "2026-01-01"}, "first"),
        ({"creation": "2026-01-01"}, {"creation": "2026-01-01"}, "second"),
    ],
    ids=["a named UOM", "created last", "the name"],
)
def test_ties_of_valid_from_are_broken_the_same_way_every_time(
    first: dict[str, Any], second: dict[str, Any], winner: str
) -> None:
    rows = [
        row("1", date(2026, 3, 1), name="first", **first),
        row("2", date(2026, 3, 1), name="second", **second),
    ]
    for order in (rows, rows[::-1]):
        assert [segment.row.name for segment in cut(order)] == [winner]


def test_a_window_that_ends_before_it_starts_is_never_in_force() -> None:
    backwards = row("1", date(2026, 3, 9), date(2026, 3, 5))
    assert not backwards.is_ever_valid
    assert cut([backwards]) == []


def test_days_are_days_of_the_site() -> None:
    window = Window(date(2026, 3, 5), date(2026, 3, 10))
    assert starts_at(window, ZoneInfo("Asia/Muscat")) == "2026-03-04T20:00:00.000Z"
    assert ends_at(window, ZoneInfo("Asia/Muscat")) == "2026-03-09T19:59:59.999Z"
    # Clocks in Cairo go from 00:00 to 01:00 on 24 April 2026: the day begins at 22:00 UTC all the same.
    assert starts_at(Window(date(2026, 4, 24)), ZoneInfo("Africa/Cairo")) == "2026-04-23T22:00:00.000Z"
