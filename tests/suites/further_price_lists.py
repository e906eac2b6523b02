"""Several Price Lists at once: by currency, by region, beside those of customers, and with taxes or without."""

import json

import pytest

from tests.suites.price_groups import catalogue, customers, shop
from tests.suites.prices import EXPORT, PRICE_LIST, started
from tests.support.customers import Customers
from tests.support.plain_runs import quick_runner
from tests.support.priced_shop import PricedShop
from tests.support.pricing_rules import Rules

__all__ = ["FurtherPriceListsSuite", "catalogue", "customers", "shop"]


def region(shop: PricedShop, currency: str) -> str:
    """A region of this test's own."""
    body = {"name": f"Region {shop.catalogue.tag}", "currency_code": currency}
    return shop.medusa.admin("POST", "/admin/regions", json=body)["region"]["id"]


class FurtherPriceListsSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    def test_a_list_in_another_currency_is_asked_where_that_is_sold_in(
        self, shop: PricedShop, customers: Customers, shop_env: pytest.MonkeyPatch
    ) -> None:
        shop.erp.store.insert("Currency", name="USD", currency_name="USD")
        export = customers.price_list("Export", currency="USD")
        abroad, item, here = region(shop, "usd"), shop.item(), shop.item()
        shop.price(item, 10)
        shop.price(here, 11)
        price = shop.price(item, 29.99, price_list=export, currency="USD")
        shop_env.setenv("FURTHER_PRICE_LISTS", json.dumps({export: ""}))
        runner = quick_runner()
        assert runner.job(EXPORT, "batch_0").success
        asked = {place: [customers.shown(each, region=place) for each in (item, here)] for place in (None, abroad)}
        assert asked == {None: [(10, 10), (11, 11)], abroad: [(29.99, 29.99), None]}
        assert shop.row(price)["medusa_price_id"]
        shop.forget()
        assert started(runner).success
        assert shop.writes() == []
        shop_env.setenv("FURTHER_PRICE_LISTS", "{}")
        assert started(quick_runner()).success
        assert customers.shown(item) == (10, 10)

    def test_a_regions_list_comes_before_everybodys_and_a_customers_before_that(
        self, shop: PricedShop, customers: Customers, shop_env: pytest.MonkeyPatch
    ) -> None:
        gulf, wholesale = customers.price_list("Gulf"), customers.price_list("Wholesale")
        customers.customer("dealer", customers.group("Trade", wholesale))
        there, item, other = region(shop, "omr"), shop.item(), shop.item()
        for each in (item, other):
            shop.price(each, 10)
        shop.price(item, 12, price_list=gulf)
        shop.price(item, 13, price_list=wholesale)
        Rules(shop).add("Item Code", shop.catalogue.row(item)["item_code"], percent=50, for_price_list=gulf)
        dealer = customers.register("dealer")
        shop_env.setenv("FURTHER_PRICE_LISTS", json.dumps({gulf: there}))
        shop_env.setenv("PRICE_GROUPS", "true")
        shop_env.setenv("PRICING_RULES", "true")
        runner = quick_runner()
        assert runner.job(EXPORT, "batch_0").success
        assert [customers.shown(each, region=there) for each in (item, other)] == [(6, 12), (10, 10)]
        assert customers.shown(item) == (10, 10)
        # Dearer, and not the lowest of two lists with one rule each.
        assert customers.shown(item, dealer, region=there) == (13, 13)
        assert customers.shown(item, dealer) == (13, 13)
        shop.forget()
        assert started(runner).success
        assert shop.writes() == []

    def test_two_lists_for_everybody_in_one_currency_are_refused(
        self, shop: PricedShop, customers: Customers, shop_env: pytest.MonkeyPatch
    ) -> None:
        other = customers.price_list("Other")
        shop_env.setenv("FURTHER_PRICE_LISTS", json.dumps({other: ""}))
        run = started(quick_runner())
        assert not run.success
        assert f"{PRICE_LIST} and {other} are both in OMR and for everybody" in run.failure_text("medusa_price_lists")

    def test_a_list_that_includes_taxes_is_told_so_and_only_that(
        self, shop: PricedShop, customers: Customers, shop_env: pytest.MonkeyPatch
    ) -> None:
        item = shop.item()
        shop.price(item, 10)
        shop_env.setenv("TAX_INCLUSIVE_PRICE_LISTS", json.dumps({PRICE_LIST: True}))
        runner = quick_runner()
        assert runner.job(EXPORT, "batch_0").success
        price = customers.price(item)
        assert price
        assert price["is_calculated_price_tax_inclusive"] is True
        shop.forget()
        assert started(runner).success
        assert shop.writes() == []
        shop_env.setenv("TAX_INCLUSIVE_PRICE_LISTS", json.dumps({PRICE_LIST: False}))
        assert started(quick_runner()).success
        price = customers.price(item)
        assert price
        assert price["is_calculated_price_tax_inclusive"] is False
