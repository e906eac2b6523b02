"""Entries and lists that Medusa does not delete at once, or that somebody else deleted first."""

from erp_medusa_sandbox.faults import Fault
from tests.suites.prices import ENTRIES_ROUTE, EXPORT, catalogue, shop, started
from tests.support.priced_shop import PricedShop
from tests.support.runs import Runner

__all__ = ["catalogue", "shop"]


def with_one_price_gone(shop: PricedShop, runner: Runner) -> list[str]:
    """Names of three exported items with a price; the first one's Item Price is deleted afterwards."""
    items = [shop.item() for _ in range(3)]
    prices = [shop.price(item, 10 + number, since=-100) for number, item in enumerate(items)]
    assert runner.job(EXPORT, "batch_0").success
    shop.erp.store.delete("Item Price", prices[0])
    return items


def test_entries_that_cannot_be_deleted_for_now_go_with_the_next_run(shop: PricedShop, runner: Runner) -> None:
    items = with_one_price_gone(shop, runner)
    shop.medusa.faults.add(Fault("status", method="POST", path=ENTRIES_ROUTE, body='"delete"', status=503))
    run = started(runner, allow_removal=True)
    assert not run.success
    assert "1 old entries of plist_" in run.failure_text("medusa_prices")
    assert [shop.shown(item) for item in items] == [10, 11, 12]
    shop.medusa.faults.heal()
    assert started(runner, allow_removal=True).success
    assert [shop.shown(item) for item in items] == [None, 11, 12]


def test_entries_of_a_list_that_was_deleted_meanwhile_are_gone_as_well(shop: PricedShop, runner: Runner) -> None:
    items = with_one_price_gone(shop, runner)
    gone = {"type": "not_found", "message": "Price lists with ids: plist_1 was not found"}
    shop.medusa.faults.add(
        Fault("status", method="POST", path=ENTRIES_ROUTE, body='"delete"', status=404, json=gone, times=1)
    )
    assert started(runner, allow_removal=True).success
    assert [shop.shown(item) for item in items[1:]] == [11, 12]


def test_an_empty_list_that_cannot_be_deleted_for_now_goes_with_a_later_run(shop: PricedShop, runner: Runner) -> None:
    item = shop.item()
    price = shop.price(item, 10, since=-100)
    assert runner.job(EXPORT, "batch_0").success
    shop.erp.store.delete("Item Price", price)
    assert started(runner, allow_removal=True).success
    (empty,) = shop.lists()
    shop.medusa.faults.add(Fault("status", method="DELETE", path=r"/admin/price-lists/", status=503))
    run = started(runner)
    assert not run.success
    assert f"empty list {empty['id']}" in run.failure_text("medusa_prices")
    shop.medusa.faults.heal()
    assert started(runner).success
    assert shop.lists() == []
