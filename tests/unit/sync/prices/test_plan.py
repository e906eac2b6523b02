"""What must be done for one item, without any server."""

from datetime import date
from decimal import Decimal
from typing import Any

from erp_medusa_pipelines.sync.prices.amounts import AmountRule
from erp_medusa_pipelines.sync.prices.item_prices import ItemPrices, PricedItem
from erp_medusa_pipelines.sync.prices.plan import Entry, IdChange, ItemPlan, plan_item
from erp_medusa_pipelines.sync.prices.windows import PriceRow, Window

TODAY = date(2026, 5, 10)
ITEM = PricedItem("WEB-1", "ITEM-1", "Nos", "variant_1")
RULE = AmountRule({"OMR": 3})
ALWAYS = Window()


def row(name: str = "P-1", rate: str = "12.345", **fields: Any) -> PriceRow:
    return PriceRow(**{"name": name, "rate": Decimal(rate), "currency": "OMR", **fields})


def entry(id: str, amount: str = "12.345", window: Window | None = ALWAYS, list_id: str = "plist_1") -> Entry:
    return Entry(id, list_id, window, "OMR", Decimal(amount))


def plan(rows: list[PriceRow], entries: list[Entry], others: tuple[PriceRow, ...] = ()) -> ItemPlan:
    return plan_item(ITEM, ItemPrices(tuple(rows), others, "f1"), entries, rule=RULE, today=TODAY)


def test_a_new_price_becomes_an_entry_whose_id_goes_to_its_row() -> None:
    made = plan([row()], [])
    ((window, wanted),) = made.create
    assert window == ALWAYS
    assert wanted.body == {"variant_id": "variant_1", "amount": 12.345, "currency_code": "omr"}
    assert wanted.ids is not None
    assert wanted.ids.change_to("price_9") == IdChange("P-1", "variant_1 f1", {"medusa_price_id": "price_9"})
    assert (made.found, made.had, made.has, made.losers) == (1, set(), {""}, set())


def test_an_equal_price_costs_nothing() -> None:
    made = plan([row(medusa_price_id="price_1")], [entry("price_1")])
    assert (made.unchanged, made.create, made.change, made.ids, made.stale) == (1, [], [], [], [])


def test_a_changed_rate_changes_the_entry_where_it_is() -> None:
    made = plan([row(rate="13", medusa_price_id="price_1")], [entry("price_1", list_id="plist_7")])
    ((list_id, wanted),) = made.change
    body = {"id": "price_1", "variant_id": "variant_1", "amount": 13.0, "currency_code": "omr"}
    assert (list_id, wanted.body) == ("plist_7", body)
    assert (made.create, made.stale) == ([], [])


def test_of_duplicates_the_one_with_the_right_amount_stays() -> None:
    made = plan([row(medusa_price_id="price_2")], [entry("price_1", "9"), entry("price_2"), entry("price_3")])
    assert made.unchanged == 1
    assert sorted(one.id for one in made.stale) == ["price_1", "price_3"]
    assert not made.losers


def test_a_row_without_any_day_left_loses_its_ids_and_its_entry() -> None:
    over = row(valid_upto=date(2026, 5, 9), medusa_price_id="price_1", medusa_id="plist_1")
    made = plan([over], [entry("price_1")])
    assert made.ids == [IdChange("P-1", "variant_1 f1", {"medusa_price_id": "", "medusa_id": ""})]
    assert [one.id for one in made.stale] == ["price_1"]
    assert made.losers == {""}


def test_rows_for_other_units_lose_ids_that_they_should_not_have() -> None:
    made = plan([], [], others=(row("P-2", medusa_price_id="price_1"), row("P-3")))
    assert [change.name for change in made.ids] == ["P-2"]


def test_a_row_in_force_twice_has_the_id_of_the_earlier_entry() -> None:
    standing = row("P-1", valid_from=date(2026, 1, 1))
    promotion = row("P-2", "9", valid_from=date(2026, 5, 20), valid_upto=date(2026, 5, 25))
    made = plan([standing, promotion], [])
    assert [(wanted.name, wanted.ids is not None) for _, wanted in made.create] == [
        ("P-1", True),
        ("P-2", True),
        ("P-1", False),
    ]


def test_what_cannot_be_shown_is_refused_once_and_keeps_nobody_elses_price() -> None:
    made = plan([row(rate="0", valid_from=date(2026, 5, 1)), row("P-2", "8")], [])
    assert [(one.name, one.field) for one in made.refused] == [("P-1", "price_list_rate")]
    # The refused row keeps its days, and P-2 stands in for none of them: only its own, which are over.
    assert made.create == []


def test_an_entry_in_a_list_that_is_over_has_to_leave() -> None:
    made = plan([row()], [entry("price_1", window=None)])
    assert [wanted.entry_id for _, wanted in made.create] == [""]
    assert [one.id for one in made.stale] == ["price_1"]
    assert not made.had
