"""Which Item Groups become categories, where and in which order."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from erp_medusa_pipelines.sync.catalogue.category_tree import moves, used_in_tree, wanted_tree


def group(name: str, parent: str | None, weightage: Any = 0) -> dict[str, Any]:
    return {"name": name, "parent_item_group": parent, "weightage": weightage}


GROUPS = [group("All", None), group("A", "All"), group("B", "A", 5), group("C", "B"), group("D", "B", 1)]


def places(groups: list[dict[str, Any]], wanted: set[str]) -> list[tuple[str, str | None]]:
    return [(node.name, node.parent) for node in wanted_tree(groups, wanted).nodes]


def test_a_group_hangs_on_the_nearest_one_that_is_shown() -> None:
    assert places(GROUPS, {"A", "C", "D"}) == [("A", None), ("D", "A"), ("C", "A")]
    assert places(GROUPS, {"a ", "c"}) == [("A", None), ("C", "A")], "as the database compares names"


def test_without_a_weightage_siblings_stand_by_name() -> None:
    flat = [group("b", None, None), group("ä", None), group("c", None, -1), group("C1", None)]
    assert [name for name, _ in places(flat, {"b", "ä", "c", "C1"})] == ["ä", "b", "C1", "c"]


def test_a_weightage_that_is_no_number_is_none() -> None:
    flat = [group("b", None, "heavy"), group("a", None, 1e308), group("c", None, float("nan"))]
    assert [name for name, _ in places(flat, {"a", "b", "c"})] == ["a", "b", "c"]


def test_what_lies_below_itself_is_nowhere() -> None:
    circle = [group("A", "C"), group("B", "A"), group("C", "B"), group("D", "C"), group("E", None), group("F", "F")]
    tree = wanted_tree(circle, {"A", "D", "E", "F"})
    assert [node.name for node in tree.nodes] == ["E"]
    assert tree.circles == ["A", "D", "F"]


def test_used_groups_bring_those_above_them_but_not_the_root() -> None:
    assert used_in_tree(GROUPS, ["C", "All", "Unknown"]) == {"A", "B", "C"}


@given(st.permutations(range(8)), st.sets(st.integers(0, 7), min_size=1), st.randoms(use_true_random=False))
def test_moves_bring_the_order_about_and_are_as_few_as_can_be(order: list[int], ours: set[int], random: Any) -> None:
    siblings = [str(number) for number in order]
    wanted = [str(number) for number in sorted(ours)]
    random.shuffle(wanted)
    found = moves(wanted, {one: rank for rank, one in enumerate(siblings)})
    after = list(siblings)
    for move in found:
        # As Medusa does it: the others close up, and make room.
        after.remove(move.category_id)
        after.insert(move.rank, move.category_id)
    assert [one for one in after if one in wanted] == wanted
    others = [one for one in siblings if one not in wanted]
    assert [one for one in after if one not in wanted] == others
    assert len(found) == len(wanted) - longest([wanted.index(one) for one in siblings if one in wanted])


def longest(numbers: list[int]) -> int:
    """Return the length of a longest rising subsequence, the plain way."""
    best: list[int] = []
    for index, number in enumerate(numbers):
        best.append(1 + max((best[before] for before in range(index) if numbers[before] < number), default=0))
    return max(best)
