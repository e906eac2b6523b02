"""plan, apply, sync and log as an operator uses them, on an installation with storage of its own."""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from erp_medusa_pipelines.cli.main import app
from erp_medusa_pipelines.orchestration.checks.rejects import quarantine_key
from erp_medusa_pipelines.orchestration.runs import item_runs
from erp_medusa_pipelines.orchestration.runs.plan_jobs import SYNC_JOB
from erp_medusa_pipelines.orchestration.state import load, save
from erp_medusa_pipelines.sync.engine.batches import batch_of_name
from erp_medusa_sandbox.faults import Fault
from tests.sandbox.cli.conftest import Command
from tests.sandbox.plan.test_plans import EXPORT, Shop
from tests.suites.variants import Shop as OptionShop
from tests.support.catalogue import Catalogue
from tests.support.runs import Runner, in_a_backfill
from tests.support.servers import ErpServer, MedusaServer
from tests.support.writes import erp_writes, medusa_writes


@pytest.fixture
def shop(erp: ErpServer, medusa: MedusaServer) -> Shop:
    """An empty shop."""
    return Shop(Catalogue(erp.store), erp, medusa)


@pytest.mark.long
def test_a_plan_is_written_to_a_file_and_applied_once(
    erp_medusa: Command, shop: Shop, erp: ErpServer, medusa: MedusaServer, home: Path
) -> None:
    names = [shop.item() for _ in range(2)]
    file = home / "plan.json"
    planned = erp_medusa("plan", EXPORT, "--batch", "0", "--out", str(file))
    assert (planned.code, planned.data["status"]) == (0, "fine")
    assert medusa_writes(medusa) == []
    assert erp_writes(erp) == []
    applied = erp_medusa("apply", "--plan", str(file))
    assert (applied.code, applied.data["applied"]) == (0, True)
    assert all(shop.product_of(name) for name in names)
    with dg.DagsterInstance.get() as instance:
        (run,) = instance.get_runs()
        assert (run.job_name, run.run_id) == (EXPORT, applied.data["runs"][0]["run_id"])
    writes = len(medusa_writes(medusa))
    again = erp_medusa("apply", "--plan", str(file))
    assert (again.code, again.data["applied"]) == (1, False)
    assert len(medusa_writes(medusa)) == writes


@pytest.mark.long
def test_an_applied_run_counts_as_its_batchs(erp_medusa: Command, shop: Shop, home: Path) -> None:
    """Its tag keeps other runs of the batch waiting, and tells explain of it."""
    name, file = shop.item(), home / "plan.json"
    assert erp_medusa("plan", EXPORT, "--out", str(file)).code == 0
    (run,) = erp_medusa("apply", "--plan", str(file)).data["runs"]
    with dg.DagsterInstance.get() as instance:
        (made,) = instance.get_runs()
        assert made.tags["batch"] == "batch_0"
    assert [one["run_id"] for one in erp_medusa("explain", name).data["runs"]] == [run["run_id"]]


@pytest.mark.parametrize("job", [EXPORT, "update_webitem_stock"])
@pytest.mark.long
def test_a_plan_is_not_applied_while_a_run_works_on_its_batch(
    erp_medusa: Command, shop: Shop, medusa: MedusaServer, home: Path, job: str
) -> None:
    shop.item()
    file = home / "plan.json"
    assert erp_medusa("plan", EXPORT, "--out", str(file)).code == 0
    with dg.DagsterInstance.get() as instance:
        tags = {"dagster/partition": "batch_0"}
        busy = instance.create_run_for_job(_job(job), status=dg.DagsterRunStatus.STARTED, tags=tags)
    output = erp_medusa("apply", "--plan", str(file))
    assert output.code == 2
    assert busy.run_id in output.data["error"]
    assert medusa_writes(medusa) == []


@pytest.mark.long
def test_a_failed_run_of_a_plan_says_why(
    erp_medusa: Command, shop: Shop, erp: ErpServer, medusa: MedusaServer, home: Path
) -> None:
    shop.item()
    file = home / "plan.json"
    assert erp_medusa("plan", EXPORT, "--out", str(file)).code == 0
    medusa.faults.add(Fault("status", "POST", r"/admin/products/batch$", status=500))
    output = CliRunner(env={"COLUMNS": "4000"}).invoke(app, ["apply", "--plan", str(file)])
    assert output.exit_code == 1
    assert f"{EXPORT} batch_0: " in output.stdout
    assert "the server failed without giving a reason" in output.stdout


@pytest.mark.long
def test_a_plan_of_several_batches_has_the_numbers_of_each(
    erp_medusa: Command, shop: Shop, shop_env: pytest.MonkeyPatch
) -> None:
    """Each batch's run looks at all collections: the first one makes them."""
    shop_env.setenv("EXPORT_BATCHES", "2")
    shop.item()
    (planned,) = erp_medusa("plan", EXPORT).data["plans"]
    written = {name: some["written"] for name, some in planned["counts"].items() if "collections" in name}
    assert written == {"medusa_collections[batch_0]": 1, "medusa_collections[batch_1]": 0}


@pytest.mark.long
def test_a_server_that_is_down_is_reported_once_and_not_as_nothing_to_change(
    erp_medusa: Command, shop: Shop, medusa: MedusaServer, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("EXPORT_BATCHES", "2")
    medusa.faults.add(Fault("status", "GET", r"/admin/collections$", status=401))
    output = CliRunner().invoke(app, ["plan", EXPORT])
    assert output.exit_code == 2
    assert output.stdout.count(f"{EXPORT} would fail: medusa_collections") == 1
    assert "nothing to change" not in output.stdout


@pytest.mark.long
def test_files_of_plans_that_cannot_be_used_are_one_sentence(erp_medusa: Command, shop: Shop, tmp_path: Path) -> None:
    nowhere, broken, items = tmp_path / "no" / "plan.json", tmp_path / "broken.json", tmp_path / "items.json"
    assert "cannot be written" in erp_medusa("plan", "expire_otps", "--out", str(nowhere)).data["error"]
    assert (
        erp_medusa("apply", "--plan", str(nowhere)).data["error"].endswith("cannot be read: No such file or directory")
    )
    broken.write_text('{"plans": []}', encoding="utf-8")
    assert erp_medusa("apply", "--plan", str(broken)).data["error"].endswith("wrote")
    assert erp_medusa("plan", EXPORT, "--item", shop.item(), "--out", str(items)).code == 0
    assert "erp-medusa sync ITEM" in erp_medusa("apply", "--plan", str(items)).data["error"]


@pytest.mark.long
def test_a_plan_on_the_screen_is_short_and_says_nothing_was_done(
    erp_medusa: Command, shop: Shop, erp: ErpServer, home: Path
) -> None:
    lost, long = shop.item(), shop.item()
    assert erp_medusa("sync", lost, long).code == 0
    erp.store.set("Website Item", lost, medusa_id="prod_gone", medusa_variant_id="variant_gone")
    erp.store.set("Website Item", long, web_long_description=f"<p>{'x' * 500}</p>")
    output = CliRunner(env={"COLUMNS": "4000"}).invoke(app, ["plan", EXPORT])
    assert "prod_gone" in output.stdout
    assert "WARNING" not in output.stderr
    assert "x" * 90 in output.stdout
    assert "x" * 101 not in output.stdout


@pytest.mark.long
def test_the_log_tells_what_a_run_made_changed_and_refused(
    erp_medusa: Command, shop: Shop, erp: ErpServer, home: Path
) -> None:
    name, bad = shop.item(), shop.item(rate=0)
    other = shop.item()
    assert erp_medusa("sync", name, bad).code == 1
    erp.store.set("Website Item", name, web_item_name="Another name")
    second = erp_medusa("sync", shop.catalogue.row(name)["item_code"])
    assert second.code == 0, second.data
    output = erp_medusa("log", name)
    entries = output.data["entries"]
    made = [one for one in entries if (one["kind"], one["action"]) == ("product", "create")]
    assert [one["document"] for one in made] == [name]
    titles = [one for one in entries if one["field"] == "title"]
    assert [(one["new"], one["run_id"]) for one in titles] == [("Another name", second.data["run_id"])]
    assert {one["kind"] for one in entries} >= {"product", "price", "inventory level", "Website Item", "Item Price"}
    (level,) = (one for one in entries if one["kind"] == "inventory level")
    assert "Main warehouse (sloc_" in level["field"]
    refused = [one for one in erp_medusa("log", bad).data["entries"] if one["action"] == "refuse"]
    assert len(refused) == 1
    assert erp_medusa("log", other).data["entries"] == []


@pytest.mark.long
def test_prices_that_change_are_reported_by_the_items_code(erp_medusa: Command, shop: Shop, home: Path) -> None:
    """The price task reads no product, and what Medusa says of its prices has only the ids of variants."""
    name = shop.item()
    assert erp_medusa("sync", name).code == 0
    shop.erp.store.set("Item Price", f"price-{shop.catalogue.tag}-001", price_list_rate=4)
    planned = home / "plan.json"
    assert erp_medusa("plan", "sync_missing_prices_to_medusa", "--out", str(planned)).code == 0
    assert erp_medusa("apply", "--plan", str(planned)).code == 0
    code = shop.catalogue.row(name)["item_code"]
    output = [
        (one["document"], one["old"], one["new"])
        for one in erp_medusa("log", code).data["entries"]
        if (one["kind"], one["action"]) == ("price", "update")
    ]
    assert output == [(code, "1.5", "4.0")]


@pytest.mark.long
def test_only_the_named_items_are_touched_and_nothing_counts_as_materialized(
    erp_medusa: Command, shop: Shop, home: Path
) -> None:
    first, second = shop.item(rate=0), shop.item()
    assert erp_medusa("sync", first).code == 1
    with dg.DagsterInstance.get() as instance:
        held = load(instance, quarantine_key("medusa_prices", "batch_0"))
        assert len(held["held"]) == 1
    output = erp_medusa("sync", second)
    assert output.code == 0, output.data
    assert shop.product_of(second)
    with dg.DagsterInstance.get() as instance:
        assert load(instance, quarantine_key("medusa_prices", "batch_0")) == held
        assert instance.get_latest_materialization_event(dg.AssetKey("medusa_products")) is None
        assert {run.job_name for run in instance.get_runs()} == {"sync_items"}


@pytest.mark.long
def test_prices_of_other_items_stay_when_one_is_synced(erp_medusa: Command, shop: Shop, home: Path) -> None:
    names = [shop.item() for _ in range(3)]
    assert erp_medusa("sync", *names).code == 0
    shop.erp.store.set("Item Price", f"price-{shop.catalogue.tag}-001", price_list_rate=4)
    assert erp_medusa("sync", names[0]).code == 0
    planned = erp_medusa("plan", EXPORT)
    assert planned.data["plans"][0]["changes"] == []


@pytest.mark.parametrize(
    "tags",
    [
        {"dagster/partition": "batch_0"},
        in_a_backfill("batch_0"),
        {"dagster/asset_partition_range_start": "batch_0", "dagster/asset_partition_range_end": "batch_1"},
    ],
    ids=["schedule", "backfill", "range"],
)
@pytest.mark.long
def test_an_item_whose_batch_is_being_worked_on_is_refused(
    erp_medusa: Command, shop: Shop, home: Path, shop_env: pytest.MonkeyPatch, tags: dict[str, str]
) -> None:
    shop_env.setenv("EXPORT_BATCHES", "2")
    name = next(name for name in (shop.item() for _ in range(50)) if batch_of_name(name, 2) == "batch_0")
    with dg.DagsterInstance.get() as instance:
        busy = instance.create_run_for_job(_job(), run_id=None, status=dg.DagsterRunStatus.STARTED, tags=tags)
    output = erp_medusa("sync", name)
    assert output.code == 1
    assert busy.run_id in output.data["problem"]
    assert not shop.product_of(name)


@pytest.mark.long
def test_a_sync_is_in_the_queue_as_work_on_its_batch(erp_medusa: Command, shop: Shop, home: Path) -> None:
    """The queue's limit counts by this tag, so that no run of the batch starts meanwhile; nor does another sync."""
    with dg.DagsterInstance.get() as instance:
        other = instance.create_run_for_job(
            _job(SYNC_JOB),
            run_config={"ops": {"export_items": {"config": {"items": ["another"]}}}},
            status=dg.DagsterRunStatus.STARTED,
            tags={"batch": "batch_0"},
        )
        name = shop.item()
        refused = erp_medusa("sync", name)
        assert refused.code == 1
        assert other.run_id in refused.data["problem"]
        instance.report_run_canceled(other)
        output = erp_medusa("sync", name)
        assert output.code == 0
        run = instance.get_run_by_id(output.data["run_id"])
        assert run is not None
        assert run.tags["batch"] == "batch_0"


@pytest.mark.long
def test_a_batch_that_becomes_busy_is_left_out_and_what_is_done_stays(
    erp_medusa: Command, shop: Shop, home: Path, shop_env: pytest.MonkeyPatch
) -> None:
    """A run starts on batch_1 while an item of batch_0 is exported, and keeps a reject of its own."""
    shop_env.setenv("EXPORT_BATCHES", "2")
    made = [shop.item(rate=0) for _ in range(12)]
    first, second = (next(name for name in made if batch_of_name(name, 2) == f"batch_{batch}") for batch in (0, 1))
    theirs, key = {"held": {"price-9": {}}}, quarantine_key("medusa_prices", "batch_1")
    looked_at_first, started = item_runs.at_work_on, list[str]()

    def just_before_batch_1(instance: dg.DagsterInstance, batches: Sequence[str | None], *, but: str = "") -> str:
        if list(batches) == ["batch_1"]:
            tags = {"dagster/partition": "batch_1"}
            run = instance.create_run_for_job(_job(), status=dg.DagsterRunStatus.STARTED, tags=tags)
            started.append(run.run_id)
            save(instance, key, theirs)
        return looked_at_first(instance, batches, but=but)

    shop_env.setattr(item_runs, "at_work_on", just_before_batch_1)
    output = erp_medusa("sync", first, second)
    assert output.code == 1
    assert second in output.data["problem"]
    assert started[0] in output.data["problem"]
    assert [reject["asset"] for reject in output.data["rejects"]] == ["medusa_prices"]
    assert {row["asset"] for row in output.data["counts"]} >= {"medusa_products[batch_0]"}
    with dg.DagsterInstance.get() as instance:
        assert load(instance, key) == theirs
        assert len(load(instance, quarantine_key("medusa_prices", "batch_0"))["held"]) == 1
    assert shop.product_of(first)
    assert not shop.product_of(second)


def test_an_unknown_item_or_task_is_one_sentence(erp_medusa: Command, home: Path, shop: Shop) -> None:
    assert "NO-SUCH" in erp_medusa("sync", "NO-SUCH").data["error"]
    assert "there is no task x" in erp_medusa("plan", "x").data["error"]
    assert "there is no batch 7" in erp_medusa("plan", "--batch", "7").data["error"]
    assert "there is no batch 7" in erp_medusa("plan", "--batch", "batch_7").data["error"]
    for option in (("--batch", "0"), ("--item", "WEB-1")):
        output = erp_medusa("plan", "expire_otps", *option)
        assert output.data["error"] == "expire_otps works on the whole shop: leave --batch and --item out"
    assert "name one as 0 or batch_0" in CliRunner().invoke(app, ["plan", "--batch", "x"]).stderr


def _job(name: str = EXPORT) -> dg.JobDefinition:
    from erp_medusa_pipelines.definitions import build_defs

    return build_defs().resolve_job_def(name)


@pytest.mark.usefixtures("home")
@pytest.mark.long
def test_a_variant_that_is_named_brings_all_of_its_product(
    erp_medusa: Command, erp: ErpServer, medusa: MedusaServer, shop_env: pytest.MonkeyPatch, runner: Runner
) -> None:
    """Its batch is its template's, whatever its own name says."""
    shop_env.setenv("VARIANTS", "options")
    shop_env.setenv("EXPORT_BATCHES", "4")
    variants = OptionShop(Catalogue(erp.store), erp, medusa, runner)
    names = [variants.variant(size, colour) for size in ("S", "M", "L") for colour in ("Red", "Blue")]
    own = batch_of_name(variants.template, 4)
    elsewhere = next(name for name in names if batch_of_name(name, 4) != own)
    assert erp_medusa("sync", elsewhere).code == 0
    bound = {variants.catalogue.row(name)["medusa_id"] for name in (variants.template, *names)}
    assert len(bound - {"", None}) == 1
    assert {price for price, _ in variants.sold().values()} == {4.5}
    assert {row["what"] for row in erp_medusa("drift").data["differences"]} <= {"collection", "collection_id"}
    output = erp_medusa("explain", elsewhere).data
    assert (output["batch"], output["can_be_bought"]) == (own, True)
    assert [entry["amount"] for entry in output["medusa"]["prices"]] == [4.5]
    assert [level["stocked_quantity"] for level in output["medusa"]["stock"]] == [5]
