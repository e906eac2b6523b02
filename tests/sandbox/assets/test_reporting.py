"""What a materialization reports: numbers for plots, rejects of all batches, and that it is the sandbox."""

import re
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import dagster as dg
import pytest

from erp_medusa_pipelines.assets import reporting
from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.checks.rejects import read_rejects
from erp_medusa_pipelines.orchestration.runs.failures import PERMANENT, RETRY_AFTER
from erp_medusa_pipelines.settings import CONNECTION_VARIABLES
from erp_medusa_pipelines.sync.engine.batches import Batch
from erp_medusa_pipelines.sync.engine.quarantine import Quarantine
from erp_medusa_sandbox import server
from erp_medusa_sandbox.faults import Fault
from tests.support.catalogue import Catalogue
from tests.support.runs import Runner
from tests.support.servers import ErpServer, MedusaServer

NUMBERS = (
    "found", "written", "adopted", "updated", "unchanged", "waiting", "rejected", "left", "requests", "seconds",
    "items_per_second",
)  # fmt: skip


@pytest.fixture
def catalogue(erp: ErpServer) -> Catalogue:
    return Catalogue(erp.store)


def test_every_number_is_there_also_when_it_is_zero(catalogue: Catalogue, runner: Runner) -> None:
    for expected in (0, 3):
        if expected:
            catalogue.items(expected, catalogue.group("G"))
        output = runner.asset("medusa_products", "batch_0").metadata("medusa_products")
        for name in NUMBERS:
            assert isinstance(output[name], int | float), name
        assert (output["found"], output["written"]) == (expected, expected)
        assert "127.0.0.1" in output["target"]
        assert "SANDBOX" not in output["target"]


@pytest.mark.long
def test_the_check_tells_of_the_rejects_of_all_batches(
    catalogue: Catalogue, erp: ErpServer, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("EXPORT_BATCHES", "2")
    runner = Runner()
    group = catalogue.group("G")
    names: dict[int, str] = {}
    while len(names) < 2:
        name = catalogue.item(group)
        names.setdefault(next(index for index in range(2) if Batch(index, 2).contains(name)), name)
    for name in names.values():
        erp.store.set("Website Item", name, item_code="")
    runs = [runner.asset("medusa_products", f"batch_{index}") for index in range(2)]
    assert all(run.success for run in runs), "rejects do not make a batch red"
    assert [run.metadata("medusa_products")["rejected"] for run in runs] == [1, 1]
    run = runs[1]
    assert not run.check("medusa_products").passed
    rows = {row["document"]: row for row in run.rejects("medusa_products")}
    assert set(rows) == {f"Website Item {name}" for name in names.values()}
    for index, name in names.items():
        row = rows[f"Website Item {name}"]
        assert row["link"] == f"{erp.url}/app/website-item/{name}"
        assert row["field"] == "item_code"
        assert bool(row["held"]) is (index == 0), "the other batch's was found by an earlier run"
    # One batch mended: the other one's reject still fails the check.
    erp.store.set("Website Item", names[1], item_code=f"code-{catalogue.tag}")
    again = runner.asset("medusa_products", "batch_1")
    assert again.metadata("medusa_products")["rejected"] == 0
    assert [row["document"] for row in again.rejects("medusa_products")] == [f"Website Item {names[0]}"]


def test_many_that_are_refused_alike_are_a_trouble_of_their_own(
    catalogue: Catalogue, medusa: MedusaServer, runner: Runner
) -> None:
    catalogue.items(11, catalogue.group("G"))
    refused = {"type": "invalid_data", "message": "a plugin of this shop refuses it"}
    medusa.faults.add(Fault("status", method="POST", path="/admin/products/batch", status=400, json=refused))
    run = runner.asset("medusa_products", "batch_0")
    assert run.success
    check = run.check("medusa_products")
    said = "11 of 11 in batch_0: a plugin of this shop refuses it"
    assert (check.severity.value, check.metadata["refused_alike"].value) == ("ERROR", said)
    assert [found.alike for found in read_rejects(runner.instance)] == [said]
    medusa.faults.heal()
    assert runner.asset("medusa_products", "batch_0").check("medusa_products").passed
    assert [found.alike for found in read_rejects(runner.instance)] == [""]


def test_what_is_held_back_outlives_a_failed_run(
    catalogue: Catalogue, erp: ErpServer, medusa: MedusaServer, runner: Runner
) -> None:
    group = catalogue.group("G")
    bad, good = catalogue.item(group), catalogue.item(group)
    erp.store.set("Website Item", bad, item_code="")
    medusa.faults.add(Fault("status", method="POST", path="/admin/products/batch", status=503))
    failed = runner.asset("medusa_products", "batch_0")
    assert not failed.success
    output = failed.metadata("medusa_products")
    assert (output["rejected"], output["left"]) == (1, 1)
    assert f"Website Item {good}" in failed.failure("medusa_products").description
    held = Quarantine.from_json(state.load(runner.instance, "quarantine/medusa_products/batch_0"))
    assert [name for name, _ in held.entries()] == [bad]
    medusa.faults.heal()
    mended = runner.asset("medusa_products", "batch_0")
    assert mended.success
    assert [row["held"] for row in mended.rejects("medusa_products")] == ["since an earlier run"]


def test_a_failure_tells_the_retries_what_they_need(
    catalogue: Catalogue, erp: ErpServer, medusa: MedusaServer, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    catalogue.items(2, catalogue.group("G"))
    medusa.faults.add(Fault("status", method="POST", status=429, headers={"Retry-After": "900"}))
    paused = runner.asset("medusa_products", "batch_0")
    assert paused.metadata("medusa_products")[RETRY_AFTER] == 900
    medusa.faults.heal()
    shop_env.setenv("ERPNEXT_API_SECRET", "wrong-secret-value")
    refused = runner.asset("medusa_products", "batch_0")
    assert refused.metadata("medusa_products")[PERMANENT] is True
    text = refused.failure_text("medusa_products")
    assert "key or secret not accepted" in text
    for secret in ("wrong-secret-value", erp.secret, medusa.api_key):
        assert secret not in text


@pytest.mark.parametrize(
    ("tags", "says", "permanent"),
    [
        ({}, "this run has none; name one: `--partition batch_0`", True),
        (
            {"dagster/asset_partition_range_start": "batch_0", "dagster/asset_partition_range_end": "batch_1"},
            "this run has several",
            False,
        ),
    ],
)
def test_a_run_that_does_not_have_one_batch_says_how_to_start_it(
    runner: Runner, shop_env: pytest.MonkeyPatch, tags: dict[str, str], says: str, permanent: bool
) -> None:
    """`dg launch` asks for no batch, and the API takes a range. Each batch of a range is retried by itself."""
    shop_env.setenv("EXPORT_BATCHES", "2")
    run = runner.assets(["medusa_stock"], tags=tags)
    assert not run.success
    assert says in str(run.failure("medusa_stock").description)
    assert run.metadata("medusa_stock")[PERMANENT] is permanent


@pytest.mark.long
def test_the_sandbox_is_never_taken_for_a_shop(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in CONNECTION_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SANDBOX_DIR", str(tmp_path / "sandbox"))
    monkeypatch.setenv("USE_SANDBOX", "true")
    try:
        run = Runner().asset("medusa_collections")
        assert run.success
        output = run.metadata("medusa_collections")
    finally:
        server.stop(tmp_path / "sandbox")
    assert output["target"].startswith("SANDBOX")
    assert output["written"] > 0
    assert "WARNING" in next(line for line in capfd.readouterr().err.splitlines() if "SANDBOX:" in line)


@pytest.mark.long
def test_asked_for_the_sandbox_it_leaves_the_servers_that_are_set_alone(
    catalogue: Catalogue, erp: ErpServer, medusa: MedusaServer, shop_env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    catalogue.items(1, catalogue.group("G"))
    shop_env.setenv("USE_SANDBOX", "true")
    shop_env.setenv("SANDBOX_DIR", str(tmp_path / "sandbox"))
    try:
        output = Runner().asset("medusa_collections").metadata("medusa_collections")
    finally:
        server.stop(tmp_path / "sandbox")
    assert output["target"].startswith("SANDBOX")
    assert erp.faults.requests == []
    assert medusa.faults.requests == []


@pytest.mark.long
def test_progress_tells_the_true_total_from_its_first_line_on(
    catalogue: Catalogue, erp: ErpServer, shop_env: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is read, sent and written in pieces, and although an item may have several prices."""
    for name in ("ERPNEXT_READ_CHUNK", "MEDUSA_CHUNK", "MEDUSA_PRICE_CHUNK", "MEDUSA_LEVEL_CHUNK"):
        shop_env.setenv(name, "4")
    shop_env.setenv("EXPORT_BATCHES", "1")
    monkeypatch.setattr(reporting, "SECONDS_BETWEEN_PROGRESS", 0.0)
    erp.store.insert("Warehouse", name="Main", warehouse_name="Main", lft=1, rgt=2, is_group=0, disabled=0)
    for name in catalogue.items(12, catalogue.group("Gloves"), website_warehouse="Main"):
        code = catalogue.row(name)["item_code"]
        price = {"item_code": code, "price_list": "Standard Selling", "selling": 1, "currency": "OMR", "uom": "Nos"}
        erp.store.insert("Item Price", price_list_rate=1.5, valid_upto="2020-12-31", **price)
        erp.store.insert("Item Price", price_list_rate=2.5, valid_from="2021-01-01", **price)
        erp.store.insert("Bin", item_code=code, warehouse="Main", actual_qty=7)
    runner = Runner()
    run = runner.job("export_items_and_images_custom", "batch_0")
    assert run.success
    output: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for entry in runner.instance.all_logs(run.result.run_id):
        if found := re.fullmatch(r"(\d+) of (\d+)", entry.user_message):
            output[entry.step_key or ""].append((int(found[1]), int(found[2])))
    for asset in ("medusa_products", "medusa_product_updates", "medusa_prices", "medusa_stock"):
        done = [number for number, _ in output[asset]]
        assert {total for _, total in output[asset]} == {12}, (asset, output[asset])
        assert done == sorted(done)
        assert done[-1] == 12


def test_a_number_that_a_thread_reports_late_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "SECONDS_BETWEEN_PROGRESS", 0.0)
    output: list[tuple[int, int]] = []
    context = SimpleNamespace(log=SimpleNamespace(info=lambda _text, *numbers: output.append(numbers)))
    listener = reporting._progress_log(cast("dg.AssetExecutionContext", context))
    for done in (4, 12, 8):
        listener(done, 12)
    assert output == [(4, 12), (12, 12)]
