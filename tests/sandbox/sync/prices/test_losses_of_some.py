"""Runs that would take many prices from some customers: of one Customer Group's Price List, or of one Customer."""

from collections.abc import Sequence

import pytest

from tests.suites.price_groups import catalogue, customers, shop
from tests.suites.prices import EXPORT, started
from tests.support.customers import Customers
from tests.support.priced_shop import PricedShop
from tests.support.runs import JobRun, Runner

__all__ = ["catalogue", "customers", "shop"]


@pytest.fixture(autouse=True)
def on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRICE_GROUPS", "true")
    monkeypatch.setenv("CUSTOMER_PRICES", "true")


def priced(shop: PricedShop, number: int) -> list[str]:
    items = [shop.item() for _ in range(number)]
    for item in items:
        shop.price(item, 10, since=-100)
    return items


def vanish(shop: PricedShop, prices: Sequence[str]) -> None:
    """Rows that the reading does not have; nobody deleted them."""
    for price in prices:
        shop.erp.store.delete("Item Price", price)


def text_of(run: JobRun) -> str:
    assert not run.success
    return str(run.failure("medusa_prices").description)


@pytest.mark.parametrize("all_gone", [False, True], ids=["all but one", "all"])
@pytest.mark.long
def test_a_customer_keeps_its_own_prices_that_vanish_at_once_and_others_follow_theirs(
    shop: PricedShop, customers: Customers, runner: Runner, all_gone: bool
) -> None:
    private = customers.group("Private")
    dealer, clinic = customers.customer("dealer", private), customers.customer("clinic", private)
    items = priced(shop, 84)
    own = [shop.price(item, 8, since=-50, customer=dealer) for item in items[:12]]
    of_other = [shop.price(item, 9, since=-50, customer=clinic) for item in items]
    accounts = [customers.register(who) for who in ("dealer", "clinic")]
    assert runner.job(EXPORT, "batch_0").success
    assert customers.listed(items, accounts[0]) == [*[8] * 12, *[10] * 72]
    gone = own if all_gone else own[1:]
    vanish(shop, gone)
    # Somebody deleted this one.
    vanish(shop, of_other[:1])
    for _night in range(2):
        said = text_of(started(runner))
        assert f"{len(gone)} of 12 prices that only some customers are asked would go" in said
        assert f"for Customer {dealer}" in said
        assert customers.listed(items, accounts[0]) == [*[8] * 12, *[10] * 72]
        assert customers.listed(items, accounts[1]) == [10, *[9] * 83]
    shop.forget()
    assert not started(runner).success
    assert shop.writes() == []
    assert started(runner, allow_removal=True).success
    kept = 12 - len(gone)
    assert customers.listed(items, accounts[0]) == [*[8] * kept, *[10] * (84 - kept)]
    assert started(runner).success
    assert (f"Customer {dealer}" in customers.groups()) == (not all_gone)
    shop.forget()
    assert started(runner).success
    assert shop.writes() == []


@pytest.mark.long
def test_a_customer_group_keeps_a_price_list_that_vanishes_at_once_and_others_follow_theirs(
    shop: PricedShop, customers: Customers, runner: Runner
) -> None:
    wholesale, vip = customers.price_list("Wholesale"), customers.price_list("VIP")
    for who, price_list in (("dealer", wholesale), ("clinic", vip)):
        customers.customer(who, customers.group(f"Group of {who}", price_list))
    items = priced(shop, 84)
    of_dealer = [shop.price(item, 8, since=-50, price_list=wholesale) for item in items[:12]]
    of_clinic = [shop.price(item, 9, since=-50, price_list=vip) for item in items]
    accounts = [customers.register(who) for who in ("dealer", "clinic")]
    assert runner.job(EXPORT, "batch_0").success
    vanish(shop, [*of_dealer, of_clinic[0]])
    for _night in range(2):
        said = text_of(started(runner))
        assert "12 of 12 prices that only some customers are asked would go" in said
        assert wholesale in said
        assert customers.listed(items, accounts[0]) == [*[8] * 12, *[10] * 72]
        assert customers.listed(items, accounts[1]) == [10, *[9] * 83]
    assert started(runner, allow_removal=True).success
    assert customers.listed(items, accounts[0]) == [10] * 84
    assert started(runner).success


def test_a_customer_loses_single_own_prices_and_its_last_one(
    shop: PricedShop, customers: Customers, runner: Runner
) -> None:
    dealer = customers.customer("dealer", customers.group("Private"))
    items = priced(shop, 2)
    own = [shop.price(item, 8, since=-50, customer=dealer) for item in items]
    account = customers.register("dealer")
    assert runner.job(EXPORT, "batch_0").success
    for number, price in enumerate(own, start=1):
        vanish(shop, [price])
        assert started(runner).success
        assert customers.listed(items, account) == [*[10] * number, *[8] * (2 - number)]
    assert started(runner).success
    assert customers.groups() == {}
    shop.forget()
    assert started(runner).success
    assert shop.writes() == []


@pytest.mark.long
def test_prices_by_the_pack_alone_are_no_loss(
    shop: PricedShop, customers: Customers, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRICE_PACKS", "true")
    dealer = customers.customer("dealer", customers.group("Private"))
    items = priced(shop, 16)
    for item in items[3:]:
        shop.price(item, 7, since=-50, customer=dealer, packing_unit=6)
    own = [shop.price(item, 8, since=-50, customer=dealer) for item in items[:3]]
    account = customers.register("dealer")
    assert runner.job(EXPORT, "batch_0").success
    vanish(shop, own)
    assert started(runner).success
    assert customers.listed(items[:3], account) == [10] * 3
