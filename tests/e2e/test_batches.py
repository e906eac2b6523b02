"""Runs that concern batches in other ways than one run for one batch, on a running installation of their own."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.deployment import Deployment, deployed, private_postgres, wait_for
from dev.sample_shop import SampleShop
from erp_medusa_pipelines.sync.engine.batches import batch_of_name
from tests.e2e.conftest import QUICK

COMMAND = Path(sys.executable).with_name("erp-medusa")
EXPORT = "export_items_and_images_custom"
STOCK = "update_webitem_stock"
RETRIES = "retry_failed_partitions"
BATCHES = int(QUICK["EXPORT_BATCHES"])


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """With a code server, as that is what is started again when settings change."""
    home = tmp_path_factory.mktemp("batches")
    with private_postgres(home / "postgres") as url, deployed(home, postgres_url=url, **QUICK) as deployment:
        yield deployment


@pytest.fixture(autouse=True)
def as_before(installation: Deployment) -> Iterator[None]:
    yield
    installation.turn_off_sensor(RETRIES)
    installation.heal()


def retries_of(deployment: Deployment, run_id: str) -> set[str]:
    """Batches of the runs that the sensor started in place of that one."""
    runs = deployment.runs(tags=[{"key": "erp_medusa_pipelines/retry_of", "value": run_id}])
    return {tag["value"] for run in runs for tag in run["tags"] if tag["key"] == "batch"}


def wait_until_green(deployment: Deployment, *batches: str) -> None:
    wait_for("green", lambda: set(batches) <= set(deployment.partitions("medusa_stock")["green"]), 120)


def reload_code(deployment: Deployment, batches: int) -> None:
    """What a change of a setting takes that is read when the code is loaded."""
    deployment.write_env_file(EXPORT_BATCHES=str(batches))
    deployment.kill("code")
    deployment.start_again("code")
    wait_for("the code", lambda: deployment.batches("medusa_stock") == batches, 120)


def test_a_run_over_a_range_of_batches_that_fails_is_retried_batch_by_batch(installation: Deployment) -> None:
    """The launch dialog offers no such run, as the assets have a backfill policy; the API takes it."""
    tags = {"dagster/asset_partition_range_start": "batch_0", "dagster/asset_partition_range_end": "batch_1"}
    failed = installation.ended(installation.launch("__ASSET_JOB", assets=["medusa_stock"], tags=tags))
    assert failed.status == "FAILURE"
    installation.turn_on_sensor(RETRIES)
    wait_for("both retries", lambda: retries_of(installation, failed.run_id) == {"batch_0", "batch_1"}, 120)
    wait_until_green(installation, "batch_0", "batch_1")


def test_a_batch_that_exists_no_more_holds_up_no_retry(installation: Deployment) -> None:
    installation.break_erpnext(action="status", status=503, path="/api/")
    gone, other = (installation.launch(STOCK, batch) for batch in (f"batch_{BATCHES - 1}", "batch_2"))
    for run_id in (gone, other):
        assert installation.ended(run_id).status == "FAILURE"
    installation.heal()
    reload_code(installation, BATCHES - 1)
    installation.turn_on_sensor(RETRIES)
    wait_for("the retry of batch_2", lambda: retries_of(installation, other) == {"batch_2"}, 120)
    assert not retries_of(installation, gone)
    installation.turn_off_sensor(RETRIES)
    reload_code(installation, BATCHES)
    installation.turn_on_sensor(RETRIES)
    wait_for("the retry of the other", lambda: retries_of(installation, gone) == {f"batch_{BATCHES - 1}"}, 120)
    wait_until_green(installation, "batch_2", f"batch_{BATCHES - 1}")


@pytest.mark.parametrize("command", ["sync", "apply"])
def test_a_run_of_a_batch_waits_in_the_queue_while_the_command_works_on_it(
    installation: Deployment, command: str
) -> None:
    """The command's run is none that the daemon started; its tag alone counts in the queue."""
    shop = SampleShop(installation.home / "sandbox")
    item = next(name for name in iter(shop.add_item, "") if batch_of_name(name, BATCHES) == "batch_0")

    def erp_medusa(*arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [COMMAND, *arguments],
            cwd=installation.home,
            env=dict(installation.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    if command == "apply":
        planning = erp_medusa("plan", EXPORT, "--batch", "0", "--out", "plan.json")
        output, _ = planning.communicate(timeout=120)
        assert planning.returncode == 0, output
    installation.break_medusa(action="latency", seconds=10, path="/admin/products/batch", times=1)
    working = erp_medusa(*(["sync", item] if command == "sync" else ["apply", "--plan", "plan.json"]))
    tags = [{"key": "batch", "value": "batch_0"}]
    (begun,) = wait_for("its run", lambda: installation.runs(tags=tags, statuses=["STARTED"]), 120)
    waiting = installation.launch(STOCK, "batch_0")
    shown, _ = working.communicate(timeout=120)
    assert working.returncode == 0, shown
    assert installation.ended(waiting).status == "SUCCESS"
    both = {run["runId"]: run for run in installation.runs(tags=tags)}
    assert both[waiting]["startTime"] >= both[begun["runId"]]["endTime"]
