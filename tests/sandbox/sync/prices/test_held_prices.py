"""A price that is refused or held, for one night or for many: what it replaces stays, and hides no other price."""

import pytest

from erp_medusa_sandbox.faults import Fault
from tests.suites.prices import ENTRIES_ROUTE, EXPORT, LISTS_ROUTE, catalogue, shop, started
from tests.support.plain_runs import quick_runner
from tests.support.priced_shop import PricedShop
from tests.support.runs import Runner

__all__ = ["catalogue", "shop"]

ABOUT_THE_VALUE = "Invalid request: Value for field 'create, 0, amount' too small, expected: '0'"
ABOUT_ELSEWHERE = "not this one"


def refuse(shop: PricedShop, reason: str, path: str = f"{LISTS_ROUTE}|{ENTRIES_ROUTE}") -> None:
    """From now on Medusa takes no price."""
    body = {"type": "invalid_data", "message": reason}
    shop.medusa.faults.add(Fault("status", method="POST", path=path, status=400, json=body))


def offered(shop: PricedShop, number: int) -> list[str]:
    """Items whose price is 10."""
    items = [shop.item() for _ in range(number)]
    for item in items:
        shop.price(item, 10)
    return items


@pytest.mark.parametrize("reason", [ABOUT_THE_VALUE, ABOUT_ELSEWHERE])
@pytest.mark.long
def test_prices_that_move_to_other_batches_and_are_refused_stay_where_they_are(
    shop: PricedShop, runner: Runner, shop_env: pytest.MonkeyPatch, reason: str
) -> None:
    items = offered(shop, 6)
    assert runner.job(EXPORT, "batch_0").success
    shop_env.setenv("EXPORT_BATCHES", "2")
    refuse(shop, reason)
    wider = quick_runner()
    for _night in range(3):
        for batch in ("batch_0", "batch_1"):
            wider.job("sync_missing_prices_to_medusa", batch)
        assert [shop.shown(item) for item in items] == [10] * 6


@pytest.mark.parametrize("reason", [ABOUT_THE_VALUE, ABOUT_ELSEWHERE])
def test_another_price_list_whose_prices_are_refused_leaves_the_old_ones(
    shop: PricedShop, runner: Runner, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    items = offered(shop, 3)
    for item in items:
        shop.price(item, 12, price_list="Retail")
    assert runner.job(EXPORT, "batch_0").success
    shop.erp.store.insert("Price List", name="Retail", price_list_name="Retail", enabled=1, selling=1, currency="OMR")
    monkeypatch.setenv("ERPNEXT_PRICE_LIST", "Retail")
    refuse(shop, reason)
    for _night in range(3):
        started(runner, allow_removal=True)
        assert [shop.shown(item) for item in items] == [10] * 3


def test_a_price_that_is_refused_from_next_month_keeps_no_lower_price_of_today(
    shop: PricedShop, runner: Runner
) -> None:
    """Medusa asks the lowest price in force, so the old one would be asked until somebody corrects the other row."""
    item, other = shop.item(), shop.item()
    price = shop.price(item, 10, since=-100)
    shop.price(other, 3)
    assert runner.job(EXPORT, "batch_0").success
    shop.change(price, price_list_rate=12, valid_upto=shop.day(9).isoformat())
    shop.price(item, 0, since=10)
    for _night in range(3):
        run = started(runner)
        assert run.success
        assert len(run.rejects("medusa_prices")) == 1
        assert shop.shown(item) == 12


@pytest.mark.long
def test_a_price_that_medusa_refuses_from_next_month_keeps_no_lower_price_of_today(
    shop: PricedShop, runner: Runner
) -> None:
    item, other = shop.item(), shop.item()
    price = shop.price(item, 10, since=-100)
    # So that Medusa has a list for the first of both windows.
    shop.price(other, 3, until=9)
    assert runner.job(EXPORT, "batch_0").success
    shop.change(price, price_list_rate=13, valid_upto=shop.day(9).isoformat())
    shop.price(item, 14, since=10)
    refuse(shop, ABOUT_ELSEWHERE, LISTS_ROUTE)
    for _night in range(3):
        started(runner)
        assert shop.shown(item) == 13
    shop.medusa.faults.heal()
    assert started(runner).success
    assert len(shop.entries(item)) == 2


def test_a_lower_price_of_another_list_is_not_kept_for_a_price_that_is_refused_from_next_month(
    shop: PricedShop, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [shop.item() for _ in range(3)]
    for item in items:
        shop.price(item, 10)
    assert runner.job(EXPORT, "batch_0").success
    shop.erp.store.insert("Price List", name="Retail", price_list_name="Retail", enabled=1, selling=1, currency="OMR")
    monkeypatch.setenv("ERPNEXT_PRICE_LIST", "Retail")
    for item in items:
        shop.price(item, 12, price_list="Retail")
    shop.price(items[0], 0, since=10, price_list="Retail")
    for _night in range(3):
        assert started(runner).success
        assert [shop.shown(item) for item in items] == [12] * 3


def test_a_price_in_a_currency_that_medusa_lacks_leaves_the_old_one_and_hides_none_of_today(
    shop: PricedShop, runner: Runner
) -> None:
    """Two currencies in one list, as imports leave them. A save would put the list's own into each row."""
    shop.catalogue.install_server_script()
    whole, later = shop.item(), shop.item()
    prices = [shop.price(each, 10, since=-100) for each in (whole, later)]
    assert runner.job(EXPORT, "batch_0").success
    shop.erp.store.force("Item Price", prices[0], currency="XAU")
    shop.change(prices[0], price_list_rate=12)
    shop.change(prices[1], price_list_rate=11, valid_upto=shop.day(9).isoformat())
    shop.price(later, 5, since=10, currency="XAU")
    for _night in range(3):
        run = started(runner, allow_removal=True)
        assert len(run.rejects("medusa_prices")) == 2
        assert [shop.shown(each) for each in (whole, later)] == [10, 11]
