"""Bins roll up a tree of warehouses, to the location of the nearest mapping."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_medusa_pipelines.sync.stock.items import TREE as COLUMNS
from erp_medusa_pipelines.sync.stock.on_hand import NOTHING, OnHand
from erp_medusa_pipelines.sync.stock.warehouses import Warehouses

# name: (lft, rgt, is_group)
TREE = {
    "All": (1, 12, 1),
    "Muscat": (2, 7, 1),
    "Main": (3, 4, 0),
    "Transit": (5, 6, 0),
    "Sohar": (8, 9, 0),
    "Empty": (10, 11, 1),
}


def tree(locations: dict[str, str] | None = None) -> Warehouses:
    rows = [dict(zip(COLUMNS, (name, *bounds, 0, 0, None), strict=True)) for name, bounds in TREE.items()]
    return Warehouses(rows, locations or {}, "here")


def on_hand(
    warehouses: Warehouses, sold_from: dict[str, str], bins: Sequence[tuple[str, str, float]]
) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for code, place in sold_from.items():
        lying: dict[str, OnHand] = {}
        for one, where, quantity in bins:
            if one == code:
                lying[where] = lying.get(where, NOTHING).plus(OnHand(quantity))
        for location, there in warehouses.roll_up(place, lying).items():
            found[f"WEB-{code}", location] = there.actual
    return found


def test_a_warehouse_holds_what_lies_below_it() -> None:
    bins = [("A", "Main", 5), ("A", "Sohar", 2), ("B", "Main", 7), ("B", "All", 1), ("C", "Muscat", 4)]
    found = on_hand(tree(), {"A": "All", "B": "Muscat", "C": "Main"}, bins)
    assert found == {("WEB-A", "here"): 7, ("WEB-B", "here"): 7, ("WEB-C", "here"): 0}


def test_the_nearest_mapping_has_the_last_word() -> None:
    warehouses = tree({"All": "oman", "Muscat": "capital", "Transit": "road"})
    assert warehouses.locations_of("All") == ["capital", "oman", "road"]
    assert warehouses.locations_of("Empty") == ["oman"]
    found = on_hand(warehouses, {"A": "All"}, [("A", "Main", 5), ("A", "Transit", 3), ("A", "Sohar", 2)])
    assert found == {("WEB-A", "capital"): 5, ("WEB-A", "road"): 3, ("WEB-A", "oman"): 2}


def test_sums_of_floats_are_what_people_mean() -> None:
    bins = [("A", "Main", 0.1)] * 30
    assert on_hand(tree(), {"A": "All"}, bins) == {("WEB-A", "here"): 3.0}


def test_a_mapping_of_an_unknown_warehouse_is_refused() -> None:
    with pytest.raises(KeyError, match="Salalah"):
        tree({"Salalah": "there"})


@given(
    bins=st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from(sorted(TREE)), st.integers(-20, 20)), max_size=20),
    places=st.tuples(st.sampled_from(sorted(TREE)), st.sampled_from(sorted(TREE))),
    mapping=st.dictionaries(st.sampled_from(sorted(TREE)), st.sampled_from(["x", "y"]), max_size=3),
)
@pytest.mark.long
def test_nothing_is_lost_and_nothing_counted_twice(
    bins: list[tuple[str, str, int]], places: tuple[str, str], mapping: dict[str, str]
) -> None:
    sold_from = dict(zip("AB", places, strict=True))
    found = on_hand(tree(mapping), sold_from, [(code, place, float(quantity)) for code, place, quantity in bins])
    for code, place in sold_from.items():
        lft, rgt, _ = TREE[place]
        below = sum(quantity for one, where, quantity in bins if one == code and lft <= TREE[where][0] <= rgt)
        assert sum(quantity for (name, _), quantity in found.items() if name == f"WEB-{code}") == below
