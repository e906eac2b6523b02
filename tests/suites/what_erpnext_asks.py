"""Medusa asks what ERPNext's get_item_details asks every buyer, for drawn Item Prices and Pricing Rules.

Some Item Prices are for one Customer alone.

A real ERPNext answers for itself, and is compared with `tests/support/erp_asks.py` too, which answers for the embedded
one: what the tests hold ERPNext's rules to be is tried on ERPNext.
"""

from random import Random
from typing import Any

import pytest

from tests.suites.price_groups import catalogue, customers, shop
from tests.suites.prices import EXPORT, started
from tests.suites.pricing_rules import rules
from tests.support.catalogue import PRICE_LIST
from tests.support.customers import Customers
from tests.support.erp_asks import Reading
from tests.support.plain_runs import quick_runner
from tests.support.priced_shop import PricedShop
from tests.support.pricing_rules import Rules

__all__ = ["WhatErpnextAsksSuite", "catalogue", "customers", "rules", "shop"]

ITEMS = 12
QUANTITIES = (1, 2, 3, 4, 5, 6, 8, 9, 12)
DAYS = (None, None, -30, -2, -1, 0, 1, 5)


class Drawn:
    """A shop whose prices and rules are drawn: items in two groups, one below the other, and of two brands."""

    def __init__(self, shop: PricedShop, customers: Customers, rules: Rules, seed: int) -> None:
        self.shop, self.rules, self.rng = shop, rules, Random(seed)  # noqa: S311
        store, tag = shop.erp.store, shop.catalogue.tag
        self.brands = [store.insert("Brand", name=f"{one} {tag}", brand=f"{one} {tag}") for one in ("A", "B")]
        below = shop.catalogue.group("Below", parent=shop.group)
        self.item_groups = [shop.group, below]
        self.wholesale = customers.price_list("Wholesale")
        self.business = customers.group("Business", is_group=1)
        self.trade = customers.group("Trade", self.wholesale, parent_customer_group=self.business)
        groups = {
            "dealer": self.trade,
            "retailer": customers.group("Retail", parent_customer_group=self.business),
            "patient": customers.group("Private"),
        }
        self.buyers: dict[str, tuple[str, str | None, str | None]] = {"guest": (PRICE_LIST, None, None)}
        for who, group in groups.items():
            customer, its_list = customers.customer(who, group), self.wholesale if who == "dealer" else PRICE_LIST
            self.buyers[who] = its_list, customer, customers.register(who)
        self.items = [
            shop.catalogue.item(
                self.rng.choice(self.item_groups), on_backorder=1, stock_uom="Nos", brand=self.rng.choice(self.brands)
            )
            for _ in range(ITEMS)
        ]
        self.codes = [shop.catalogue.row(item)["item_code"] for item in self.items]
        for item in self.items:
            for price_list in (PRICE_LIST, self.wholesale):
                self._prices(item, price_list)
            for price_list, customer, _ in self.buyers.values():
                if customer and self.rng.random() < 0.6:
                    self._own_prices(item, price_list, customer)
        for _ in range(2 * ITEMS):
            self._rule()

    def _prices(self, item: str, price_list: str) -> None:
        """One that always counts, and up to two more: of two that begin on one day ERPNext says nothing."""
        starts = self.rng.sample((-30, -2, -1, 0, 1, 5), self.rng.randint(0, 2))
        for since in (None, *starts):
            until = since + self.rng.randint(0, 6) if since is not None and self.rng.random() < 0.6 else None
            rate = self.rng.randint(2_000, 40_000) / 1000
            self.shop.price(item, rate, since=since, until=until, price_list=price_list)

    def _own_prices(self, item: str, price_list: str, customer: str) -> None:
        """One or two for a Customer, which may have begun, or end, and one in a list that is not the Customer's."""
        other = self.wholesale if price_list == PRICE_LIST else PRICE_LIST
        self.shop.price(item, 0.5, since=-26, price_list=other, customer=customer)
        for since in self.rng.sample((-25, -3, 2), self.rng.randint(1, 2)):
            until = since + self.rng.randint(0, 6) if self.rng.random() < 0.4 else None
            rate = self.rng.randint(2_000, 40_000) / 1000
            self.shop.price(item, rate, since=since, until=until, price_list=price_list, customer=customer)

    def _rule(self) -> None:
        rng = self.rng
        apply_on, among = rng.choice(
            [("Item Code", self.codes)] * 6 + [("Item Group", self.item_groups), ("Brand", self.brands)]
        )
        kind, amounts = rng.choice([("percent", (5, 10, 12.5, 33.333)), ("amount", (0.5, 1.005)), ("rate", (1.5, 50))])
        since, least = rng.choice(DAYS), rng.choice((0, 0, 2, 5))
        fields: dict[str, Any] = {
            kind: rng.choice(amounts),
            "since": since,
            "until": (since or 0) + rng.randint(0, 6) if rng.random() < 0.4 else None,
            "min_qty": least,
            "max_qty": rng.choice((0, 0, least + 3)),
            "priority": rng.choice(("", "", "1", "2", "11")),
            "for_price_list": rng.choice((None, None, PRICE_LIST, self.wholesale)),
            "customer_group": rng.choice((None, None, None, self.business, self.trade)),
        }
        targets = rng.sample(among, rng.randint(1, 2))
        self.rules.add(apply_on, *targets, **fields)


class WhatErpnextAsksSuite:
    """Run by tests/sandbox against the embedded servers and by tests/live against real ones."""

    @pytest.fixture(autouse=True)
    def on(self, shop_env: pytest.MonkeyPatch) -> None:
        shop_env.setenv("PRICING_RULES", "true")
        shop_env.setenv("PRICE_GROUPS", "true")
        shop_env.setenv("CUSTOMER_PRICES", "true")

    @pytest.mark.parametrize("seed", [1, 2, 3])
    @pytest.mark.long
    def test_every_buyer_is_asked_what_an_order_in_the_erp_asks(
        self, shop: PricedShop, customers: Customers, rules: Rules, seed: int
    ) -> None:
        drawn = Drawn(shop, customers, rules, seed)
        run = quick_runner().job(EXPORT, "batch_0")
        assert run.success, run.reasons()
        reading, today = Reading(shop.erp.store), shop.today.isoformat()
        for who, (price_list, customer, email) in drawn.buyers.items():
            for quantity in QUANTITIES:
                lines = [(code, quantity) for code in drawn.codes]
                said = shop.erp.store.asks(lines, price_list, customer)
                assert said == reading.asks(lines, price_list, customer, today), (who, quantity)
                asked = dict(zip(drawn.codes, customers.in_carts(drawn.items, quantity, email), strict=True))
                assert asked == dict(zip(drawn.codes, said, strict=True)), (who, quantity)
        shop.forget()
        assert started(quick_runner()).success
        assert shop.writes() == []

    def test_own_packs_that_are_filled_cost_what_an_order_of_the_customer_asks(
        self, shop: PricedShop, customers: Customers, shop_env: pytest.MonkeyPatch
    ) -> None:
        """Of other quantities ERPNext says nothing while the pack is the Customer's newest row."""
        shop_env.setenv("PRICE_PACKS", "true")
        clinic, account = customers.customer("clinic", customers.group("Private")), customers.register("clinic")
        item = shop.item(on_backorder=1)
        shop.price(item, 10, since=-30)
        shop.price(item, 9, since=-20, customer=clinic)
        shop.price(item, 7.125, since=-2, customer=clinic, packing_unit=6)
        assert quick_runner().job(EXPORT, "batch_0").success
        lines = [(shop.catalogue.row(item)["item_code"], quantity) for quantity in (6, 12, 30)]
        said = shop.erp.store.asks(lines, PRICE_LIST, clinic)
        assert said == [customers.in_cart(item, quantity, account) for _, quantity in lines] == [7.125] * 3
        assert customers.in_cart(item, 5, account) == 9

    def test_packs_that_are_filled_cost_what_an_order_without_a_customer_asks(
        self, shop: PricedShop, customers: Customers, shop_env: pytest.MonkeyPatch
    ) -> None:
        """Elsewhere the tiers are the shop's own: in a Customer's order the newest row counts for any quantity."""
        shop_env.setenv("PRICE_PACKS", "true")
        six, ten = shop.item(on_backorder=1), shop.item(on_backorder=1)
        for item, pack in ((six, 6), (ten, 10)):
            shop.price(item, 10, since=-30)
            shop.price(item, 8.125, since=-2, packing_unit=pack)
            code = shop.catalogue.row(item)["item_code"]
            assert quick_runner().job(EXPORT, "batch_0").success
            lines = [(code, pack * number) for number in (1, 2, 5)]
            said = shop.erp.store.asks(lines, PRICE_LIST, None)
            assert said == [customers.in_cart(item, quantity) for _, quantity in lines] == [8.125] * 3
