"""Item Prices of one Customer: who is asked them at the store, on its lists, on the product's page and in the cart."""

import pytest

from tests.suites.price_groups import catalogue, customers, shop
from tests.suites.prices import EXPORT, JOB, started
from tests.support.catalogue import PRICE_LIST
from tests.support.customers import Customers
from tests.support.plain_runs import quick_runner
from tests.support.priced_shop import PricedShop
from tests.support.pricing_rules import Rules
from tests.support.runs import Runner

__all__ = ["CustomerPricesSuite", "catalogue", "customers", "shop"]


class CustomerPricesSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    @pytest.fixture(autouse=True)
    def on(self, shop_env: pytest.MonkeyPatch) -> None:
        shop_env.setenv("PRICE_GROUPS", "true")
        shop_env.setenv("CUSTOMER_PRICES", "true")

    @pytest.mark.long
    def test_a_customer_is_asked_its_own_price_before_that_of_its_group_and_everybodys(
        self, shop: PricedShop, customers: Customers
    ) -> None:
        wholesale = customers.price_list("Wholesale")
        trade, private = customers.group("Trade", wholesale), customers.group("Private")
        dealer, other = customers.customer("dealer", trade), customers.customer("other", trade)
        friend = customers.customer("friend", private)
        cheaper, dearer, group_only = (shop.item(on_backorder=1) for _ in range(3))
        for item in (cheaper, dearer, group_only):
            shop.price(item, 10, since=-100)
            shop.price(item, 8, since=-100, price_list=wholesale)
        shop.price(cheaper, 7, since=-50, price_list=wholesale, customer=dealer)
        shop.price(dearer, 9.125, since=-50, price_list=wholesale, customer=dealer)
        shop.price(dearer, 9.5, since=-50, price_list=wholesale, customer=other)
        shop.price(cheaper, 11, since=-50, customer=friend)
        # Of another list than the Customer's: ERPNext never asks it.
        shop.price(group_only, 1, since=-50, customer=dealer)
        accounts = {what: customers.register(what) for what in ("dealer", "other", "friend", "stranger")}
        run = quick_runner().job(EXPORT, "batch_0")
        assert run.success, run.reasons()
        items = (cheaper, dearer, group_only)
        everybodys = [10, 10, 10]
        wanted = {
            "dealer": [7, 9.125, 8],
            "other": [8, 9.5, 8],
            "friend": [11, 10, 10],
            "stranger": everybodys,
            "guest": everybodys,
        }
        for who, account in (*accounts.items(), ("guest", None)):
            assert [customers.shown(item, account) for item in items] == [(each, each) for each in wanted[who]], who
            assert customers.listed(items, account) == wanted[who], who
            for quantity in (1, 7):
                assert customers.in_carts([*items], quantity, account) == wanted[who], who
        assert customers.groups() == {
            trade: sorted(accounts[who] for who in ("dealer", "other")),
            **{f"Customer {name}": [accounts[who]] for name, who in
               ((dealer, "dealer"), (other, "other"), (friend, "friend"))},
        }  # fmt: skip
        shop.forget()
        assert quick_runner().job(JOB, "batch_0").success
        assert shop.writes() == []

    @pytest.mark.long
    def test_own_prices_follow_their_rows_and_their_customer(
        self, shop: PricedShop, customers: Customers, runner: Runner
    ) -> None:
        wholesale, vip = customers.price_list("Wholesale"), customers.price_list("VIP")
        trade, best = customers.group("Trade", wholesale), customers.group("Best", vip)
        dealer = customers.customer("dealer", trade)
        item, another = shop.item(), shop.item()
        for each in (item, another):
            shop.price(each, 10, since=-100)
        shop.price(item, 8, since=-100, price_list=wholesale)
        first = shop.price(item, 7, since=-10, until=-1, price_list=wholesale, customer=dealer)
        shop.price(item, 5, since=3, until=9, price_list=wholesale, customer=dealer)
        shop.price(item, 6, since=-10, price_list=vip, customer=dealer)
        account = customers.register("dealer")
        assert runner.job(EXPORT, "batch_0").success
        assert customers.shown(item, account) == (8, 8)
        shop.change(first, valid_upto=shop.day(2).isoformat(), price_list_rate=7.5)
        assert started(runner).success
        assert (customers.shown(item, account), customers.shown(item)) == ((7.5, 7.5), (10, 10))
        shop.change(first, price_list_rate=12)
        assert started(runner).success
        assert customers.shown(item, account) == (12, 12)
        # Moved to a group with another list: its own rows of that list count now.
        customers.store.set("Customer", dealer, customer_group=best)
        assert started(runner).success
        assert customers.shown(item, account) == (6, 6)
        assert customers.groups() == {trade: [], best: [account], f"Customer {dealer}": [account]}
        customers.store.set("Customer", dealer, disabled=1)
        assert started(runner).success
        assert customers.shown(item, account) == (10, 10)
        assert customers.groups() == {trade: [], best: []}
        assert started(runner).success
        shop.forget()
        assert started(runner).success
        assert shop.writes() == []

    def test_a_row_that_its_customer_is_asked_has_the_id_of_its_entry(
        self, shop: PricedShop, customers: Customers, runner: Runner
    ) -> None:
        wholesale = customers.price_list("Wholesale")
        trade = customers.group("Trade", wholesale)
        dealer, clinic = customers.customer("dealer", trade), customers.customer("clinic", customers.group("Private"))
        item = shop.item()
        everybodys = shop.price(item, 10)
        own = shop.price(item, 7, price_list=wholesale, customer=dealer)
        never_asked = shop.price(item, 6, customer=dealer)
        clinics = shop.price(item, 8, customer=clinic)
        rows = (everybodys, own, never_asked, clinics)
        assert runner.job(EXPORT, "batch_0").success

        def amounts() -> list[float | None]:
            """What Medusa asks by the entry whose id a row has."""
            lists = [f"/admin/price-lists/{one['id']}/prices" for one in shop.lists()]
            there = {one["id"]: one["amount"] for path in lists for one in shop.medusa.admin("GET", path)["prices"]}
            return [there[key] if (key := shop.row(row)["medusa_price_id"]) else None for row in rows]

        assert amounts() == [10, 7, None, 8]
        shop.change(own, price_list_rate=7.5)
        shop.change(clinics, price_list_rate=8.5)
        run = started(runner)
        assert run.success, run.reasons()
        assert amounts() == [10, 7.5, None, 8.5]
        # The one has another list now, whose row counts; of the other nothing is asked any more.
        customers.store.set("Customer", dealer, default_price_list=PRICE_LIST)
        customers.store.set("Customer", clinic, disabled=1)
        assert started(runner).success
        assert amounts() == [10, None, 6, None]
        shop.forget()
        assert started(runner).success
        assert shop.writes() == []

    @pytest.mark.long
    def test_rules_and_packs_count_for_own_prices_as_well(
        self, shop: PricedShop, customers: Customers, shop_env: pytest.MonkeyPatch
    ) -> None:
        shop_env.setenv("PRICING_RULES", "true")
        shop_env.setenv("PRICE_PACKS", "true")
        trade = customers.group("Trade", customers.price_list("Wholesale"))
        dealer = customers.customer("dealer", trade, PRICE_LIST)
        item = shop.item(on_backorder=1)
        code = shop.catalogue.row(item)["item_code"]
        shop.price(item, 10, since=-100)
        shop.price(item, 5, since=-100, packing_unit=6)
        shop.price(item, 8, since=-100, customer=dealer)
        shop.price(item, 7, since=-100, customer=dealer, packing_unit=12)
        rules = Rules(shop)
        rules.add("Item Code", code, percent=10, min_qty=3)
        account = customers.register("dealer")
        run = quick_runner().job(EXPORT, "batch_0")
        assert run.success, run.reasons()
        # A pack of everybody's is no price of a Customer that has its own.
        asked = {quantity: customers.in_cart(item, quantity, account) for quantity in (1, 2, 3, 6, 12, 13)}
        assert asked == {1: 8, 2: 8, 3: 7.2, 6: 7.2, 12: 6.3, 13: 6.3}
        guests = {quantity: customers.in_cart(item, quantity) for quantity in (1, 3, 6, 12)}
        assert guests == {1: 10, 3: 9, 6: 4.5, 12: 4.5}
        shop.forget()
        assert started(quick_runner()).success
        assert shop.writes() == []

    @pytest.mark.long
    def test_a_region_with_its_own_list_does_not_hide_an_own_price(
        self, shop: PricedShop, customers: Customers, shop_env: pytest.MonkeyPatch
    ) -> None:
        gulf, wholesale = customers.price_list("Gulf"), customers.price_list("Wholesale")
        shop_env.setenv("FURTHER_PRICE_LISTS", f'{{"{gulf}": "{shop.medusa.region_id}"}}')
        trade = customers.group("Trade", wholesale)
        dealer = customers.customer("dealer", trade)
        customers.customer("other", trade)
        item = shop.item()
        shop.price(item, 10)
        shop.price(item, 4, price_list=gulf)
        shop.price(item, 6, price_list=wholesale)
        shop.price(item, 9, price_list=wholesale, customer=dealer)
        accounts = [customers.register(who) for who in ("dealer", "other")]
        run = quick_runner().job(EXPORT, "batch_0")
        assert run.success, run.reasons()
        shown = [customers.shown(item, account) for account in (*accounts, None)]
        assert shown == [(9, 9), (6, 6), (4, 4)]

    def test_an_address_of_two_customers_is_asked_nobodys_own_prices(
        self, shop: PricedShop, customers: Customers, runner: Runner
    ) -> None:
        private = customers.group("Private")
        one, two = customers.customer("one", private), customers.customer("two", private)
        both = customers.address("both")
        for customer in (one, two):
            customers.contact(customer, both)
        shop.price(shop.item(), 5, customer=one)
        customers.register("both")
        own = customers.register("one")
        run = runner.assets(["medusa_customer_groups"], None)
        assert run.success, run.reasons()
        (row,) = run.rejects("medusa_customer_groups")
        assert row["document"] == f"Customer {one}"
        assert two in row["reason"]
        assert both not in str(run.metadata("medusa_customer_groups"))
        assert customers.groups() == {f"Customer {one}": [own]}

    @pytest.mark.long
    def test_switched_off_the_lists_become_drafts_and_the_groups_go(
        self, shop: PricedShop, customers: Customers, runner: Runner, shop_env: pytest.MonkeyPatch
    ) -> None:
        dealer = customers.customer("dealer", customers.group("Private"))
        item = shop.item()
        shop.price(item, 10)
        shop.price(item, 8, customer=dealer)
        account = customers.register("dealer")
        made = shop.medusa.admin("POST", "/admin/customer-groups", json={"name": customers.name("Staff's")})
        staffs = made["customer_group"]["id"]
        (member,) = shop.medusa.admin("GET", "/admin/customers", params={"email": account})["customers"]
        shop.medusa.admin("POST", f"/admin/customer-groups/{staffs}/customers", json={"add": [member["id"]]})
        assert runner.job(EXPORT, "batch_0").success
        assert customers.shown(item, account) == (8, 8)
        shop_env.setenv("CUSTOMER_PRICES", "false")
        assert started(quick_runner()).success
        assert customers.shown(item, account) == (10, 10)
        assert customers.groups() == {customers.name("Staff's"): [account]}
        assert not [one for one in shop.lists() if "erp_customers" in one["metadata"] and one["status"] == "active"]

    def test_an_entry_that_was_opened_by_hand_is_the_customers_again(
        self, shop: PricedShop, customers: Customers, runner: Runner
    ) -> None:
        dealer = customers.customer("dealer", customers.group("Private"))
        item = shop.item()
        shop.price(item, 10)
        shop.price(item, 8, customer=dealer)
        account = customers.register("dealer")
        assert runner.job(EXPORT, "batch_0").success
        (of_owners,) = [one for one in shop.lists() if "erp_customers" in one["metadata"]]
        path = f"/admin/price-lists/{of_owners['id']}/prices"
        (entry,) = shop.medusa.admin("GET", path)["prices"]
        variant = shop.catalogue.row(item)["medusa_variant_id"]
        opened = {"id": entry["id"], "variant_id": variant, "amount": 3, "rules": {}}
        shop.medusa.admin("POST", f"{path}/batch", json={"update": [opened]})
        assert customers.shown(item) == (3, 3)
        assert started(runner).success
        assert (customers.shown(item), customers.shown(item, account)) == ((10, 10), (8, 8))
