"""What must be done for levels and flags, without any server."""

import pytest

from erp_medusa_pipelines.sync.stock.items import StockItem
from erp_medusa_pipelines.sync.stock.on_hand import OnHand
from erp_medusa_pipelines.sync.stock.plan import LowStock, Stocked, plan_flags, plan_levels

OURS = frozenset({"sloc_1", "sloc_2"})


def item(name: str, threshold: int = 0, in_stock: int = 0) -> StockItem:
    return StockItem(name, name, f"variant_{name}", "Main", threshold, in_stock)


def test_only_what_differs_is_written() -> None:
    plan = plan_levels(
        "A", "iitem_1", {"sloc_1": OnHand(5.0), "sloc_2": OnHand(3.0)}, {"sloc_1": Stocked(5, 0)}, ours=OURS
    )
    (level,) = plan.write
    assert level.body == {"inventory_item_id": "iitem_1", "location_id": "sloc_2", "stocked_quantity": 3}
    assert not level.exists
    assert (plan.counts["found"], plan.counts["unchanged"], plan.before, plan.after) == (2, 1, 5, 8)


def test_where_the_item_cannot_lie_any_more_there_is_none_left() -> None:
    stocked = {"sloc_1": Stocked(5, 0), "sloc_9": Stocked(4, 0)}
    plan = plan_levels("A", "iitem_1", {}, stocked, ours=OURS)
    (level,) = plan.write
    assert (level.location_id, level.quantity, level.sells_out) == ("sloc_1", 0, True)


@pytest.mark.parametrize(("elsewhere", "is_loss"), [(4.0, False), (0.0, True)])
def test_a_location_that_is_no_longer_used_is_emptied_which_is_no_loss_where_the_item_moved(
    elsewhere: float, is_loss: bool
) -> None:
    plan = plan_levels(
        "A", "iitem_1", {"sloc_1": OnHand(elsewhere)}, {"sloc_9": Stocked(4, 0)}, ours=OURS, no_longer_used={"sloc_9"}
    )
    emptied = next(level for level in plan.write if level.location_id == "sloc_9")
    assert (emptied.quantity, emptied.sells_out) == (0, is_loss)


@pytest.mark.parametrize(
    ("quantity", "reserved", "written", "counted"),
    [
        (-3.0, 0, 0, "negative"),
        (12.5, 0, 12, "fractions"),
        (0.9, 0, 0, "fractions"),
        (2.0, 4, 4, "raised_to_reserved"),
        (2.0, 1.5, 2, None),
    ],
)
def test_a_level_is_whole_not_negative_and_covers_what_is_reserved(
    quantity: float, reserved: float, written: int, counted: str | None
) -> None:
    plan = plan_levels("A", "iitem_1", {"sloc_1": OnHand(quantity)}, {"sloc_1": Stocked(99, reserved)}, ours=OURS)
    assert [level.quantity for level in plan.write] == [written]
    assert {name for name, number in plan.counts.items() if number} - {"found"} == ({counted} if counted else set())


def test_flags_follow_the_sum_of_all_places_and_low_stock_is_listed() -> None:
    items = {
        name: item(name, threshold, in_stock) for name, threshold, in_stock in (("A", 3, 0), ("B", 0, 1), ("C", 0, 1))
    }
    plan = plan_flags(
        items, {"A": {"sloc_1": OnHand(1.0), "sloc_2": OnHand(2.0)}, "B": {}, "C": {"sloc_1": OnHand(7.0)}}
    )
    assert plan.changes == {"A": 1, "B": 0}
    assert plan.low == [LowStock("A", 3, 3)]


def test_items_that_could_not_be_judged_keep_their_flag() -> None:
    assert plan_flags({"A": item("A", in_stock=1)}, {}).changes == {}
