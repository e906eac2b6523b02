"""A plan and the run that follows it: the same numbers, and until then nothing is written."""

from typing import Any

import pytest
import requests

from erp_medusa_pipelines.definitions import build_defs
from erp_medusa_pipelines.orchestration.runs.side_runs import Plan, Scope, plan_task
from erp_medusa_pipelines.settings import load_settings
from erp_medusa_pipelines.tasks import task_named
from erp_medusa_sandbox.faults import Fault
from tests.suites.stock import StockedShop
from tests.suites.variants import Shop as OptionShop
from tests.support.catalogue import Catalogue
from tests.support.plans import unlike
from tests.support.priced_shop import PricedShop
from tests.support.runs import Runner
from tests.support.servers import ErpServer, MedusaServer
from tests.support.writes import erp_writes, medusa_writes

EXPORT = "export_items_and_images_custom"


class Shop:
    """Items with prices and stock, in both servers."""

    def __init__(self, catalogue: Catalogue, erp: ErpServer, medusa: MedusaServer) -> None:
        self.catalogue, self.erp, self.medusa = catalogue, erp, medusa
        self.priced = PricedShop(catalogue, erp, medusa)
        self.stocked = StockedShop(catalogue, erp, medusa)

    def item(self, rate: float | None = 1.5, quantity: float = 7, **fields: Any) -> str:
        """A Website Item with a price, unless that is None, and stock."""
        name = self.stocked.item("Main", {"Main": quantity}, stock_uom="Nos", **fields)
        if rate is not None:
            self.priced.price(name, rate)
        return name

    def product_of(self, item: str) -> str:
        """The id of the item's product."""
        return self.catalogue.row(item)["medusa_id"]

    def delete_product(self, item: str) -> None:
        """Delete the item's product in Medusa, as staff do by mistake."""
        self.medusa.admin("DELETE", f"/admin/products/{self.product_of(item)}")


@pytest.fixture
def shop(catalogue: Catalogue, erp: ErpServer, medusa: MedusaServer) -> Shop:
    """An empty shop."""
    return Shop(catalogue, erp, medusa)


def plan(runner: Runner, task: str = EXPORT, **scope: Any) -> Plan:
    """Plan a task, with the rejects that the runner's instance holds."""
    settings = load_settings()
    chosen = task_named(task)
    return plan_task(build_defs(settings), settings, chosen, Scope(**scope), instance=runner.instance)


@pytest.mark.long
def test_a_first_night_is_planned_to_the_last_number_and_nothing_is_written(
    shop: Shop, runner: Runner, erp: ErpServer, medusa: MedusaServer
) -> None:
    names = [shop.item() for _ in range(3)]
    shop.item(published=0)
    planned = plan(runner)
    assert erp_writes(erp) == []
    assert medusa_writes(medusa) == []
    assert list(planned.problems) == []
    assert {row.document for row in planned.rows if (row.action, row.kind) == ("create", "product")} == set(names)
    prices = [row for row in planned.rows if row.kind == "price"]
    assert [(row.document, row.field, row.old, row.new) for row in prices] == sorted(
        (shop.catalogue.row(name)["item_code"], "OMR always", "", "1.5") for name in names
    )
    assert planned.counts["medusa_stock[batch_0]"]["written"] == 3
    assert unlike(planned, runner.job(EXPORT, "batch_0")) == []
    again = plan(runner)
    assert again.rows == []
    assert unlike(again, runner.job(EXPORT, "batch_0")) == []


@pytest.mark.long
def test_categories_are_planned_by_their_names_before_they_are_switched_on(
    shop: Shop, runner: Runner, erp: ErpServer, medusa: MedusaServer, shop_env: pytest.MonkeyPatch
) -> None:
    name = shop.item()
    assert runner.job(EXPORT, "batch_0").success
    group = shop.catalogue.row(name)["item_group"]
    erp.store.set("Item Group", group, show_in_website=1)
    medusa.faults.forget_requests()
    shop_env.setenv("CATEGORIES", "website")
    planned = plan(runner)
    assert medusa_writes(medusa) == []
    made = {row.field: row.new for row in planned.rows if row.kind == "product category"}
    assert (made["name"], made["is_active"]) == (group, "true")
    moved = [(row.document, row.old, row.new) for row in planned.rows if row.field == "categories"]
    assert moved == [(name, "[]", f'["{group}"]')]
    assert unlike(planned, runner.job(EXPORT, "batch_0")) == []
    assert plan(runner).rows == []


@pytest.mark.long
def test_switching_to_options_is_planned_before_it_is_done(
    catalogue: Catalogue, erp: ErpServer, runner: Runner, medusa: MedusaServer, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("EXPORT_BATCHES", "1")
    variants = OptionShop(catalogue, erp, medusa, runner)
    names = [variants.variant("S", "Blue"), variants.variant("M", "Red")]
    assert runner.job(EXPORT, "batch_0").success
    medusa.faults.forget_requests()
    shop_env.setenv("VARIANTS", "options")
    planned = plan(runner)
    assert medusa_writes(medusa) == []
    assert list(planned.problems) == []
    made = [row for row in planned.rows if (row.kind, row.action, row.field) == ("product", "create", "variants")]
    assert [row.document for row in made] == [variants.template]
    drafts = [row.document for row in planned.rows if (row.kind, row.field, row.new) == ("product", "status", "draft")]
    assert drafts == sorted(names)
    assert unlike(planned, runner.job(EXPORT, "batch_0")) == []
    assert plan(runner).rows == []
    variants.variant("XL", "Red")
    erp.store.set("Website Item", names[0], published=0)
    planned = plan(runner)
    done = {(row.kind, row.action) for row in planned.rows if row.kind == "variant"}
    assert done >= {("variant", "create"), ("variant", "delete")}


@pytest.mark.long
def test_a_first_night_that_publishes_what_is_complete_can_be_planned(
    shop: Shop, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("PUBLISH_WHEN", "complete")
    shop.item()
    assert list(plan(runner).problems) == []


@pytest.mark.long
def test_an_item_that_says_little_is_planned_to_the_last_number_too(shop: Shop, runner: Runner, erp: ErpServer) -> None:
    name = shop.item(short_description="", web_long_description="")
    erp.store.set("Item", shop.catalogue.row(name)["item_code"], country_of_origin=None)
    planned = plan(runner)
    assert list(planned.problems) == []
    assert unlike(planned, runner.job(EXPORT, "batch_0")) == []
    assert plan(runner).rows == []


@pytest.mark.long
def test_every_kind_of_change_is_planned_as_it_is_made(
    shop: Shop, runner: Runner, erp: ErpServer, medusa: MedusaServer
) -> None:
    changed, unpublished, deleted, missing, priced, stocked, same = (shop.item() for _ in range(7))
    assert runner.job(EXPORT, "batch_0").success
    new = shop.item()
    # The desk's Duplicate: an item of its own with another's ids.
    ids = {key: shop.catalogue.row(same)[key] for key in ("medusa_id", "medusa_variant_id")}
    copied = shop.item(**ids)
    erp.store.set("Website Item", changed, web_item_name="Another name")
    erp.store.set("Website Item", unpublished, published=0)
    erp.store.set("Item Price", "price-" + f"{shop.catalogue.tag}-005", price_list_rate=9.25)
    shop.stocked.bin(stocked, "Main", 3)
    shop.delete_product(missing)
    delete_in_erp(shop, deleted)
    before = len(medusa_writes(medusa)), len(erp_writes(erp))
    planned = plan(runner)
    assert (len(medusa_writes(medusa)), len(erp_writes(erp))) == before
    rows = {(row.kind, row.document, row.field): (row.action, row.old, row.new) for row in planned.rows}
    assert rows["product", changed, "title"][::2] == ("update", "Another name")
    assert rows["product", unpublished, "status"] == ("update", "published", "draft")
    assert rows["product", deleted, "status"] == ("update", "published", "draft")
    assert rows["Website Item", copied, "medusa_id"] == ("update", ids["medusa_id"], "(new)")
    assert {name for kind, name, field in rows if kind == "product" and field == "external_id"} == {
        new,
        copied,
        missing,
    }
    assert rows["price", shop.catalogue.row(priced)["item_code"], "OMR always"] == ("update", "1.5", "9.25")
    (location,) = medusa.admin("GET", "/admin/stock-locations")["stock_locations"]
    place = f"stocked at {location['name']} ({location['id']})"
    assert rows["inventory level", shop.catalogue.row(stocked)["item_code"], place] == ("update", "7", "3")
    assert unlike(planned, runner.job(EXPORT, "batch_0")) == []


@pytest.mark.long
def test_prices_of_a_deleted_product_are_planned_as_rejects(shop: Shop, runner: Runner) -> None:
    missing, _there = shop.item(), shop.item()
    assert runner.job(EXPORT, "batch_0").success
    shop.delete_product(missing)
    prices = "sync_missing_prices_to_medusa"
    planned = plan(runner, prices)
    (reject,) = planned.rejects
    assert "is no longer in Medusa" in reject["reason"]
    assert unlike(planned, runner.job(prices, "batch_0")) == []


def delete_in_erp(shop: Shop, name: str) -> None:
    """Delete a Website Item as the desk does, which leaves a Deleted Document behind."""
    erp = shop.erp
    answer = requests.delete(
        f"{erp.url}/api/resource/Website Item/{name}",
        headers={"Authorization": f"token {erp.key}:{erp.secret}"},
        timeout=30,
    )
    answer.raise_for_status()


@pytest.mark.long
def test_what_is_rejected_and_held_is_reported(shop: Shop, runner: Runner, medusa: MedusaServer) -> None:
    good = shop.item()
    bad = shop.item(rate=0)
    planned = plan(runner)
    assert [row["asset"] for row in planned.rejects] == ["medusa_prices"]
    assert unlike(planned, runner.job(EXPORT, "batch_0")) == []
    held = plan(runner)
    assert [row["held"] for row in held.rejects] == ["since an earlier run"]
    assert good != bad


@pytest.mark.long
def test_a_brake_is_reported_before_it_stops_the_run(shop: Shop, runner: Runner, erp: ErpServer) -> None:
    names = [shop.item() for _ in range(12)]
    assert runner.job(EXPORT, "batch_0").success
    for name in names:
        shop.stocked.bin(name, "Main", 0)
    planned = plan(runner, "update_webitem_stock")
    assert len(planned.problems) == 1
    assert "allow_zero: true" in planned.problems[0]
    run = runner.job("update_webitem_stock", "batch_0")
    assert not run.success
    assert "allow_zero: true" in run.failure("medusa_stock").description
    allowed = plan(runner, "update_webitem_stock", config={"allow_zero": True})
    assert list(allowed.problems) == []


@pytest.mark.long
def test_a_brake_counts_the_prices_that_the_same_run_adds(shop: Shop, runner: Runner, erp: ErpServer) -> None:
    shop.item()
    assert runner.job(EXPORT, "batch_0").success
    (price,) = erp.store.rows("Item Price")
    erp.store.delete("Item Price", price["name"])
    shop.item()
    planned = plan(runner)
    assert list(planned.problems) == []
    assert unlike(planned, runner.job(EXPORT, "batch_0")) == []


@pytest.mark.long
def test_one_item_is_planned_without_the_others(shop: Shop, runner: Runner) -> None:
    one, _other = shop.item(), shop.item()
    planned = plan(runner, items=(one,))
    assert {row.document for row in planned.rows if row.kind == "product"} == {one}
    assert planned.counts["medusa_products[batch_0]"]["found"] == 1


@pytest.mark.long
def test_a_server_that_is_down_is_a_problem_of_the_plan(shop: Shop, runner: Runner, medusa: MedusaServer) -> None:
    shop.item()
    medusa.faults.add(Fault("status", "GET", r"/admin/products$", status=503))
    planned = plan(runner)
    assert any("medusa_products" in problem for problem in planned.problems)
