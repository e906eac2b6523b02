"""What a field of ERPNext may hold that its type forbids."""

import math
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from erp_medusa_pipelines.sync.engine.values import Values


@pytest.mark.parametrize(
    ("value", "found"), [(1.1, "1.1"), (0, "0"), (None, "0"), ("", "0"), (12.345, "12.345"), (-3, "-3")]
)
def test_a_number_has_the_digits_that_the_erp_wrote(value: Any, found: str) -> None:
    values = Values({"rate": value})
    assert (values.decimal("rate"), values.unreadable) == (Decimal(found), None)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("many", "no number"),
        ("12", "no number"),
        (math.nan, "no number"),
        (math.inf, "no number"),
        (10**40, "too large"),
    ],
)
def test_what_is_no_number_is_named_and_counts_as_empty(value: Any, problem: str) -> None:
    values = Values({"rate": value})
    assert (values.decimal("rate"), values.unreadable) == (Decimal(0), ("rate", f"rate is {problem}"))


def test_a_number_of_pieces_is_whole_and_fits_medusa() -> None:
    values = Values({"pack": 12.0, "most": 1e12})
    assert (values.pieces("pack"), values.pieces("most")) == (12, 0)
    assert values.unreadable == ("most", "most is too large")


def test_the_first_field_that_cannot_be_read_is_named() -> None:
    values = Values({"valid_from": 20260101, "rate": "x", "valid_upto": "2026-02-28"})
    assert (values.day("valid_from"), values.decimal("rate"), values.day("valid_upto")) == (
        None,
        Decimal(0),
        date(2026, 2, 28),
    )
    assert values.unreadable == ("valid_from", "valid_from is no date")


def test_a_text_is_a_text_whatever_it_was() -> None:
    assert [Values({"uom": value}).text("uom") for value in (None, "", "Nos", 7, math.nan)] == [
        "",
        "",
        "Nos",
        "7",
        "nan",
    ]
