"""The model of a night against what real servers were measured at, and against arithmetic."""

import pytest
import simpy

from dev.night_model import LOOK_UP, MAKE_PRODUCTS, START_SECONDS, STEPS, WINDOW, Model, Site, Step, simulate


@pytest.mark.parametrize(("at_once", "measured"), [(1, 155), (2, 203), (4, 218)])
def test_products_made_a_second_are_those_of_a_real_medusa(at_once: int, measured: float) -> None:
    model = Model(Site(), "first")
    left = [400]
    lanes = [model.world.process(model._lane(Step(1, (MAKE_PRODUCTS,)), left)) for _ in range(at_once)]
    model.world.run(simpy.AllOf(model.world, lanes))
    assert 40_000 / model.world.now == pytest.approx(measured, rel=0.1)


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
