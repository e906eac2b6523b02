"""Runs that concern batches in other ways than one run for one batch, on a running installation of their own."""

from collections.abc import Iterator

import pytest

from dev.deployment import Deployment, deployed, private_postgres, wait_for
from tests.e2e.conftest import QUICK

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
    wait_for("green", lambda: not installation.partitions("medusa_stock")["red"], 120)


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
    wait_for("green", lambda: not installation.partitions("medusa_stock")["red"], 120)
