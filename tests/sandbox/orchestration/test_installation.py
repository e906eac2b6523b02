"""The checks on the installation: a missing dagster.yaml, and schedules that were left off."""

import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from erp_medusa_pipelines.connections import open_shop
from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.checks import installation
from erp_medusa_pipelines.orchestration.checks.installation import ASSET, report_installation
from erp_medusa_pipelines.orchestration.schedules.execution_limits import stop_schedule
from erp_medusa_pipelines.orchestration.schedules.frappe_scheduler import JOBS_KEY, jobs_of_frappe
from erp_medusa_pipelines.readiness.frappe_app import mails_have_one_sender
from erp_medusa_pipelines.settings import load_settings
from erp_medusa_pipelines.tasks import HOUSEKEEPING, TASKS
from tests.support.operations import Daemon, our_daemon
from tests.support.runs import Runner
from tests.support.servers import ErpServer

MISSED = [task for task in TASKS if not task.opt_in]
"""Tasks whose schedules are missed where they are off."""


@pytest.fixture
def daemon(shop_env: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Daemon]:
    with our_daemon(tmp_path) as made:
        yield made


def result(instance: dg.DagsterInstance, check: str) -> dg.AssetCheckEvaluation:
    """The newest one that is written."""
    records = instance.event_log_storage.get_event_records(
        dg.EventRecordsFilter(dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    )
    events = [record.event_log_entry.dagster_event for record in records]
    found = [event.asset_check_evaluation_data for event in events if event]
    return next(each for each in found if each.check_name == check)


def written(instance: dg.DagsterInstance) -> int:
    return len(
        instance.event_log_storage.get_event_records(dg.EventRecordsFilter(dg.DagsterEventType.ASSET_CHECK_EVALUATION))
    )


def test_our_own_dagster_yaml_passes(daemon: Daemon) -> None:
    report_installation(daemon.instance)
    assert result(daemon.instance, "instance_is_set_up").passed
    assert result(daemon.instance, "schedules_are_on").passed, "all of them off is a choice"


@pytest.mark.long
def test_an_instance_without_it_says_so_with_the_first_run(
    shop_env: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No sensor is on: a run tells."""
    with dg.instance_for_test() as instance:
        runner = Runner()
        runner.instance = instance
        assert runner.job("expire_otps").success
        found = result(instance, "instance_is_set_up")
        assert not found.passed
        missing = {"run_coordinator", "run_launcher", "run_monitoring", "retention", "concurrency", "freshness"}
        assert set(found.metadata) == {*missing, "what_to_do"}
        assert "the project's dagster.yaml is not in force: run_coordinator" in caplog.text


@pytest.mark.long
def test_a_schedule_that_is_off_while_others_are_on_fails_the_check(daemon: Daemon) -> None:
    for task in (*MISSED[:-1], *HOUSEKEEPING):
        daemon.turn_on_schedule(f"{task.name}_schedule", task.cron)
    assert daemon.runner.job("expire_otps").success
    found = result(daemon.instance, "schedules_are_on")
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.metadata["turned_off"].value == MISSED[-1].name
    daemon.turn_on_schedule(f"{MISSED[-1].name}_schedule", MISSED[-1].cron)
    report_installation(daemon.instance)
    assert result(daemon.instance, "schedules_are_on").passed


def test_what_is_off_until_somebody_wants_it_is_not_missed(daemon: Daemon) -> None:
    for task in (*MISSED, *HOUSEKEEPING):
        daemon.turn_on_schedule(f"{task.name}_schedule", task.cron)
    report_installation(daemon.instance)
    assert result(daemon.instance, "schedules_are_on").passed


def test_housekeeping_that_is_off_is_named_and_what_frappe_does_is_not(daemon: Daemon) -> None:
    for task in MISSED[:-1]:
        daemon.turn_on_schedule(f"{task.name}_schedule", task.cron)
    state.save(daemon.instance, JOBS_KEY, {"jobs": {MISSED[-1].name: "its job"}, "at": time.time()})
    report_installation(daemon.instance)
    assert result(daemon.instance, "schedules_are_on").metadata["turned_off"].value == "prune_runs"


def test_a_schedule_that_the_doctor_advises_to_leave_off_keeps_no_check_red(daemon: Daemon, erp: ErpServer) -> None:
    """Frappe sends the mails of the site, and two senders would send a quotation twice."""
    mails = "send_quotation_emails"
    for task in (*TASKS, *HOUSEKEEPING):
        if task.name != mails:
            daemon.turn_on_schedule(f"{task.name}_schedule", task.cron)
    report_installation(daemon.instance)
    assert result(daemon.instance, "schedules_are_on").metadata["turned_off"].value == mails
    erp.store.set("System Settings", "", enable_scheduler=1)
    erp.store.insert("Scheduled Job Type", name="queue.flush", method="frappe.email.queue.flush", stopped=0)
    with open_shop(load_settings()) as shop:
        (finding,) = mails_have_one_sender(shop)
        assert f"leave {mails} off" in finding.fix
    jobs_of_frappe(daemon.instance, load_settings())
    report_installation(daemon.instance)
    assert result(daemon.instance, "schedules_are_on").passed


@pytest.mark.long
def test_the_table_says_when_each_task_last_succeeded(daemon: Daemon) -> None:
    assert daemon.runner.job("expire_otps").success
    daemon.turn_on_schedule("expire_otps_schedule", "* * * * *")
    report_installation(daemon.instance)
    table = result(daemon.instance, "schedules_are_on").metadata["tasks"]
    assert isinstance(table, dg.TableMetadataValue)
    rows = {record.data["task"]: record.data for record in table.records}
    assert set(rows) == {task.name for task in TASKS}
    assert (rows["expire_otps"]["schedule"], rows["expire_otps"]["hours_ago"]) == ("on", "0.0")
    assert (rows["update_webitem_stock"]["schedule"], rows["update_webitem_stock"]["last_success"]) == ("off", "never")


def test_nothing_new_writes_nothing(daemon: Daemon) -> None:
    report_installation(daemon.instance)
    before = written(daemon.instance)
    for _ in range(3):
        report_installation(daemon.instance)
    assert written(daemon.instance) == before


@pytest.mark.long
def test_an_operator_executes_them_in_the_ui(daemon: Daemon) -> None:
    """As the button `Execute` on the asset's page does."""
    keys = [key for key in daemon.repository.asset_graph.asset_check_keys if key.asset_key == dg.AssetKey(ASSET)]
    job = daemon.repository.get_job("__ASSET_JOB").get_subset(asset_selection=set(), asset_check_selection=set(keys))
    outcome = job.execute_in_process(instance=daemon.instance, raise_on_error=False)
    output = {each.check_name: each.passed for each in outcome.get_asset_check_evaluations()}
    # The embedded shop of this test is empty, which is what the doctor's check is there to tell.
    assert output == {"instance_is_set_up": True, "schedules_are_on": True, "shop_is_ready": False}


def test_a_second_forgotten_schedule_is_written_at_once(daemon: Daemon) -> None:
    for task in (*MISSED[:-1], *HOUSEKEEPING):
        daemon.turn_on_schedule(f"{task.name}_schedule", task.cron)
    report_installation(daemon.instance)
    stop_schedule(daemon.instance, f"{TASKS[0].name}_schedule")
    report_installation(daemon.instance)
    named = result(daemon.instance, "schedules_are_on").metadata["turned_off"].value
    assert named == f"{TASKS[0].name}, {MISSED[-1].name}"


def test_a_check_that_cannot_be_written_fails_no_run(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_instance: dg.DagsterInstance) -> dict[str, str]:
        raise OSError("the storage is away")

    monkeypatch.setattr(installation, "shortcomings", broken)
    assert daemon.runner.job("expire_otps").success
    assert "the storage is away" in caplog.text
