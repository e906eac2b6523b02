"""Amounts are exact decimals in the currency's precision, or refused with the field to correct."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_medusa_pipelines.clients.medusa_prices import decimal_of, number_of
from erp_medusa_pipelines.sync.prices.amounts import AmountRule, PriceRefusedError, amount_of
from erp_medusa_pipelines.sync.prices.windows import PriceRow

RULE = AmountRule({"OMR": 3, "USD": 2, "JPY": 0})


def row(rate: str, currency: str = "OMR", **more: Any) -> PriceRow:
    return PriceRow("row", Decimal(rate), currency, **more)


@pytest.mark.parametrize(
    ("rate", "currency", "amount"),
    [
        ("12.345", "OMR", "12.345"),
        ("12.3454999", "OMR", "12.345"),
        ("12.345", "USD", "12.34"),
        ("12.355", "USD", "12.36"),
        ("1999.5", "JPY", "2000"),
        ("0.001", "OMR", "0.001"),
        ("1234567.891", "OMR", "1234567.891"),
    ],
)
def test_rates_are_rounded_to_the_currency(rate: str, currency: str, amount: str) -> None:
    assert amount_of(row(rate, currency), RULE) == Decimal(amount)


@pytest.mark.parametrize(
    ("bad", "field", "words"),
    [
        (row("-0.001"), "price_list_rate", "negative"),
        (row("0"), "price_list_rate", "the rate is 0"),
        (row("0.0004"), "price_list_rate", "0 at 3 decimals"),
        (row("1", "XAU"), "currency", "XAU, only JPY, OMR, USD"),
        (row("1", ""), "currency", "(empty)"),
        (row("1", valid_from=date(2026, 3, 2), valid_upto=date(2026, 3, 1)), "valid_upto", "before it starts"),
        (row("12345678901234567.891"), "price_list_rate", "more digits"),
    ],
)
def test_what_cannot_be_shown_is_refused(bad: PriceRow, field: str, words: str) -> None:
    with pytest.raises(PriceRefusedError) as refused:
        amount_of(bad, RULE)
    assert refused.value.field == field
    assert words in refused.value.reason


def test_nothing_can_be_a_price_where_it_is_meant() -> None:
    assert amount_of(row("0"), AmountRule({"OMR": 3}, allow_zero=True)) == 0


@given(st.decimals(Decimal("0.001"), Decimal("99999999.999"), places=3))
def test_an_amount_travels_as_json_and_comes_back_the_same(amount: Decimal) -> None:
    text = json.dumps({"amount": number_of(amount)})
    assert Decimal(text.removeprefix('{"amount": ').removesuffix("}")) == amount
    assert decimal_of(json.loads(text)["amount"]) == amount
