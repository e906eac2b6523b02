"""Prices of customer groups and Pricing Rules cost as many requests for a hundred items and customers as for one."""

from typing import NamedTuple

import pytest

from tests.suites.price_groups import catalogue, customers, shop
from tests.suites.prices import EXPORT, JOB
from tests.support.customers import Customers
from tests.support.plain_runs import quick_runner
from tests.support.priced_shop import PricedShop
from tests.support.pricing_rules import Rules

__all__ = ["catalogue", "customers", "shop"]

MOST = {"first": 42, "quiet": 38, "own": 27}
"""Requests to both servers of one batch, for three assets; a night of the shop's own prices alone has 16."""


class Cost(NamedTuple):
    requests: int
    writes: int


def nights(shop: PricedShop) -> dict[str, Cost]:
    """Run three nights of the prices, and return what each cost."""
    costs = {}
    for night in ("first", "second", "quiet"):
        shop.forget()
        run = quick_runner().job(JOB, "batch_0")
        assert run.success, run.reasons()
        seen = [*shop.erp.faults.requests, *shop.medusa.faults.requests]
        costs[night] = Cost(len(seen), len(shop.writes()))
    return costs


@pytest.mark.parametrize("number", [1, 100])
@pytest.mark.long
def test_a_hundred_items_and_customers_cost_as_many_requests_as_one(
    number: int, shop: PricedShop, customers: Customers, shop_env: pytest.MonkeyPatch
) -> None:
    shop.catalogue.install_server_script()
    wholesale = customers.price_list("Wholesale")
    trade = customers.group("Trade", wholesale)
    for each in range(number):
        item = shop.item()
        shop.price(item, 10)
        shop.price(item, 8, price_list=wholesale)
        customers.customer(f"dealer{each}", trade)
        customers.register(f"dealer{each}")
    Rules(shop).add("Item Group", shop.group, percent=10, min_qty=5)
    assert quick_runner().job(EXPORT, "batch_0").success
    shop_env.setenv("PRICE_GROUPS", "true")
    shop_env.setenv("PRICING_RULES", "true")
    costs = nights(shop)
    assert costs["quiet"].writes == 0
    assert len(customers.groups()[trade]) == number
    assert {night: cost for night, cost in costs.items() if cost.requests > MOST.get(night, 99)} == {}, costs


@pytest.mark.parametrize("number", [1, 30])
@pytest.mark.long
def test_quiet_nights_cost_as_many_requests_for_thirty_customers_with_own_prices_as_for_one(
    number: int, shop: PricedShop, customers: Customers, shop_env: pytest.MonkeyPatch
) -> None:
    shop.catalogue.install_server_script()
    private = customers.group("Private")
    item = shop.item()
    shop.price(item, 10)
    for each in range(number):
        shop.price(item, 5 + each, customer=customers.customer(f"clinic{each}", private))
        customers.register(f"clinic{each}")
    assert quick_runner().job(EXPORT, "batch_0").success
    for name in ("PRICE_GROUPS", "CUSTOMER_PRICES"):
        shop_env.setenv(name, "true")
    costs = nights(shop)
    assert len(customers.groups()) == number
    # A group, its member, and one call for all prices, and one for their ids.
    assert costs["first"].writes == 2 * number + 2
    assert costs["quiet"].writes == 0
    assert costs["quiet"].requests <= MOST["own"], costs
