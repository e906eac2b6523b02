"""Which batch a Website Item belongs to. It must never change: a change would move items while runs are under way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_medusa_pipelines.sync.engine.batches import Batch, batch_keys, batch_of_key


@pytest.mark.parametrize(
    ("name", "of_two", "of_four", "of_seven"),
    [
        ("WEB-ITM-0001", 1, 1, 4),
        ("WEB-ITM-0002", 1, 3, 5),
        ("ITM/00101", 1, 1, 2),
        ("ITM 00103 50%", 1, 1, 6),
        ("صنف-00107", 1, 3, 1),
        ("a.html", 0, 0, 3),
        ("", 0, 0, 0),
    ],
)
def test_an_items_batch_stays_the_same_for_ever(name: str, of_two: int, of_four: int, of_seven: int) -> None:
    assert Batch(0, 1).contains(name)
    assert Batch(of_two, 2).contains(name)
    assert Batch(of_four, 4).contains(name)
    assert Batch(of_seven, 7).contains(name)


@given(st.text(), st.integers(1, 256))
def test_batches_are_disjoint_and_complete(name: str, count: int) -> None:
    assert sum(Batch(index, count).contains(name) for index in range(count)) == 1


def test_items_spread_evenly() -> None:
    names = [f"WEB-ITM-{number:04d}" for number in range(4000)]
    sizes = [sum(Batch(index, 4).contains(name) for name in names) for index in range(4)]
    assert sum(sizes) == 4000
    assert min(sizes) > 900


@given(st.integers(1, 256))
def test_keys_name_batches(count: int) -> None:
    assert [batch_of_key(key, count) for key in batch_keys(count)] == [Batch(index, count) for index in range(count)]


def test_partition_keys_are_what_operators_know() -> None:
    assert batch_keys(4) == ["batch_0", "batch_1", "batch_2", "batch_3"]
