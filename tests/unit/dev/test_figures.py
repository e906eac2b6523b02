"""The page of figures: what is below its goal is named first, and a figure that is not measured again stays."""

from datetime import UTC, datetime

import pytest

from dev.figures import MISSED, NOT_WHOLE, Goal, Measurement, page_of, section, sections

NIGHT = Measurement(
    "night",
    "A night",
    ("quiet_night",),
    (
        Goal("requests per 500 items", r"requests per 500 items: ([\d.]+)", most=1),
        Goal("writes", r"writes of a night: ([\d.]+)", most=0),
    ),
)
ALL = (NIGHT, Measurement("x", "X", ("x",)))
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("output", "missed"),
    [
        ("this: requests per 500 items: 0.90; writes of a night: 0", []),
        ("this: requests per 500 items: 84.25; writes of a night: 0", ["requests per 500 items: 84.25"]),
        ("this: requests per 500 items: 1.00; writes of a night: 3", ["writes: 3"]),
    ],
)
def test_what_is_below_its_goal_stands_in_the_first_lines(output: str, missed: list[str]) -> None:
    page = page_of(ALL, {NIGHT.title: section(NIGHT, output, BEGAN)})
    first = page.partition("## ")[0]
    assert [text for text in missed if f"{NIGHT.title}: {text}" in first] == missed
    assert (f"{NIGHT.title}: " in first) == bool(missed)
    assert output in page


def test_the_worst_of_several_figures_counts() -> None:
    goal = Goal("p95", r"p95 ([\d.]+) s", most=45)
    assert goal.missed("price: p95 20.0 s, lost 0\nstock: p95 50.5 s, lost 0") == "p95: 50.5, should be at most 45"
    assert Goal("ratio", r"([\d.]+)", least=0.95).missed("0.97") == ""


def test_what_was_measured_before_stays_and_what_never_was_is_named() -> None:
    page = page_of(ALL, {NIGHT.title: section(NIGHT, "writes of a night: 1", BEGAN)})
    again = page_of(ALL, sections(page))
    assert again == page
    for one in ALL:
        assert (f"{one.title}: not measured yet" in page) == (one is not NIGHT)


def test_a_measurement_without_goals_has_no_line_of_its_own() -> None:
    assert MISSED not in section(ALL[1], "1 s", BEGAN)


def test_a_measurement_that_failed_is_named_first_and_a_reduced_size_is_called_one() -> None:
    small = Measurement("night", "A night", ("quiet_night",), small=("quiet_night", "--items", "400"))
    page = page_of((small,), {small.title: section(small, f"{NOT_WHOLE} it ended with 1:\nno", BEGAN, small=True)})
    assert "A night: it did not run to its end" in page.partition("## ")[0]
    assert "`python -m bench.quiet_night --items 400`, a reduced size." in page
