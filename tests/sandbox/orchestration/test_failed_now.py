"""Failed means failed now: what is green again is not red, and what is red says which batch and why."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from erp_medusa_pipelines.orchestration.dagster_internals import report_unfinished
from erp_medusa_pipelines.orchestration.runs.failed_parts import FailedState, failed_lately, read_state
from erp_medusa_pipelines.tasks import RETRY_SENSOR as SENSOR
from erp_medusa_sandbox.faults import Fault
from tests.support.catalogue import Catalogue
from tests.support.operations import Daemon, our_daemon
from tests.support.servers import ErpServer, MedusaServer

EXPORT = "export_items_and_images_custom"
COLLECTIONS = "medusa_collections"
BATCHES = ["batch_0", "batch_1", "batch_2", "batch_3"]
ERROR = Fault("status", method="POST", path="collections", status=500, json={"type": "unknown_error"})


@pytest.fixture
def daemon(shop_env: pytest.MonkeyPatch, erp: ErpServer, tmp_path: Path) -> Iterator[Daemon]:
    catalogue = Catalogue(erp.store)
    catalogue.item(catalogue.group("Gloves"))
    with our_daemon(tmp_path) as made:
        yield made


def failed(daemon: Daemon) -> list[str]:
    return [part.name for part in read_state(daemon.instance, BATCHES).failed]


def mark(daemon: Daemon, asset: str, check: str) -> tuple[str, dict[str, object]]:
    """The newest mark of the check in the UI: its status and what it says."""
    key = dg.AssetCheckKey(dg.AssetKey(asset), check)
    (record,) = daemon.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    event = record.event.dagster_event if record.event and record.status.value != "PLANNED" else None
    metadata = event.asset_check_evaluation_data.metadata if event else {}
    return record.status.value, {name: entry.value for name, entry in metadata.items()}


@pytest.mark.long
def test_a_leftover_of_an_asset_without_batches_is_over_with_its_next_success(
    daemon: Daemon, medusa: MedusaServer
) -> None:
    medusa.faults.add(ERROR)
    assert not daemon.runner.job(EXPORT, "batch_0").success
    assert failed(daemon) == [f"{EXPORT}[batch_0]"]
    medusa.faults.heal()
    assert daemon.runner.asset(COLLECTIONS).success
    assert failed(daemon) == []


@pytest.mark.long
def test_one_that_an_earlier_version_recorded_under_a_batch_is_over_too(daemon: Daemon) -> None:
    assert daemon.runner.asset(COLLECTIONS).success
    old = daemon.created(EXPORT, "batch_0", assets=[COLLECTIONS], status=dg.DagsterRunStatus.STARTED)
    report_unfinished(daemon.instance, old, COLLECTIONS, "batch_0")
    daemon.instance.report_run_failed(old)
    assert failed(daemon) == [f"{EXPORT}[batch_0]"]
    assert daemon.runner.asset(COLLECTIONS).success
    assert failed(daemon) == []
    # A later failure by itself counts, and can be retried.
    alone = daemon.created("__ASSET_JOB", assets=[COLLECTIONS], status=dg.DagsterRunStatus.STARTED)
    daemon.instance.report_run_failed(alone)
    assert failed(daemon) == [EXPORT]


@pytest.mark.long
def test_what_failed_stays_failed_while_it_is_tried_again_and_after_that_was_canceled(daemon: Daemon) -> None:
    assert daemon.runner.asset(COLLECTIONS).success
    first = daemon.created(EXPORT, "batch_0", assets=[COLLECTIONS], status=dg.DagsterRunStatus.STARTED)
    daemon.instance.report_run_failed(first)
    again = daemon.created("__ASSET_JOB", assets=[COLLECTIONS], status=dg.DagsterRunStatus.QUEUED)
    for _ in range(2):
        (part,) = failed_lately(daemon.instance, read_state(daemon.instance, BATCHES))
        assert (part.name, part.run.run_id) == (f"{EXPORT}[batch_0]", first.run_id)
        daemon.instance.report_run_canceled(again)


@pytest.mark.long
def test_the_mark_of_a_killed_run_names_its_batch_and_goes_when_the_batch_is_done(daemon: Daemon) -> None:
    killed = daemon.created(EXPORT, "batch_0", status=dg.DagsterRunStatus.STARTED)
    daemon.instance.report_run_failed(killed, "the process is gone")
    assert mark(daemon, "medusa_products", "nothing_left")[0] == "PLANNED"
    daemon.sensor(SENSOR)
    status, says = mark(daemon, "medusa_products", "nothing_left")
    assert status == "FAILED"
    assert "the process is gone" in str(says["batch_0"])
    assert daemon.runner.job(EXPORT, "batch_0").success
    daemon.sensor(SENSOR)
    assert mark(daemon, "medusa_products", "nothing_left") == ("SUCCEEDED", {})


@pytest.mark.long
def test_a_mark_goes_although_the_retry_does_not_evaluate_its_check(daemon: Daemon) -> None:
    """The process was killed after the products: the retry goes on behind them."""
    assert daemon.runner.job(EXPORT, "batch_0").success
    before = mark(daemon, "medusa_products", "nothing_rejected")
    killed = daemon.created(EXPORT, "batch_0", status=dg.DagsterRunStatus.STARTED)
    daemon.instance.report_run_failed(killed, "the process is gone")
    rest = [asset for asset in ("medusa_collections", "medusa_products", "medusa_images") if asset]
    assert daemon.runner.assets(rest, "batch_0").success
    daemon.created(EXPORT, "batch_1", status=dg.DagsterRunStatus.CANCELED)
    daemon.sensor(SENSOR)
    assert mark(daemon, "medusa_products", "nothing_rejected") == before


@pytest.mark.long
def test_a_task_of_every_minute_asks_the_storage_for_its_own_assets_alone(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[str] = set()

    def noting(instance: dg.DagsterInstance, batches: Collection[str], assets: Iterable[str]) -> FailedState:
        asked.update(assets)
        return read_state(instance, batches, assets)

    monkeypatch.setattr("erp_medusa_pipelines.orchestration.checks.left_failed.read_state", noting)
    assert daemon.runner.job("expire_otps").success
    assert asked == {"expired_otps"}


@pytest.mark.long
def test_the_check_alone_is_not_green_while_the_work_is_left(daemon: Daemon, medusa: MedusaServer) -> None:
    """So does "Re-execute from failure": of a run with leftovers only the check's step has failed."""
    medusa.faults.add(ERROR)
    first = daemon.runner.job(EXPORT, "batch_0")
    medusa.faults.heal()
    with dg.DagsterInstance.from_ref(daemon.instance.get_ref()) as instance:
        again = dg.execute_job(
            dg.reconstructable(export_job),
            instance=instance,
            reexecution_options=dg.ReexecutionOptions.from_failure(first.result.run_id, instance),
            raise_on_error=False,
        )
    assert not again.success
    (failure,) = [event for event in again.all_events if event.is_step_failure]
    assert failure.step_key == f"{COLLECTIONS}_nothing_left"
    assert "Materialize it with what builds on it" in str(failure.step_failure_data.user_failure_data)
    assert failed(daemon) == [f"{EXPORT}[batch_0]"]


def export_job() -> dg.JobDefinition:
    """As a process of its own finds it."""
    from erp_medusa_pipelines.definitions import build_defs

    return build_defs().resolve_job_def(EXPORT)
