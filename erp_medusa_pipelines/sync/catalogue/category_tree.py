"""The tree of categories that the shop should have, as pure functions of the Item Groups and of Medusa's categories.

Which Item Groups become categories, under which one, in which order, and the moves that lead to that order in Medusa.

A category's parent is the nearest Item Group above that is a category itself; groups in between that are not shown are
left out. Item Groups that lie below themselves, as a damaged tree has it, are nowhere: Medusa would take the circle,
and all that hangs on it would be gone from the shop.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from erp_medusa_pipelines.sync.engine.names import ByName, folded
from erp_medusa_pipelines.sync.engine.values import number

Group = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Node:
    """An Item Group that becomes a category, and the name of the one above it; None at the top."""

    group: Group
    parent: str | None

    @property
    def name(self) -> str:
        """Name of the Item Group."""
        return self.group["name"]


@dataclass(slots=True)
class Tree:
    """The wanted categories, those above before those below them, siblings in ERPNext's order."""

    nodes: list[Node] = field(default_factory=list)
    circles: list[str] = field(default_factory=list)
    """Item Groups that would be categories, but lie below themselves or below one that does."""


def wanted_tree(groups: Sequence[Group], wanted: Collection[str]) -> Tree:
    """Return the tree of the groups that are `wanted`. `groups` are all of the site."""
    by_name = ByName((group["name"], group) for group in groups)
    shown = {folded(name) for name in wanted}
    tree = Tree()
    below: dict[str | None, list[Node]] = defaultdict(list)
    for group in groups:
        if folded(group["name"]) not in shown:
            continue
        parent = _parent_among(group, by_name, shown)
        if parent is _CIRCLE:
            tree.circles.append(group["name"])
        else:
            above = None if parent is None else str(parent["name"])
            below[above].append(Node(group, above))
    waiting: list[str | None] = [None]
    while waiting:
        siblings = sorted(below[waiting.pop(0)], key=_order)
        tree.nodes += siblings
        waiting += [node.name for node in siblings]
    return tree


_CIRCLE: Group = {}


def _parent_among(group: Group, by_name: ByName[Group], shown: Collection[str]) -> Group | None:
    """Return the nearest wanted group above, None for the top, or _CIRCLE where the way up comes back to itself."""
    passed = {folded(group["name"])}
    nearest: Group | None = None
    above = by_name.find(group["parent_item_group"] or "")
    # All the way up: a circle further up concerns all that is below it.
    while above is not None:
        key = folded(above["name"])
        if key in passed:
            return _CIRCLE
        passed.add(key)
        if nearest is None and key in shown:
            nearest = above
        above = by_name.find(above["parent_item_group"] or "")
    return nearest


def _order(node: Node) -> tuple[float, str]:
    """Order siblings as the webshop does: the heavier first, then by name."""
    return -number(node.group["weightage"]), folded(node.name)


def used_in_tree(groups: Sequence[Group], used: Iterable[str]) -> set[str]:
    """Return these groups and all above them, without the root of ERPNext's tree, which is no category of goods."""
    by_name = ByName((group["name"], group) for group in groups)
    found: set[str] = set()
    for name in used:
        group = by_name.find(name)
        while group is not None and group["parent_item_group"] and group["name"] not in found:
            found.add(group["name"])
            group = by_name.find(group["parent_item_group"])
    return found


@dataclass(frozen=True, slots=True)
class Move:
    """A category that gets another rank among its siblings."""

    category_id: str
    rank: int


def moves(wanted: Sequence[str], ranks: Mapping[str, int]) -> list[Move]:
    """Return the fewest moves that put categories into the wanted order. Others among their siblings keep their place.

    `ranks` are those of all siblings in Medusa, which closes up where one leaves and makes room where it arrives.
    """
    order = sorted(ranks, key=lambda one: (ranks[one], one))
    positions = [order.index(one) for one in wanted]
    staying = {wanted[index] for index in _longest_rising(positions)}
    found: list[Move] = []
    for rank, one in enumerate(wanted):
        if one in staying:
            continue
        order.remove(one)
        place = order.index(wanted[rank - 1]) + 1 if rank else min(order.index(other) for other in wanted[1:])
        order.insert(place, one)
        found.append(Move(one, place))
    return found


def _longest_rising(numbers: Sequence[int]) -> list[int]:
    """Return the indexes of a longest rising subsequence."""
    ends: list[int] = []
    last: list[int] = []
    before: list[int] = []
    for index, value in enumerate(numbers):
        place = bisect_left(ends, value)
        before.append(last[place - 1] if place else -1)
        ends[place : place + 1] = [value]
        last[place : place + 1] = [index]
    found: list[int] = []
    index = last[-1] if last else -1
    while index >= 0:
        found.append(index)
        index = before[index]
    return found[::-1]
