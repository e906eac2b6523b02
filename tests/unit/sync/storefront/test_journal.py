"""What is remembered of mails, for how long, and what a memory that nobody can read means."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from erp_medusa_pipelines.sync.storefront.journal import READ_AT_ONCE, Journal, State

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)


class Kept(dict[str, Mapping[str, Any]]):
    """A store in memory; reading too many keys at once fails, as a database does."""

    def load(self, keys: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
        assert len(keys) <= READ_AT_ONCE
        return {key: self[key] for key in keys if key in self}

    def save(self, key: str, value: Mapping[str, Any]) -> None:
        self[key] = value

    def below(self, prefix: str) -> list[str]:
        return [key for key in self if key.startswith(prefix)]

    def delete(self, keys: Collection[str]) -> None:
        for key in keys:
            del self[key]


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def journal(kept: Kept) -> Journal:
    return Journal(kept, "abandoned_carts")


def test_a_state_that_nobody_here_knows_counts_as_handed_over(kept: Kept, journal: Journal) -> None:
    journal.write("cart_1", State.SENT, NOW)
    for place in kept:
        kept[place] = {"state": "read_by_customer", "at": "soon"}
    assert journal.entries(["cart_1", "cart_2"])["cart_1"].state is State.HANDED_OVER


def test_old_entries_are_found_in_number_and_forgotten_alone(kept: Kept, journal: Journal) -> None:
    for number in range(2 * READ_AT_ONCE + 1):
        journal.write(f"cart_{number}", State.SENT, NOW - timedelta(days=number))
    other = Journal(kept, "newsletter")
    other.write("cart_9", State.SENT, NOW - timedelta(days=900))
    old = journal.older_than(NOW - timedelta(days=60))
    assert len(old) == 2 * READ_AT_ONCE + 1 - 61
    assert {"cart_61", "cart_1000"} <= old
    assert "cart_60" not in old
    journal.forget(old)
    assert journal.older_than(NOW + timedelta(days=1)) == {f"cart_{number}" for number in range(61)}
    assert set(other.entries(["cart_9"])) == {"cart_9"}


def test_of_editions_one_alone_is_kept(kept: Kept, journal: Journal) -> None:
    other = Journal(kept, "newsletter")
    journal.write("cart_1", State.SENT, NOW)
    for key in ("2026-11-22/a", "2026-11-22/b", "2026-11-29/a"):
        other.write(key, State.SENT, NOW)
    other.keep_only("2026-11-29/")
    assert set(other.entries(["2026-11-22/a", "2026-11-22/b", "2026-11-29/a"])) == {"2026-11-29/a"}
    assert set(journal.entries(["cart_1"])) == {"cart_1"}
