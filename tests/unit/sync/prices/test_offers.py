"""Item Prices and Pricing Rules put together, without any server."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from erp_medusa_pipelines.sync.prices.offers import Offers, offers_of
from erp_medusa_pipelines.sync.prices.pricing_rules import PricingRules, Rule, Subject
from erp_medusa_pipelines.sync.prices.windows import PriceRow, Tier, Window, cut

TODAY = date(2026, 5, 10)
SUBJECT = Subject(
    "ITEM", "TEMPLATE", frozenset({"gloves", "all item groups"}), "Roche", "Nos", "Standard Selling", "OMR"
)


def day(number: int) -> date:
    return date(2026, 5, number)


def row(name: str = "P-1", rate: str = "20", **fields: Any) -> PriceRow:
    return PriceRow(**{"name": name, "rate": Decimal(rate), "currency": "OMR", **fields})


def rule(
    name: str = "R-1", percent: str = "10", apply_on: str = "Item Code", target: str = "item", **fields: Any
) -> Rule:
    values = {"kind": "Discount Percentage", "value": Decimal(percent), "currency": "OMR", "window": Window()}
    return Rule(**{"name": name, "apply_on": apply_on, "targets": {target: ""}, "tier": Tier(), **values, **fields})


def offers(rows: list[PriceRow], *rules: Rule, packs: tuple[PriceRow, ...] = ()) -> Offers:
    ordered = sorted(rules, key=lambda one: (one.priority, one.name), reverse=True)
    return offers_of(rows, packs, PricingRules(ordered), SUBJECT, TODAY)


def told(found: list[Any]) -> list[tuple[Window, tuple[int, int], str]]:
    return [(one.window, (one.tier.least, one.tier.most), f"{one.row.rate.normalize():f}") for one in found]


def test_without_rules_it_is_what_the_rows_say() -> None:
    rows = [row(), row("P-2", "15", valid_from=day(12), valid_upto=day(14))]
    assert offers(rows).prices == cut(rows)
    assert offers(rows, rule(target="another")).prices == cut(rows)


def test_a_sale_lies_beside_its_price_which_no_rule_cuts() -> None:
    found = offers([row()], rule(window=Window(day(12), day(15))))
    assert told(found.prices) == [(Window(), (1, 0), "20")]
    assert told(found.sales) == [(Window(day(12), day(15)), (1, 0), "18")]


def test_quantities_meet_without_a_gap_and_without_overlapping() -> None:
    found = offers([row()], rule(tier=Tier(5, 9)), rule("R-2", "20", tier=Tier(10)))
    assert told(found.prices) == [(Window(), (1, 0), "20")]
    assert told(found.sales) == [(Window(), (5, 9), "18"), (Window(), (10, 0), "16")]


def test_what_is_dearer_takes_the_prices_place() -> None:
    found = offers([row()], rule(kind="Rate", value=Decimal(25), tier=Tier(3)))
    assert told(found.prices) == [(Window(), (1, 2), "20"), (Window(), (3, 0), "25")]
    assert found.sales == []


def test_a_rate_in_another_currency_is_none() -> None:
    assert offers([row()], rule(kind="Rate", value=Decimal(5), currency="USD")).sales == []


@pytest.mark.parametrize(
    ("rules", "asked"),
    [
        pytest.param([rule(), rule("R-2", "50", "Item Group", "gloves")], "18", id="the item's own before its group's"),
        pytest.param([rule("R-1", "10", target="template")], "18", id="the template's are its own"),
        pytest.param(
            [rule("R-2", "50", "Brand", "roche"), rule("R-3", "30", "Item Group", "gloves")], "14", id="brand"
        ),
        pytest.param(
            [rule(priority=1, has_priority=True), rule("R-2", "50", "Item Group", "gloves", priority=2)],
            "10",
            id="a priority lets the next ones in",
        ),
        pytest.param([rule(priority=1), rule("R-2", "50", priority=2)], "10", id="the highest priority"),
        pytest.param([rule(), rule("R-2", "50", price_list="standard selling")], "10", id="one for the list"),
        pytest.param(
            [rule("R-2", "20", is_silent=True), rule(price_list="Standard Selling")],
            "18",
            id="one for the list before a coupon's, as on a real ERPNext",
        ),
        pytest.param([rule("R-1", "50", price_list="Other")], None, id="for another list"),
        pytest.param([rule("R-1", "50", customer_group="Trade")], None, id="for a group"),
        pytest.param([rule("R-1", "50", tier=Tier(2))], None, id="for two"),
        pytest.param(
            [rule(is_silent=True, unsaid="coupon"), rule("R-2", "50", "Brand", "roche")], None, id="a coupon's"
        ),
    ],
)
def test_which_rule_counts(rules: list[Rule], asked: str | None) -> None:
    of_one = [price for _, (least, _), price in told(offers([row()], *rules).sales) if least == 1]
    assert of_one == ([asked] if asked else [])


@pytest.mark.parametrize(
    ("rules", "names"),
    [
        ([rule(), rule("R-2", "50")], ("R-2", "R-1")),
        ([rule(unsaid="it has a condition in Python", blocks=True), rule("R-2", "50", priority=9)], ("R-1",)),
        ([rule(stacks=True), rule("R-2", "50", stacks=True)], ("R-2", "R-1")),
    ],
)
def test_what_erpnext_would_ask_is_not_guessed(rules: list[Rule], names: tuple[str, ...]) -> None:
    found = offers([row()], *rules)
    assert found.sales == []
    assert [*found.problems] == [names]


@pytest.mark.parametrize(
    ("apply_on", "targets", "is_found_twice"),
    [
        ("Item Group", {"gloves": "", "all item groups": ""}, True),
        ("Item Group", {"gloves": "", "masks": ""}, False),
        ("Item Group", {"gloves": "", "all item groups": "Box"}, False),
        ("Item Code", {"item": "", "template": ""}, True),
        ("Item Code", {"item": "Box", "template": ""}, False),
    ],
)
def test_a_rule_that_erpnext_finds_twice_conflicts_with_itself(
    apply_on: str, targets: dict[str, str], is_found_twice: bool
) -> None:
    found = offers([row()], rule(apply_on=apply_on, targets=targets))
    assert [segment.row.rate for segment in found.sales] == ([] if is_found_twice else [Decimal(18)])
    assert ["conflicts with itself" in problem for problem in found.problems.values()] == [True] * is_found_twice


def test_the_largest_pack_that_is_filled_counts_while_it_is_valid() -> None:
    packs = (row("P-6", "8", packing_unit=6, valid_upto=day(11)), row("P-12", "7", packing_unit=12))
    assert told(offers([row()], packs=packs).prices) == [
        (Window(None, day(12)), (1, 5), "20"),
        (Window(None, day(12)), (6, 11), "8"),
        (Window(), (12, 0), "7"),
        (Window(day(12)), (1, 11), "20"),
    ]
