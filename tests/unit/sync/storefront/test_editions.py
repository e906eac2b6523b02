"""When an edition of the newsletter begins, is gone on with, and shows something new."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from erp_medusa_pipelines.sync.storefront.editions import Edition, Editions, has_work

SUNDAY = datetime(2026, 11, 29, tzinfo=UTC)
ITEMS = {"new": ["prod_1"], "clearance": [], "best": ["prod_2"]}


def editions(begun: datetime = SUNDAY, finished: datetime | None = None) -> Editions:
    return Editions(previewed=SUNDAY, approved=SUNDAY, last=Edition(begun, ITEMS, finished))


def test_it_is_kept_and_read_as_it_was() -> None:
    known = editions(finished=SUNDAY + timedelta(hours=9))
    assert Editions.of(known.to_json()) == known
    assert Editions.of({}) == Editions()


@pytest.mark.parametrize(
    ("later", "since"),
    [
        # A schedule's runs are a few seconds more or less than a week apart: nothing between them is missed.
        (timedelta(days=7, seconds=40), SUNDAY),
        (timedelta(days=7, hours=9), SUNDAY),
        (timedelta(days=6, hours=23), SUNDAY - timedelta(hours=1)),
        (timedelta(days=21), SUNDAY + timedelta(days=14)),
    ],
)
def test_new_is_what_came_since_the_last_edition_or_in_a_week(later: timedelta, since: datetime) -> None:
    assert editions().new_since(SUNDAY + later) == since


def test_an_unfinished_edition_is_gone_on_with_for_six_days() -> None:
    assert editions().unfinished(SUNDAY + timedelta(days=5, hours=23))
    assert not editions().unfinished(SUNDAY + timedelta(days=6))
    assert not editions(finished=SUNDAY + timedelta(hours=1)).unfinished(SUNDAY + timedelta(hours=2))


def test_only_products_that_the_last_edition_had_not_are_news() -> None:
    assert editions().shows_nothing_new({"new": [], "clearance": ["prod_1"], "best": ["prod_2"]})
    assert not editions().shows_nothing_new({"new": ["prod_3"], "clearance": [], "best": ["prod_2"]})
    assert Editions().shows_nothing_new({"new": [], "clearance": [], "best": []})


def test_the_hourly_task_starts_a_run_only_for_an_approved_edition_that_is_not_through() -> None:
    now = datetime.now(UTC)
    nobody: Any = None

    def ask(known: Editions) -> bool:
        return has_work(nobody, nobody, known.to_json()).work

    assert ask(editions(begun=now - timedelta(hours=2)))
    assert not ask(editions(begun=now - timedelta(hours=2), finished=now))
    assert not ask(editions(begun=now - timedelta(days=7)))
    assert not ask(Editions(previewed=now))
