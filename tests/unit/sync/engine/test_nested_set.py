"""Trees in which a node has no place."""

import math

import pytest

from erp_medusa_pipelines.clients.failures import PermanentError
from erp_medusa_pipelines.sync.engine.values import placed


def test_places_are_whole_numbers_whatever_the_server_calls_them() -> None:
    assert list(placed("Warehouse", [{"name": "A", "lft": "1", "rgt": 4.0, "is_group": 1}])) == [
        {"name": "A", "lft": 1, "rgt": 4, "is_group": 1}
    ]


@pytest.mark.parametrize("place", [None, "many", math.nan, math.inf, ""])
def test_a_node_without_a_place_is_named_with_what_to_do(place: object) -> None:
    with pytest.raises(PermanentError, match=r"Warehouse A has no place in its tree .*rebuild the tree of Warehouse"):
        list(placed("Warehouse", [{"name": "A", "lft": 1, "rgt": place}]))
