"""A plan of the prices of customer groups: groups, members and lists, before anything of it is switched on."""

import pytest

from erp_medusa_pipelines.definitions import build_defs
from erp_medusa_pipelines.orchestration.runs.side_runs import Scope, plan_task
from erp_medusa_pipelines.settings import load_settings
from erp_medusa_pipelines.tasks import task_named
from tests.suites.price_groups import catalogue, customers, shop
from tests.suites.prices import EXPORT, JOB
from tests.support.customers import Customers
from tests.support.plans import unlike
from tests.support.priced_shop import PricedShop
from tests.support.runs import Runner

__all__ = ["catalogue", "customers", "shop"]


@pytest.mark.long
def test_a_plan_tells_the_groups_their_members_and_their_prices_and_the_run_does_just_that(
    shop: PricedShop, customers: Customers, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    wholesale = customers.price_list("Wholesale")
    trade = customers.group("Trade", wholesale)
    customers.customer("dealer", trade)
    item = shop.item()
    shop.price(item, 10)
    price = shop.price(item, 8, price_list=wholesale)
    dealer = customers.register("dealer")
    assert runner.job(EXPORT, "batch_0").success
    shop_env.setenv("PRICE_GROUPS", "true")
    shop.forget()
    settings = load_settings()
    made = plan_task(build_defs(settings), settings, task_named(JOB), Scope(), instance=runner.instance)
    assert not made.problems
    assert shop.writes() == []
    noted = {(row.kind, row.action, row.document, row.field): row.new for row in made.rows}
    assert noted["customer group", "create", trade, "name"] == trade
    assert noted["customer group", "update", trade, "members to add"] == "1"
    code = shop.catalogue.row(item)["item_code"]
    assert noted["price", "create", code, f"OMR {wholesale}, always"] == "8.0"
    assert dealer not in str(made.rows)
    run = runner.job(JOB, "batch_0")
    assert run.success
    assert shop.row(price)["medusa_price_id"]
    assert customers.shown(item, dealer) == (8, 8)
    assert unlike(made, run) == []


@pytest.mark.long
def test_a_plan_of_prices_of_one_customer_names_the_customer_and_the_run_does_just_that(
    shop: PricedShop, customers: Customers, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    clinic = customers.customer("clinic", customers.group("Private"))
    item = shop.item()
    shop.price(item, 10)
    shop.price(item, 8, customer=clinic)
    account = customers.register("clinic")
    assert runner.job(EXPORT, "batch_0").success
    for name in ("PRICE_GROUPS", "CUSTOMER_PRICES"):
        shop_env.setenv(name, "true")
    shop.forget()
    settings = load_settings()
    made = plan_task(build_defs(settings), settings, task_named(JOB), Scope(), instance=runner.instance)
    assert not made.problems
    assert shop.writes() == []
    noted = {(row.kind, row.action, row.document, row.field): row.new for row in made.rows}
    of_group = "customer group", f"Customer {clinic}"
    assert noted[of_group[0], "create", of_group[1], "name"] == f"Customer {clinic}"
    assert noted[of_group[0], "update", of_group[1], "members to add"] == "1"
    code = shop.catalogue.row(item)["item_code"]
    prices = [(row.action, row.field, row.new) for row in made.rows if row.kind == "price" and row.document == code]
    assert [(action, new) for action, _, new in prices] == [("create", "8.0")]
    assert clinic in prices[0][1]
    assert account not in str(made.rows)
    run = runner.job(JOB, "batch_0")
    assert run.success
    assert customers.shown(item, account) == (8, 8)
    assert unlike(made, run) == []
