"""Pricing Rules and packs: what customers are asked by day, quantity and group, and what is told of the others."""

import pytest

from tests.suites.price_groups import catalogue, customers, shop
from tests.suites.prices import EXPORT, started
from tests.support.customers import Customers
from tests.support.plain_runs import quick_runner
from tests.support.priced_shop import PricedShop
from tests.support.pricing_rules import Rules
from tests.support.runs import Runner

__all__ = ["PricingRulesSuite", "catalogue", "customers", "rules", "shop"]


class PricingRulesSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    @pytest.fixture(autouse=True)
    def on(self, shop_env: pytest.MonkeyPatch) -> None:
        shop_env.setenv("PRICING_RULES", "true")

    def code(self, shop: PricedShop, item: str) -> str:
        return shop.catalogue.row(item)["item_code"]

    def test_what_makes_an_item_cheaper_is_a_sale_that_strikes_the_price_through(
        self, shop: PricedShop, customers: Customers, rules: Rules, runner: Runner
    ) -> None:
        tenth, off, fixed, dearer, none, over, later = (shop.item() for _ in range(7))
        for item in (tenth, off, fixed, dearer, none, over, later):
            shop.price(item, 20, since=-100)
        rules.add("Item Code", self.code(shop, tenth), percent=10, since=-3, until=3)
        rules.add("Item Code", self.code(shop, off), amount=1.005)
        rules.add("Item Code", self.code(shop, fixed), rate=4.2)
        rules.add("Item Code", self.code(shop, dearer), rate=25)
        rules.add("Item Code", self.code(shop, over), percent=50, until=-1)
        rules.add("Item Code", self.code(shop, later), percent=50, since=1, until=9)
        assert runner.job(EXPORT, "batch_0").success
        asked = [customers.shown(item) for item in (tenth, off, fixed, dearer, none, over, later)]
        assert asked == [(18, 20), (18.995, 20), (4.2, 20), (25, 25), (20, 20), (20, 20), (20, 20)]
        sales = [one for one in shop.lists() if "erp_sale" in one["metadata"]]
        # What begins tomorrow is there, and begins by itself.
        assert sorted((bool(one["starts_at"]), bool(one["ends_at"])) for one in sales) == [
            (False, False),
            (False, True),
            (True, True),
        ]
        shop.forget()
        assert started(runner).success
        assert shop.writes() == []

    def test_quantities_are_tiers_in_the_cart(
        self, shop: PricedShop, customers: Customers, rules: Rules, shop_env: pytest.MonkeyPatch
    ) -> None:
        shop_env.setenv("PRICE_PACKS", "true")
        ruled, packed = shop.item(on_backorder=1), shop.item(on_backorder=1)
        shop.price(ruled, 10)
        shop.price(packed, 10)
        six, dozen = shop.price(packed, 8, packing_unit=6), shop.price(packed, 7, packing_unit=12)
        rules.add("Item Code", self.code(shop, ruled), percent=10, min_qty=5, max_qty=9)
        rules.add("Item Code", self.code(shop, ruled), percent=20, min_qty=10)
        assert quick_runner().job(EXPORT, "batch_0").success
        assert {number: customers.in_cart(ruled, number) for number in (1, 4, 5, 9, 10, 50)} == {
            **{1: 10, 4: 10},
            **{5: 9, 9: 9},
            **{10: 8, 50: 8},
        }
        assert {number: customers.in_cart(packed, number) for number in (1, 5, 6, 11, 12)} == {
            **{1: 10, 5: 10},
            **{6: 8, 11: 8},
            12: 7,
        }
        assert customers.shown(ruled) == (10, 10)
        shop.forget()
        assert started(quick_runner()).success
        assert shop.writes() == []
        # In one call: Medusa must be able to tell them apart.
        shop.change(six, price_list_rate=8.5)
        shop.change(dozen, price_list_rate=7.5)
        run = started(quick_runner())
        assert run.success, run.reasons()
        assert {number: customers.in_cart(packed, number) for number in (1, 6, 12)} == {1: 10, 6: 8.5, 12: 7.5}

    def test_groups_brands_and_priorities_count_as_in_erpnext(
        self, shop: PricedShop, customers: Customers, rules: Rules, runner: Runner
    ) -> None:
        brand = f"Brand {shop.catalogue.tag}"
        shop.erp.store.insert("Brand", name=brand, brand=brand)
        own, of_group, both = shop.item(), shop.item(), shop.item()
        for item in (own, of_group, both):
            shop.price(item, 100)
        store = shop.erp.store
        store.set("Item", self.code(shop, both), brand=brand)
        rules.add("Item Group", shop.group, percent=10)
        # ERPNext stops at the first of item, group and brand that has a rule.
        rules.add("Brand", brand, percent=50)
        rules.add("Item Code", self.code(shop, own), percent=5, min_qty=3)
        assert runner.job(EXPORT, "batch_0").success
        assert [customers.shown(item) for item in (own, of_group, both)] == [(100, 100), (90, 100), (90, 100)]
        rules.add("Item Code", self.code(shop, both), percent=30, priority="2")
        rules.add("Item Code", self.code(shop, both), percent=40, priority="1")
        assert started(runner).success
        assert customers.shown(both) == (70, 100)

    def test_rules_for_a_customer_group_are_asked_of_its_members_alone(
        self, shop: PricedShop, customers: Customers, rules: Rules, shop_env: pytest.MonkeyPatch
    ) -> None:
        shop_env.setenv("PRICE_GROUPS", "true")
        wholesale = customers.price_list("Wholesale")
        above = customers.group("Business", is_group=1)
        plain, listed = customers.group("Shops", parent_customer_group=above), customers.group("Trade", wholesale)
        customers.store.set("Customer Group", listed, parent_customer_group=above)
        customers.customer("shopkeeper", plain)
        customers.customer("dealer", listed)
        item, other = shop.item(), shop.item()
        for each in (item, other):
            shop.price(each, 10)
            shop.price(each, 8, price_list=wholesale)
        shopkeeper, dealer, stranger = (customers.register(what) for what in ("shopkeeper", "dealer", "stranger"))
        rules.add("Item Code", self.code(shop, item), percent=50, customer_group=above)
        rules.add("Item Code", self.code(shop, other), percent=10)
        runner = quick_runner()
        assert runner.job(EXPORT, "batch_0").success
        asked = {who: [customers.shown(each, who) for each in (item, other)] for who in (shopkeeper, dealer, stranger)}
        assert asked == {
            shopkeeper: [(5, 10), (9, 10)],
            dealer: [(4, 8), (7.2, 8)],
            stranger: [(10, 10), (9, 10)],
        }
        shop.forget()
        assert started(runner).success
        assert shop.writes() == []

    def test_rules_that_medusa_cannot_say_are_named_and_never_applied_by_half(
        self, shop: PricedShop, customers: Customers, rules: Rules, runner: Runner
    ) -> None:
        python, coupon, free, torn, fine = (shop.item() for _ in range(5))
        for item in (python, coupon, free, torn, fine):
            shop.price(item, 10)
        of_group = rules.add("Item Group", shop.group, percent=10)
        named = {
            rules.add("Item Code", self.code(shop, python), percent=50, condition="qty > 3"): "condition in Python",
            rules.add("Item Code", self.code(shop, coupon), percent=20, coupon_code_based=1): "needs a coupon",
            rules.add("Item Code", self.code(shop, free), price_or_product_discount="Product"): "gives free items",
            rules.add("Transaction", percent=5): "for the whole order",
        }
        one, two = (rules.add("Item Code", self.code(shop, torn), rate=rate) for rate in (7, 6))
        run = runner.job(EXPORT, "batch_0")
        assert run.success
        told = {
            row["document"].removeprefix("Pricing Rule "): row["reason"] for row in run.rejects("medusa_price_lists")
        }
        assert told.keys() == named.keys()
        assert all(reason in told[name] for name, reason in named.items())
        (conflict,) = [row for row in run.rejects("medusa_prices") if "conflict" in row["reason"]]
        assert one in conflict["reason"]
        assert two in conflict["reason"]
        assert of_group not in str(told)
        # ERPNext stops at the item's own rule, also where that one gives nothing.
        assert [customers.shown(item) for item in (python, coupon, free, torn)] == [(10, 10)] * 4
        assert customers.shown(fine) == (9, 10)

    def test_a_rule_that_is_switched_off_ends_its_sale(
        self, shop: PricedShop, customers: Customers, rules: Rules, runner: Runner, shop_env: pytest.MonkeyPatch
    ) -> None:
        item = shop.item()
        shop.price(item, 10)
        rule = rules.add("Item Code", self.code(shop, item), percent=10)
        assert runner.job(EXPORT, "batch_0").success
        assert customers.shown(item) == (9, 10)
        shop.erp.store.set("Pricing Rule", rule, discount_percentage=30)
        assert started(runner).success
        assert customers.shown(item) == (7, 10)
        shop_env.setenv("PRICING_RULES", "false")
        shop.forget()
        assert started(quick_runner()).success
        assert customers.shown(item) == (10, 10)
        assert not [seen for seen in shop.erp.faults.requests if "Pricing" in seen.path]


@pytest.fixture
def rules(shop: PricedShop) -> Rules:
    """Pricing Rules of the shop."""
    return Rules(shop)
