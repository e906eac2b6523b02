"""Customers with prices of their own: their groups in Medusa, and what each of them is asked at the store."""

from collections.abc import Iterator

import pytest

from erp_medusa_sandbox.faults import Fault
from tests.suites.prices import EXPORT, JOB, catalogue, shop, started
from tests.support.customers import Customers
from tests.support.plain_runs import quick_runner
from tests.support.priced_shop import PricedShop
from tests.support.runs import Runner

__all__ = ["PriceGroupsSuite", "catalogue", "customers", "shop"]


class PriceGroupsSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    @pytest.fixture(autouse=True)
    def on(self, shop_env: pytest.MonkeyPatch) -> None:
        shop_env.setenv("PRICE_GROUPS", "true")

    def test_each_customer_is_asked_the_prices_of_its_list(
        self, shop: PricedShop, customers: Customers, shop_env: pytest.MonkeyPatch
    ) -> None:
        wholesale, vip = customers.price_list("Wholesale"), customers.price_list("VIP")
        trade, private = customers.group("Trade", wholesale), customers.group("Private")
        customers.customer("dealer", trade)
        customers.customer("chosen", trade, vip)
        customers.customer("patient", private)
        customers.customer("friend", private, vip)
        cheaper, dearer, only = (shop.item() for _ in range(3))
        for item, everybody, dealer in ((cheaper, 10, 8), (dearer, 10, 12)):
            shop.price(item, everybody, since=-100)
            shop.price(item, dealer, since=-100, price_list=wholesale)
        shop.price(cheaper, 7, price_list=vip)
        shop.price(only, 3.125)
        accounts = {what: customers.register(what) for what in ("dealer", "chosen", "patient", "friend", "stranger")}
        run = quick_runner().job(EXPORT, "batch_0")
        assert run.success, run.reasons()
        assert run.check("medusa_customer_groups").passed
        asked = {
            what: [customers.shown(item, account) for item in (cheaper, dearer, only)]
            for what, account in (*accounts.items(), ("nobody", None))
        }
        everybody = [(10, 10), (10, 10), (3.125, 3.125)]
        assert asked == {
            # A dearer price of the group's list counts as well; what the list has not costs what it costs everybody.
            "dealer": [(8, 8), (12, 12), (3.125, 3.125)],
            "chosen": [(7, 7), (10, 10), (3.125, 3.125)],
            "friend": [(7, 7), (10, 10), (3.125, 3.125)],
            **dict.fromkeys(("patient", "stranger", "nobody"), everybody),
        }
        assert customers.groups() == {
            trade: [accounts["dealer"]],
            f"{trade}, {vip}": [accounts["chosen"]],
            f"{private}, {vip}": [accounts["friend"]],
        }
        shop.forget()
        assert quick_runner().job(JOB, "batch_0").success
        assert shop.writes() == []

    @pytest.mark.long
    def test_prices_of_a_group_follow_its_list_and_its_list_follows_the_group(
        self, shop: PricedShop, customers: Customers, runner: Runner
    ) -> None:
        wholesale, other = customers.price_list("Wholesale"), customers.price_list("Other")
        trade = customers.group("Trade", wholesale)
        customers.customer("dealer", trade)
        item = shop.item()
        shop.price(item, 10, since=-100)
        price = shop.price(item, 8, since=-100, price_list=wholesale)
        shop.price(item, 6, since=1, until=9, price_list=wholesale)
        shop.price(item, 9, price_list=other)
        dealer = customers.register("dealer")
        assert runner.job(EXPORT, "batch_0").success
        assert customers.shown(item, dealer) == (8, 8)
        assert shop.row(price)["medusa_price_id"].startswith("price_")
        shop.change(price, price_list_rate=11.5)
        assert started(runner).success
        assert (customers.shown(item, dealer), customers.shown(item)) == ((11.5, 11.5), (10, 10))
        customers.store.set("Customer Group", trade, default_price_list=other)
        assert started(runner).success
        assert customers.shown(item, dealer) == (9, 9)
        assert customers.groups() == {trade: [dealer]}
        customers.store.set("Customer Group", trade, default_price_list=None)
        assert started(runner).success
        assert customers.shown(item, dealer) == (10, 10)
        assert customers.groups() == {trade: []}
        assert started(runner).success
        shop.forget()
        assert started(runner).success
        assert shop.writes() == []

    @pytest.mark.long
    def test_without_the_setting_nothing_is_asked_and_lists_of_groups_are_put_away(
        self, shop: PricedShop, customers: Customers, runner: Runner, shop_env: pytest.MonkeyPatch
    ) -> None:
        wholesale = customers.price_list("Wholesale")
        customers.customer("dealer", customers.group("Trade", wholesale))
        item = shop.item()
        shop.price(item, 10)
        shop.price(item, 8, price_list=wholesale)
        dealer = customers.register("dealer")
        assert runner.job(EXPORT, "batch_0").success
        assert customers.shown(item, dealer) == (8, 8)
        shop_env.setenv("PRICE_GROUPS", "false")
        shop.forget()
        run = started(quick_runner())
        assert run.success
        assert customers.shown(item, dealer) == (10, 10)
        asked = [seen.path for seen in (*shop.erp.faults.requests, *shop.medusa.faults.requests)]
        assert not [path for path in asked if "ustomer" in path]

    def test_only_who_logs_in_is_a_member(self, shop: PricedShop, customers: Customers, runner: Runner) -> None:
        """A guest's address is typed by anybody."""
        trade = customers.group("Trade", customers.price_list("Wholesale"))
        customers.customer("dealer", trade, email=customers.address("Dealer").upper())
        shop.medusa.admin("POST", "/admin/customers", json={"email": customers.address("dealer")})
        item = shop.item()
        shop.price(item, 10)
        run = runner.job(EXPORT, "batch_0")
        assert customers.groups() == {trade: []}
        assert run.metadata("medusa_customer_groups")["without_account"] == 1
        dealer = customers.register("dealer")
        run = runner.assets(["medusa_customer_groups"], None)
        assert run.metadata("medusa_customer_groups")["written"] == 1
        assert customers.groups() == {trade: [dealer]}

    def test_an_address_of_customers_with_different_prices_is_told_without_being_named(
        self, shop: PricedShop, customers: Customers, runner: Runner
    ) -> None:
        one = customers.customer("one", customers.group("Trade", customers.price_list("Wholesale")))
        two = customers.customer("two", customers.group("Best", customers.price_list("VIP")))
        both = customers.address("both")
        for customer in (one, two):
            customers.contact(customer, both)
        customers.register("both")
        own = customers.register("one")
        run = runner.assets(["medusa_customer_groups"], None)
        assert run.success
        (row,) = run.rejects("medusa_customer_groups")
        assert row["document"] == f"Customer {one}"
        assert two in row["reason"]
        assert both not in str(run.metadata("medusa_customer_groups"))
        assert customers.groups() == {customers.name("Trade"): [own], customers.name("Best"): []}

    def test_a_group_that_somebody_made_by_hand_is_left_alone_until_it_is_handed_over(
        self, shop: PricedShop, customers: Customers, runner: Runner
    ) -> None:
        trade = customers.group("Trade", customers.price_list("Wholesale"))
        customers.customer("dealer", trade)
        dealer, guest = customers.register("dealer"), customers.register("guest")
        made = shop.medusa.admin("POST", "/admin/customer-groups", json={"name": trade})["customer_group"]["id"]
        (member,) = shop.medusa.admin("GET", "/admin/customers", params={"email": guest})["customers"]
        shop.medusa.admin("POST", f"/admin/customer-groups/{made}/customers", json={"add": [member["id"]]})
        run = runner.assets(["medusa_customer_groups"], None)
        (row,) = run.rejects("medusa_customer_groups")
        assert "that the export did not make" in row["reason"]
        assert customers.groups() == {trade: [guest]}
        handed = {"erp_customer_group": trade}
        shop.medusa.admin("POST", f"/admin/customer-groups/{made}", json={"metadata": handed})
        assert runner.assets(["medusa_customer_groups"], None).success
        assert customers.groups() == {trade: [dealer]}

    def test_many_customers_lose_their_prices_only_if_somebody_allows_it(
        self, shop: PricedShop, customers: Customers, runner: Runner
    ) -> None:
        trade = customers.group("Trade", customers.price_list("Wholesale"))
        dealers = []
        for number in range(4):
            customers.customer(f"dealer{number}", trade)
            dealers.append(customers.register(f"dealer{number}"))
        assert runner.assets(["medusa_customer_groups"], None).success
        customers.store.set("Customer Group", trade, default_price_list=None)
        stopped = runner.assets(["medusa_customer_groups"], None)
        assert not stopped.success
        assert "4 of 4 customers would lose the prices of their group" in stopped.failure_text("medusa_customer_groups")
        assert customers.groups() == {trade: dealers}
        config = {"ops": {"medusa_customer_groups": {"config": {"allow_removal": True}}}}
        assert runner.assets(["medusa_customer_groups"], None, run_config=config).success
        assert customers.groups() == {trade: []}

    def test_a_lost_answer_makes_no_second_group(self, shop: PricedShop, customers: Customers, runner: Runner) -> None:
        trade = customers.group("Trade", customers.price_list("Wholesale"))
        shop.medusa.faults.add(Fault("drop_after", method="POST", path=r"^/admin/customer-groups", times=1))
        run = runner.assets(["medusa_customer_groups"], None)
        assert run.success, run.reasons()
        assert customers.groups() == {trade: []}

    def test_a_list_that_was_opened_to_everybody_by_hand_is_the_groups_again(
        self, shop: PricedShop, customers: Customers, runner: Runner
    ) -> None:
        wholesale = customers.price_list("Wholesale")
        customers.customer("dealer", customers.group("Trade", wholesale))
        item = shop.item()
        shop.price(item, 10)
        shop.price(item, 8, price_list=wholesale)
        dealer = customers.register("dealer")
        assert runner.job(EXPORT, "batch_0").success
        (of_group,) = [one for one in shop.lists() if "erp_customers" in one["metadata"]]
        shop.medusa.admin("POST", f"/admin/price-lists/{of_group['id']}", json={"rules": {}})
        assert customers.shown(item) == (8, 8)
        assert started(runner).success
        assert (customers.shown(item), customers.shown(item, dealer)) == ((10, 10), (8, 8))


@pytest.fixture
def customers(shop: PricedShop) -> Iterator[Customers]:
    """Customers of the shop, whose groups in Medusa are deleted afterwards."""
    made = Customers(shop)
    yield made
    made.delete_groups()
