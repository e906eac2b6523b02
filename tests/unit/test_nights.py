"""The model of a night against what real servers were measured at, and against arithmetic."""

import pytest
import simpy

from dev.night_model import (
    LOOK_UP,
    MAKE_PRODUCTS,
    START_SECONDS,
    STEPS,
    UPDATE_PRICES,
    UPDATE_PRODUCTS,
    WINDOW,
    Call,
    Kind,
    Model,
    Site,
    Step,
    simulate,
)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("call", "rows", "at_once", "measured"),
    [
        (MAKE_PRODUCTS, 100, 1, 155),
        (MAKE_PRODUCTS, 100, 2, 203),
        (MAKE_PRODUCTS, 100, 4, 218),
        (UPDATE_PRODUCTS, 100, 1, 400),
        (UPDATE_PRODUCTS, 100, 2, 532),
        (UPDATE_PRODUCTS, 100, 4, 549),
        (UPDATE_PRICES, 500, 1, 1217),
        (UPDATE_PRICES, 500, 2, 1309),
        (UPDATE_PRICES, 500, 4, 1374),
    ],
)
def test_rows_written_a_second_are_those_of_a_real_medusa(call: Call, rows: int, at_once: int, measured: float) -> None:
    model = Model(Site(), "first")
    left = [400]
    lanes = [model.world.process(model._lane(Step(1, (call,)), left)) for _ in range(at_once)]
    model.world.run(simpy.AllOf(model.world, lanes))
    assert 400 * rows / model.world.now == pytest.approx(measured, rel=0.1)


@pytest.mark.parametrize(
    ("kind", "items", "measured"),
    [("first", 4_000, 363), ("quiet", 4_000, 129), ("first", 30_000, 1968), ("quiet", 30_000, 750)],
)
def test_requests_are_those_of_a_run_against_a_real_medusa(kind: Kind, items: int, measured: int) -> None:
    """In one batch. The model leaves out some 35 requests of each run, and one for each of 64 new collections."""
    left_out = 35 + 64 * (kind == "first")
    assert simulate(kind, items, 1, Site(workers=1)).requests + left_out == pytest.approx(measured, rel=0.05)


@pytest.mark.parametrize(("kind", "measured"), [("quiet", 4.6), ("quarter", 7.9)])
def test_medusas_work_in_a_night_of_4000_items_is_that_of_a_real_one(kind: Kind, measured: float) -> None:
    """Half counts of calls that were under way two at a time. The model is slower: its prices are of a bigger shop."""
    night = simulate(kind, 4_000, 1, Site(workers=1))
    assert 1 <= night.busy["Medusa"] / measured <= 1.3


def test_one_run_alone_takes_the_sum_of_its_calls() -> None:
    night = simulate("quiet", 40_000, 1, Site(workers=1))
    windows = 40_000 / WINDOW
    calls = sum(
        round(windows * step.per_window) * sum(seconds for call in step.calls for _, seconds in call.seconds)
        for step in STEPS["quiet"]
    )
    assert night.seconds == pytest.approx(START_SECONDS + calls)


def test_no_number_of_runs_makes_the_night_shorter_than_the_work_of_one_thread() -> None:
    nights = [simulate("quiet", 100_000, 64, Site(workers=workers)) for workers in (1, 2, 4, 64)]
    assert [night.seconds for night in nights] == sorted((night.seconds for night in nights), reverse=True)
    assert nights[-1].seconds >= 100_000 / WINDOW * 5.1 * LOOK_UP.seconds[0][1]
    assert all(night.share("Medusa") <= 1 for night in nights)


def test_a_million_items_in_64_batches_are_all_worked_on() -> None:
    night = simulate("first", 1_000_000, 64, Site(workers=8, erpnext=8))
    expected = sum(1_000_000 / WINDOW * step.per_window * len(step.calls) for step in STEPS["first"])
    assert night.requests == pytest.approx(expected, rel=0.02)
