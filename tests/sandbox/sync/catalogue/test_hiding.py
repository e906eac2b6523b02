"""Runs that would hide many products from customers, for whatever reason."""

from datetime import datetime, timedelta, tzinfo
from typing import Any

import pytest

from erp_medusa_pipelines.sync.engine import brake
from tests.support.catalogue import Catalogue
from tests.support.nights import BATCHES
from tests.support.runs import JobRun, Runner
from tests.support.servers import ErpServer, MedusaServer

ORPHANS = "find_orphaned_products"
HIDDEN = "products would be hidden from customers"


@pytest.fixture
def catalogue(erp: ErpServer) -> Catalogue:
    return Catalogue(erp.store)


@pytest.fixture
def items(catalogue: Catalogue, shop_env: Any, runner: Runner) -> list[str]:
    """Thirty exported items, in one batch."""
    shop_env.setenv("EXPORT_BATCHES", "1")
    made = catalogue.items(30, catalogue.group("Shown"))
    assert runner.assets(["medusa_collections", "medusa_products"], "batch_0").success
    return made


def visible(medusa: MedusaServer) -> int:
    """Number of products that a customer sees."""
    return medusa.store("GET", "/store/products", params={"limit": 1, "fields": "id"}).json()["count"]


def updates(runner: Runner, batch: str = "batch_0", **config: Any) -> JobRun:
    run_config = {"ops": {"medusa_product_updates": {"config": config}}} if config else None
    return runner.asset("medusa_product_updates", batch, run_config=run_config)


def delete(erp: ErpServer, names: list[str]) -> None:
    for name in names:
        erp.store.trash("Website Item", name)


def unpublish(erp: ErpServer, names: list[str]) -> None:
    for name in names:
        erp.store.set("Website Item", name, published=0)


@pytest.mark.parametrize("lose", [delete, unpublish])
def test_thirty_of_thirty_stay_on_sale_night_after_night_until_somebody_allows_it(
    items: list[str], erp: ErpServer, medusa: MedusaServer, runner: Runner, lose: Any
) -> None:
    lose(erp, items)
    for _night in range(2):
        run = updates(runner)
        assert f"30 of 30 {HIDDEN}" in run.failure("medusa_product_updates").description
        assert runner.job(ORPHANS).success == (lose is unpublish)
        assert visible(medusa) == 30
    assert updates(runner, allow_hiding=True).success
    assert visible(medusa) == 0


def test_what_is_gained_goes_through_while_losses_are_stopped(
    items: list[str], erp: ErpServer, medusa: MedusaServer, runner: Runner
) -> None:
    unpublish(erp, items[:11])
    for name in (items[0], items[20]):
        erp.store.set("Website Item", name, web_item_name=f"New {name}")
    assert f"11 of 30 {HIDDEN}" in updates(runner).failure("medusa_product_updates").description
    titles = {row["title"] for row in medusa.admin("GET", "/admin/products", params={"limit": 99})["products"]}
    assert {f"New {items[0]}", f"New {items[20]}"} <= titles
    medusa.faults.forget_requests()
    assert not updates(runner).success
    assert [one for one in medusa.faults.requests if one.method == "POST"] == []


@pytest.mark.long
def test_slices_over_batches_and_nights_and_both_ways_of_hiding_count_together(
    erp: ErpServer, medusa: MedusaServer, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("EXPORT_BATCHES", "4")
    catalogue = Catalogue(erp.store)
    made = catalogue.items(60, catalogue.group("Shown"))
    for batch in BATCHES:
        assert runner.assets(["medusa_collections", "medusa_products"], batch).success
    for night in range(5):
        part = made[6 * night : 6 * night + 6]
        (delete if night % 2 else unpublish)(erp, part)
        for batch in BATCHES:
            updates(runner, batch)
    assert visible(medusa) >= 48


@pytest.mark.long
def test_another_sales_channel_does_not_take_the_shop_away(
    items: list[str], medusa: MedusaServer, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    other = medusa.admin("POST", "/admin/sales-channels", json={"name": "Counter"})["sales_channel"]["id"]
    shop_env.setenv("MEDUSA_SALES_CHANNEL_ID", other)
    assert f"30 of 30 {HIDDEN}" in updates(runner).failure("medusa_product_updates").description
    assert visible(medusa) == 30
    assert updates(runner, allow_hiding=True).success


def test_items_that_could_be_bought_without_stock_are_not_sold_out_by_a_changed_field(
    items: list[str], erp: ErpServer, medusa: MedusaServer, runner: Runner
) -> None:
    for name in items:
        erp.store.set("Website Item", name, on_backorder=1)
    assert updates(runner).success
    for name in items:
        erp.store.set("Website Item", name, on_backorder=0)
    assert f"30 of 30 {HIDDEN}" in updates(runner).failure("medusa_product_updates").description
    assert len(items) == 30


def test_a_wrong_erp_whose_deletions_are_not_recorded_hides_no_product(
    items: list[str], erp: ErpServer, medusa: MedusaServer, runner: Runner
) -> None:
    for name in items[:9]:
        erp.store.delete("Website Item", name)
    run = runner.job(ORPHANS)
    assert f"9 of 30 {HIDDEN}" not in (run.failure_text("orphaned_products"))
    for name in items[9:]:
        erp.store.delete("Website Item", name)
    assert f"of 30 {HIDDEN}" in runner.job(ORPHANS).failure("orphaned_products").description
    assert visible(medusa) == 21


def test_thirty_of_thirty_keep_their_descriptions_until_somebody_allows_it(
    items: list[str], erp: ErpServer, medusa: MedusaServer, runner: Runner
) -> None:
    """A column that an import emptied is no wish of the shop."""

    def described() -> int:
        query = {"limit": 99, "fields": "id,description"}
        return sum(bool(row["description"]) for row in medusa.admin("GET", "/admin/products", params=query)["products"])

    for name in items:
        erp.store.set("Website Item", name, web_long_description=None, web_item_name=f"New {name}")
    run = updates(runner)
    assert f"30 of 30 {HIDDEN}, or lose a text" in run.failure("medusa_product_updates").description
    assert described() == 30
    titles = {row["title"] for row in medusa.admin("GET", "/admin/products", params={"limit": 99})["products"]}
    assert {f"New {name}" for name in items} <= titles, "what takes nothing away was sent"
    assert updates(runner, allow_hiding=True).success
    assert described() == 0


class Yesterday(datetime):
    """The clock of a run of the night before."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "Yesterday":
        return cls.fromtimestamp(datetime.now(tz).timestamp(), tz) - timedelta(days=1)


@pytest.mark.long
def test_a_catalogue_that_is_imported_in_the_same_night_hides_no_loss(
    items: list[str],
    catalogue: Catalogue,
    erp: ErpServer,
    medusa: MedusaServer,
    runner: Runner,
    shop_env: pytest.MonkeyPatch,
) -> None:
    """20 of 130 would be few; of what customers saw the day before they are most."""
    with shop_env.context() as patch:
        patch.setattr(brake, "datetime", Yesterday)
        assert updates(runner).success
    catalogue.items(100, catalogue.group("Imported"))
    unpublish(erp, items[:20])
    for _try in range(2):
        assert runner.asset("medusa_products", "batch_0").success
        run = updates(runner)
        assert f"20 of 30 {HIDDEN}" in run.failure("medusa_product_updates").description
        assert visible(medusa) == 130
