"""What a rule takes."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from erp_medusa_pipelines.setting_types import ItemRule
from erp_medusa_pipelines.sync.engine.names import ByName
from erp_medusa_pipelines.sync.shop.chosen import EVERYTHING, Choice

PARENTS = ByName[str]([("All", ""), ("Dental", "All"), ("Implants", "Dental"), ("Round", "Trip"), ("Trip", "Round")])


def choice(rule: dict[str, Any], **channels: dict[str, Any]) -> Choice:
    adapter = TypeAdapter[dict[str, list[str]]](ItemRule)
    rules = {name: adapter.validate_python(one) for name, one in channels.items()}
    return Choice(adapter.validate_python(rule), rules, PARENTS)


def test_without_rules_the_shop_takes_everything_and_reads_nothing_more() -> None:
    assert EVERYTHING.columns == ()
    assert EVERYTHING.reason_against({}) is None
    assert EVERYTHING.channels_of({}) == ()


@pytest.mark.parametrize(("group", "fits"), [("Implants", True), ("DENTAL ", True), ("All", False), ("Round", False)])
def test_an_item_group_stands_for_all_below_it(group: str, fits: bool) -> None:
    """A circle, as an import leaves it, ends."""
    assert (choice({"item_group": "dental"}).reason_against({"item_group": group}) is None) == fits


@pytest.mark.parametrize(
    ("wanted", "value"),
    [(1, 1), (True, 1), ("1", 1.0), ("0", 0), ("", None), ("3M", "3m"), (["GC", "3M"], "3M"), (2.5, 2.5)],
)
def test_values_are_compared_as_the_database_compares_them(wanted: Any, value: Any) -> None:
    assert choice({"custom_line": wanted}).reason_against({"custom_line": value}) is None


def test_the_reason_names_the_field_its_value_and_what_the_setting_takes() -> None:
    rule = choice({"brand": ["3M", "GC"], "item_code.custom_line": "web"})
    assert rule.columns == ("brand", "item_code.custom_line as chosen_custom_line")
    assert rule.reason_against({"brand": None, "chosen_custom_line": "web"}) == (
        "its brand is empty, and SHOP_ITEMS takes 3M, GC alone"
    )
    assert rule.reason_against({"brand": "GC", "chosen_custom_line": "shop"}) == (
        "its item_code.custom_line is shop, and SHOP_ITEMS takes web alone"
    )


def test_a_product_is_in_each_channel_whose_rule_it_meets() -> None:
    rules = choice({}, sc_2={"item_group": "Dental"}, sc_1={"brand": "3M"}, sc_3={"brand": "GC"})
    assert rules.columns == ("item_group", "brand")
    assert rules.channels_of({"item_group": "Implants", "brand": "3M"}) == ("sc_1", "sc_2")
    assert rules.channels_of({"item_group": "All", "brand": None}) == ()


@pytest.mark.parametrize(
    "rule", ["Dental", {"item group": "Dental"}, {"brand": []}, {"brand": [None]}, {"brand": [{}]}]
)
def test_a_rule_that_says_nothing_is_refused(rule: Any) -> None:
    with pytest.raises(ValidationError):
        choice(rule)
