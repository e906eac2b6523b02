"""What ERPNext would sell."""

from datetime import date
from typing import Any

import pytest

from erp_medusa_pipelines.sync.shop.for_sale import reason_against

TODAY = date(2026, 11, 29)


def row(**values: Any) -> dict[str, Any]:
    return {
        "published": 1, "item_code": "GLOVE", "item_disabled": 0, "item_end_of_life": "2099-12-31",
        "item_has_variants": 0, "item_is_sales_item": 1, "item_is_stock_item": 1, **values,
    }  # fmt: skip


@pytest.mark.parametrize("end", [None, "", "0000-00-00", "2026-11-30", "2099-12-31"])
def test_a_published_item_that_is_still_sold_is_for_sale(end: str | None) -> None:
    assert reason_against(row(item_end_of_life=end), TODAY) is None


def test_a_service_is_for_sale() -> None:
    assert reason_against(row(item_is_stock_item=0), TODAY) is None


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"published": 0}, "it is not published in ERPNext"),
        ({"item_code": None}, "the Website Item has no Item"),
        ({"item_is_stock_item": None}, "its Item GLOVE does not exist"),
        ({"item_disabled": 1}, "its Item GLOVE is disabled"),
        ({"item_end_of_life": "2026-11-29"}, "its Item GLOVE reached its end of life on 2026-11-29"),
        ({"item_end_of_life": "2020-01-31"}, "its Item GLOVE reached its end of life on 2020-01-31"),
        ({"item_end_of_life": 1e308}, "its Item GLOVE has an end of life that is no date"),
        ({"item_end_of_life": "2026-02-30"}, "its Item GLOVE has an end of life that is no date"),
        ({"item_has_variants": 1}, "its Item GLOVE is a template: its variants are sold"),
        ({"item_is_sales_item": 0}, "its Item GLOVE is not for sales (Allow Sales is off)"),
    ],
)
def test_the_reason_names_what_stands_against_it(values: dict[str, Any], reason: str) -> None:
    assert reason_against(row(**values), TODAY) == reason
