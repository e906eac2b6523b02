"""The ranking, as a pure function: totals, trees, ties, and what does not count."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_medusa_pipelines.sync.merchandising.dtypes import RANKING_DTYPES
from erp_medusa_pipelines.sync.merchandising.item_groups import ItemGroupTree
from erp_medusa_pipelines.sync.merchandising.sales import Sales, sample
from erp_medusa_pipelines.sync.merchandising.top_sellers import (
    ITEM_DTYPES,
    CategoryError,
    rank,
    rank_changes,
)

# Root(1,12) > Dental(2,7) > Implants(3,6) > Screws(4,5); Medical(8,11) > Gauze(9,10)
TREE = ItemGroupTree(
    {"name": name, "lft": lft, "rgt": rgt}
    for name, lft, rgt in (
        ("Root", 1, 12), ("Dental", 2, 7), ("Implants", 3, 6), ("Screws", 4, 5), ("Medical", 8, 11), ("Gauze", 9, 10)
    )
)  # fmt: skip
GROUPS = ("Root", "Dental", "Implants", "Screws", "Medical", "Gauze", "gone")
UNDER = {"Dental": {"Dental", "Implants", "Screws"}, "Medical": {"Medical", "Gauze"}}
CATEGORIES = {"Dental": "dental_items", "Medical": "medical_items"}

quantities = st.decimals(min_value=-1000, max_value=1000, places=3).map(float)
codes = st.text(min_size=1, max_size=4)
lines = st.lists(st.tuples(codes, quantities), max_size=60)
items = st.dictionaries(codes, st.tuples(st.sampled_from(GROUPS), st.booleans(), st.booleans()), max_size=40)


def sales_of(rows: list[tuple[str, float]]) -> Sales:
    sales = Sales(pushed_down=False)
    for code, quantity in rows:
        sales.add(code, quantity)
    return sales


def item_table(known: dict[str, tuple[str, bool, bool]]) -> pd.DataFrame:
    rows = [(code, f"name of {code}", *facts) for code, facts in known.items()]
    return pd.DataFrame(rows, columns=list(ITEM_DTYPES)).astype(ITEM_DTYPES)


@given(lines, items, st.integers(1, 5), st.booleans())
@pytest.mark.long
def test_the_ranking_is_what_a_plain_computation_says(
    rows: list[tuple[str, float]], known: dict[str, tuple[str, bool, bool]], most: int, include_hidden: bool
) -> None:
    ranking = rank(
        sales_of(rows).table(), item_table(known), TREE, CATEGORIES, most=most, include_hidden=include_hidden
    )
    totals: dict[str, int] = {}
    for code, quantity in rows:
        totals[code] = totals.get(code, 0) + round(quantity * 1000)
    expected = []
    for category, groups in UNDER.items():
        listed = [
            code
            for code in totals
            if code in known
            and totals[code] > 0
            and known[code][0] in groups
            and (include_hidden or (known[code][2] and not known[code][1]))
        ]
        listed.sort(key=lambda code: (-totals[code], code))
        expected += [
            (category, CATEGORIES[category], place, code, totals[code] / 1000)
            for place, code in enumerate(listed[:most], start=1)
        ]
    columns = ["category", "table_field", "rank", "item_code", "sales_qty"]
    assert list(ranking[columns].itertuples(index=False, name=None)) == expected
    assert {str(name): str(kind) for name, kind in ranking.dtypes.items()} == RANKING_DTYPES


@given(lines, st.randoms(use_true_random=False), st.integers(1, 7))
def test_totals_do_not_depend_on_order_or_on_how_the_lines_are_divided(
    rows: list[tuple[str, float]], random: object, size: int
) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # pyright: ignore[reportAttributeAccessIssue]
    windows = Sales(pushed_down=True)
    for start in range(0, len(shuffled), size):
        window = shuffled[start : start + size]
        for code in {code for code, _ in window}:
            some = [quantity for other, quantity in window if other == code]
            windows.add(code, sum(some), len(some))
    pd.testing.assert_frame_equal(windows.table(), sales_of(rows).table())


def test_a_group_is_found_as_the_database_compares_it() -> None:
    span = TREE.get(" dental ")
    assert span is not None
    assert span.name == "Dental"


def test_an_unknown_category_is_named_with_what_there_is() -> None:
    with pytest.raises(CategoryError, match=r"'Dentall'.*Nothing was written.*Dental, Gauze"):
        rank(sales_of([]).table(), item_table({}), TREE, {"Dentall": "dental_items"}, most=3)


def test_a_shop_without_sales_has_an_empty_ranking_with_the_documented_columns() -> None:
    ranking = rank(sales_of([]).table(), item_table({}), TREE, CATEGORIES, most=3)
    assert {str(name): str(kind) for name, kind in ranking.dtypes.items()} == RANKING_DTYPES
    assert len(ranking) == 0


def test_lines_without_an_item_are_nobodys_sale() -> None:
    sales = Sales(pushed_down=False)
    sales.add(None, 5.0)
    sales.add("", 5.0)
    assert len(sales.table()) == 0


def test_the_sample_reaches_from_best_to_slowest_and_leaves_out_very_long_ones() -> None:
    rows = [(f"i{place:02d}", float(place)) for place in range(20)]
    rows += [("huge", 1000.0)] * 3
    assert sample(sales_of(rows).table(), 3, most_lines=2) == ["i19", "i09", "i00"]
    assert sample(sales_of(rows[:2]).table(), 5) == ["i01", "i00"]
    assert sample(sales_of([("a", 1.0)] * 3 + [("b", 9.0)] * 4).table(), 1, most_lines=2) == ["a"]


def test_changes_name_what_entered_left_and_moved() -> None:
    known: dict[str, tuple[str, bool, bool]] = dict.fromkeys("abcd", ("Dental", False, True))
    ranking = rank(sales_of([("a", 3), ("c", 2), ("b", 1)]).table(), item_table(known), TREE, CATEGORIES, most=9)
    shown = {
        "dental_items": [
            {"item_code": "a", "item_name": "A", "sales_count": 1.0},
            {"item_code": "b", "item_name": "B", "sales_count": 1.0},
            {"item_code": "d", "item_name": "D", "sales_count": 0.5},
        ]
    }
    changes = rank_changes(ranking, shown, CATEGORIES)
    found = {(one.change, one.item_code, one.rank_before, one.rank_now) for one in changes}
    assert found == {("entered", "c", None, 2), ("moved", "b", 2, 3), ("left", "d", 3, None)}
