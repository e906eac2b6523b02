"""What of a quantity can be promised."""

import pytest

from erp_medusa_pipelines.sync.stock.on_hand import OnHand, of_bundle, with_safety


def test_expired_reserved_and_safety_stock_are_not_for_sale() -> None:
    there = OnHand(actual=30, expired=5, reserved=20, ordered=3, safety=1)
    assert (there.for_sale, there.left) == (4, 1)


@pytest.mark.parametrize(
    ("reserved_in_medusa", "level"),
    [
        (29, 30),  # Medusa subtracts its 29 itself
        (0, 1),  # shipped in Medusa, not yet delivered in ERPNext
        (10, 11),
        (40, 30),  # Medusa's newest orders are not in ERPNext yet
    ],
)
def test_an_order_from_medusa_is_subtracted_once(reserved_in_medusa: float, level: float) -> None:
    assert OnHand(actual=30, ordered=29).level(reserved_in_medusa) == level


def test_sums_of_floats_are_what_people_mean() -> None:
    assert OnHand(actual=0.3, expired=0.1).for_sale == 0.2


def test_safety_stock_is_withheld_once_from_where_there_is_most() -> None:
    kept = with_safety({"a": OnHand(2), "b": OnHand(5), "c": OnHand(-1)}, 6)
    assert {place: each.for_sale for place, each in kept.items()} == {"a": 1, "b": 0, "c": -1}


def test_a_bundle_is_limited_by_its_scarcest_part_at_each_location() -> None:
    parts = {"A": (2.0, {"x": OnHand(10), "y": OnHand(3)}), "B": (1.0, {"x": OnHand(7)})}
    assert {place: each.for_sale for place, each in of_bundle(parts).items()} == {"x": 5, "y": 0}


def test_an_overbooked_part_allows_no_bundle() -> None:
    assert of_bundle({"A": (1.0, {"x": OnHand(2, reserved=9)})})["x"].for_sale == 0
