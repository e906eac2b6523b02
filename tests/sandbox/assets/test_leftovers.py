"""Documents that one asset leaves for a retry do not stop the rest of the night, and are not forgotten."""

from typing import Any

import dagster as dg
import pytest

from erp_medusa_pipelines.assets.leftovers import CONTINUES, build_leftover_checks
from erp_medusa_pipelines.definitions import build_defs
from erp_medusa_pipelines.orchestration.runs.failed_parts import read_state
from erp_medusa_pipelines.orchestration.sensors.retries import outlook, retry_requests
from erp_medusa_pipelines.settings import load_settings
from erp_medusa_pipelines.sync.engine.quarantine import MOST_FAILURES
from erp_medusa_sandbox.faults import Fault
from tests.support.catalogue import Catalogue
from tests.support.runs import JobRun, Runner, in_a_backfill
from tests.support.servers import ErpServer, MedusaServer

EXPORT = "export_items_and_images_custom"
UNKNOWN = {"code": "unknown_error", "type": "unknown_error", "message": "An unknown error occurred."}
BUILT_ON_PRODUCTS = {
    "medusa_images",
    "medusa_product_updates",
    "medusa_prices",
    "medusa_stock",
    "medusa_publication",
}


@pytest.fixture
def catalogue(erp: ErpServer) -> Catalogue:
    return Catalogue(erp.store)


def failing_on(medusa: MedusaServer, text: str) -> None:
    fault = Fault("status", method="POST", path="/admin/products/batch", body=text, status=500, json=UNKNOWN)
    medusa.faults.add(fault)


def materialized(run: JobRun) -> set[str]:
    return {
        event.asset_key.to_user_string() for event in run.result.get_asset_materialization_events() if event.asset_key
    }


def request_for(runner: Runner) -> dg.RunRequest:
    """What the retry sensor would ask for."""
    (part,) = read_state(runner.instance, ["batch_0"]).failed
    (request,) = retry_requests(runner.instance, [outlook(runner.instance, part, load_settings(None))])
    return request


@pytest.mark.long
def test_one_product_that_medusa_fails_on_stops_nothing_else(
    catalogue: Catalogue, medusa: MedusaServer, runner: Runner
) -> None:
    group = catalogue.group("G")
    good, bad = catalogue.items(6, group), catalogue.item(group, code=f"BAD-{catalogue.tag}")
    failing_on(medusa, f"BAD-{catalogue.tag}")
    run = runner.job(EXPORT, "batch_0")
    assert not run.success
    assert f"Website Item {bad}" in run.failure("medusa_products").description
    assert materialized(run) >= {"medusa_products", *BUILT_ON_PRODUCTS}
    assert all(catalogue.row(name)["medusa_variant_id"] for name in good)
    assert run.metadata("medusa_stock")["waiting"] == 1
    assert not catalogue.row(bad)["medusa_id"]


@pytest.mark.long
def test_the_partition_is_red_and_tried_again_with_what_builds_on_it(
    catalogue: Catalogue, medusa: MedusaServer, runner: Runner
) -> None:
    group = catalogue.group("G")
    catalogue.items(3, group)
    bad = catalogue.item(group, code=f"BAD-{catalogue.tag}")
    failing_on(medusa, f"BAD-{catalogue.tag}")
    runner.job(EXPORT, "batch_0")
    (part,) = read_state(runner.instance, ["batch_0"]).failed
    assert part.assets == {"medusa_products"}
    request = request_for(runner)
    names = {key.to_user_string() for key in request.asset_selection or ()}
    assert names == {"medusa_products", *BUILT_ON_PRODUCTS}
    medusa.faults.heal()
    assert runner.assets(sorted(names), "batch_0").success
    assert catalogue.row(bad)["medusa_variant_id"]
    assert read_state(runner.instance, ["batch_0"]).failed == []


@pytest.mark.long
def test_the_partition_is_red_after_a_run_of_a_backfill_too(
    catalogue: Catalogue, medusa: MedusaServer, runner: Runner
) -> None:
    """Its batch is in other tags than that of a run from a schedule."""
    catalogue.item(catalogue.group("G"), code=f"BAD-{catalogue.tag}")
    failing_on(medusa, f"BAD-{catalogue.tag}")
    assert runner.asset("medusa_collections").success
    assert not runner.assets(["medusa_products"], tags=in_a_backfill("batch_0")).success
    assert ("medusa_products", "batch_0") in read_state(runner.instance, ["batch_0"]).unsettled
    medusa.faults.heal()
    assert runner.asset("medusa_products", "batch_0").success
    assert read_state(runner.instance, ["batch_0"]).failed == []


@pytest.mark.long
def test_what_fails_alone_in_each_run_becomes_a_reject_and_heals_by_itself(
    catalogue: Catalogue, medusa: MedusaServer, runner: Runner
) -> None:
    bad = catalogue.item(catalogue.group("G"), code=f"BAD-{catalogue.tag}")
    failing_on(medusa, f"BAD-{catalogue.tag}")
    runs = []
    for number in range(MOST_FAILURES + 1):
        # Another one passes each time, or the server would be doubted and not the document.
        catalogue.item(catalogue.root, code=f"GOOD-{number}-{catalogue.tag}")
        runs.append(runner.asset("medusa_products", "batch_0"))
    assert [run.success for run in runs] == [False] * (MOST_FAILURES - 1) + [True] * 2
    (row,) = runs[-1].rejects("medusa_products")
    assert row["document"] == f"Website Item {bad}"
    assert "fails on this document alone" in row["reason"]
    medusa.faults.heal()
    healed = runner.asset("medusa_products", "batch_0")
    assert healed.check("medusa_products").passed
    assert catalogue.row(bad)["medusa_id"]


@pytest.mark.long
def test_a_server_that_fails_on_every_write_is_given_up_after_a_few_calls(
    catalogue: Catalogue, medusa: MedusaServer, runner: Runner
) -> None:
    names = catalogue.items(300, catalogue.group("G"))
    assert runner.assets(["medusa_collections", "medusa_products"], "batch_0").success
    for name in names:
        catalogue.store.set("Website Item", name, web_item_name=f"New {name}")
    medusa.faults.add(Fault("status", method="POST", path="/admin/products/batch", status=500, json=UNKNOWN))
    medusa.faults.forget_requests()
    run = runner.asset("medusa_product_updates", "batch_0")
    assert not run.success
    assert run.metadata("medusa_product_updates")["left"] == 300
    posts = [seen for seen in medusa.faults.requests if seen.method == "POST"]
    # Each call is tried four times by the client. It were 2,388 without a look at whether anything goes through.
    assert len(posts) <= 160, len(posts)


def test_these_assets_let_the_run_go_on(shop_env: pytest.MonkeyPatch) -> None:
    graph: Any = build_defs().get_repository_def().asset_graph
    found = {key.asset_key.to_user_string() for key in graph.asset_check_keys if key.name == "nothing_left"}
    first = {"medusa_categories", "medusa_collections", "medusa_customer_groups", "medusa_price_lists"}
    assert found == {*first, "medusa_products", *BUILT_ON_PRODUCTS} - {"medusa_publication"}


def test_an_asset_with_the_tag_gets_the_check_by_itself() -> None:
    @dg.asset(tags=CONTINUES)
    def customers() -> None: ...

    @dg.asset(deps=[customers])
    def addresses() -> None: ...

    (check,) = build_leftover_checks([customers, addresses])
    assert check.check_key == dg.AssetCheckKey(dg.AssetKey("customers"), "nothing_left")
