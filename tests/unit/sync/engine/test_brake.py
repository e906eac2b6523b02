"""When a run would take too much away."""

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

import pytest

from erp_medusa_pipelines.sync.engine.brake import Guard, Limit, Loss, Memory


class Kept:
    """A store in memory."""

    def __init__(self) -> None:
        self.values: dict[str, Mapping[str, Any]] = {}

    def load(self, keys: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
        return {key: self.values[key] for key in keys if key in self.values}

    def save(self, key: str, value: Mapping[str, Any]) -> None:
        self.values[key] = value


def guard(store: Kept, batch: str = "batch_0", *, day: int = 1, percent: int = 20, **options: Any) -> Guard:
    limit = Limit("prices", "items would lose their only price", percent, "PERCENT", "allow_it", "Check the list.")
    return Guard(limit, Memory("prices", batch, store, date(2026, 11, day)), **options)


def loss(first: int, last: int, of: int = 100) -> Loss:
    """Items `first` up to, not including, `last` of those that are still there."""
    return Loss({str(number): f"ITEM-{number}" for number in range(first, last)}, set(map(str, range(first, of))))


def no_count() -> Loss:
    raise AssertionError("the shop was counted")


@pytest.mark.parametrize(("lost", "of"), [(3, 3), (3, 5), (11, 12), (8, 9), (11, 54), (30, 30), (201, 1000)])
def test_what_leaves_a_shop_without_much_of_it_is_refused(lost: int, of: int) -> None:
    refused = guard(Kept()).refusal(loss(0, lost, of), lambda: loss(0, lost, of))
    assert f"{lost} of {of} items would lose their only price: more than PERCENT, 20 %." in str(refused)
    assert "ITEM-0, ITEM-1" in str(refused)
    assert "start the run with allow_it: true" in str(refused)


@pytest.mark.parametrize(("lost", "of"), [(0, 0), (1, 1), (2, 2), (2, 4), (10, 20), (11, 55), (200, 1000)])
def test_few_losses_and_what_is_below_the_limit_go_through(lost: int, of: int) -> None:
    assert guard(Kept()).refusal(loss(0, lost, of), lambda: loss(0, lost, of)) is None


def test_a_shop_is_counted_only_where_the_limit_is_near() -> None:
    assert guard(Kept(), batches=4).refusal(loss(0, 5), no_count) is None
    with pytest.raises(AssertionError):
        guard(Kept(), batches=4).refusal(loss(0, 21), no_count)


def test_slices_are_counted_together_over_batches_and_nights_for_a_week() -> None:
    store = Kept()
    assert guard(store, "batch_0", day=1).refusal(loss(0, 10), lambda: loss(0, 10)) is None
    assert guard(store, "batch_1", day=2).refusal(loss(10, 20), lambda: loss(10, 20)) is None
    for day in (3, 4):
        refused = guard(store, "batch_0", day=day).refusal(loss(20, 30), lambda: loss(20, 30))
        assert "30 of 100 items would lose their only price, 20 of them lost in the last 7 days already" in str(refused)
    assert guard(store, "batch_0", day=12).refusal(loss(20, 30), lambda: loss(20, 30)) is None


def test_what_came_back_counts_no_more() -> None:
    store = Kept()
    assert guard(store, day=1).refusal(loss(0, 20), lambda: loss(0, 20)) is None
    assert (
        guard(store, day=2).refusal(Loss({"99": "ITEM-99"}, set(map(str, range(100)))), lambda: loss(99, 100)) is None
    )
    everything = set(map(str, range(100)))
    again = Loss({str(number): "" for number in range(20, 30)}, everything)
    assert guard(store, day=3).refusal(again, lambda: again) is None


def test_who_allows_losses_is_asked_about_the_next_ones_alone() -> None:
    store = Kept()
    assert guard(store, day=1).refusal(loss(0, 15), lambda: loss(0, 15)) is None
    assert guard(store, day=2, allowed=True).refusal(loss(15, 80), no_count) is None
    assert guard(store, day=3).refusal(loss(80, 82), lambda: loss(80, 82)) is None


def test_of_named_documents_a_few_go_through_and_many_are_judged_by_the_shop() -> None:
    assert guard(Kept(), named=True).refusal(loss(0, 10, of=10), no_count) is None
    refused = guard(Kept(), named=True).refusal(loss(0, 11, of=11), lambda: loss(0, 11, of=20))
    assert "11 of 20" in str(refused)
    assert guard(Kept(), named=True).refusal(loss(0, 11, of=11), lambda: loss(0, 50)) is None


def numbers(first: int, last: int) -> set[str]:
    return set(map(str, range(first, last)))


def test_what_a_run_adds_makes_its_own_loss_no_smaller() -> None:
    """The gains are counted by themselves, or are among what the shop shows by now."""
    of_batch = Loss({str(number): "" for number in range(12)}, numbers(0, 12), numbers(100, 200))
    refused = guard(Kept()).refusal(of_batch, lambda: Loss(of_batch.lost, numbers(0, 12) | numbers(100, 200)))
    assert "12 of 12 items" in str(refused)


def test_what_was_added_since_the_day_before_makes_no_loss_smaller_however_often_it_is_tried() -> None:
    store = Kept()
    for batch in ("batch_0", "batch_1"):
        of_batch = numbers(0, 20) if batch == "batch_0" else numbers(20, 40)
        assert guard(store, batch, day=1, batches=2).refusal(Loss({}, of_batch), no_count) is None
    # A catalogue is imported in the same night, into both batches; what was there before is to go.
    gone = {str(number): f"ITEM-{number}" for number in range(12)}
    shop = Loss(gone, numbers(0, 200))
    for day in range(2, 20):
        assert guard(store, "batch_1", day=day, batches=2).refusal(Loss({}, numbers(20, 140)), no_count) is None
        refused = guard(store, "batch_0", day=day, batches=2).refusal(Loss(gone, numbers(0, 100)), lambda: shop)
        assert "12 of 40 items" in str(refused)
    allowed = guard(store, "batch_0", day=20, batches=2, allowed=True)
    assert allowed.refusal(Loss(gone, numbers(0, 100)), no_count) is None
    # Somebody has decided: what the shop has by now is what counts.
    later = Loss({str(number): "" for number in range(12, 24)}, numbers(12, 100))
    shop = Loss(later.lost, numbers(12, 200))
    assert guard(store, "batch_0", day=21, batches=2).refusal(later, lambda: shop) is None


def test_a_shop_that_has_grown_may_lose_as_much_as_one_of_its_size_on_the_next_day() -> None:
    store = Kept()
    assert guard(store, day=1).refusal(Loss({}, numbers(0, 30)), no_count) is None
    assert guard(store, day=2).refusal(Loss({}, numbers(0, 100)), no_count) is None
    lost = Loss({str(number): "" for number in range(15)}, numbers(0, 100))
    assert guard(store, day=3).refusal(lost, lambda: lost) is None


def test_a_few_items_of_the_first_days_say_nothing() -> None:
    store = Kept()
    assert guard(store, day=1).refusal(Loss({}, numbers(0, 5)), no_count) is None
    lost = Loss({str(number): "" for number in range(15)}, numbers(0, 1000))
    assert guard(store, day=2).refusal(lost, lambda: lost) is None


def test_another_number_of_batches_is_another_count() -> None:
    store = Kept()
    assert guard(store, day=1, batches=4).refusal(Loss({}, numbers(0, 30)), no_count) is None
    lost = Loss({str(number): "" for number in range(15)}, numbers(0, 100))
    assert guard(store, day=2).refusal(lost, lambda: lost) is None
