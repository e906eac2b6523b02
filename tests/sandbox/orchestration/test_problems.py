"""A trouble without a failed run is reported once, and once more when it is over."""

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import InstigatorTick, TickData, TickStatus
from dagster_shared.error import SerializableErrorInfo

from dev.deployment import wait_for
from dev.mail_sink import mail_sink
from dev.webhook import Webhook, webhook
from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.schedules import frappe_scheduler, gates
from erp_medusa_pipelines.orchestration.schedules.gates import reason_to_skip
from erp_medusa_pipelines.orchestration.sensors.problems import outbox
from erp_medusa_pipelines.orchestration.sensors.problems.receivers import receivers
from erp_medusa_pipelines.settings import load_settings
from erp_medusa_pipelines.tasks import task_named
from erp_medusa_sandbox.faults import Fault
from tests.support.operations import Clock, Daemon, our_daemon
from tests.support.servers import ErpServer

OTPS = task_named("expire_otps")
WRONG_KEY = Fault("status", status=401, json={"exc_type": "AuthenticationError"})
SENSOR = "alerts"


@pytest.fixture
def receiver() -> Iterator[Webhook]:
    with webhook() as listening:
        yield listening


@pytest.fixture
def daemon(shop_env: pytest.MonkeyPatch, receiver: Webhook, tmp_path: Path) -> Iterator[Daemon]:
    shop_env.setenv("ALERT_URLS", receiver.url)
    with our_daemon(tmp_path) as made:
        yield made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.mark.long
def test_a_wrong_key_at_a_gate_is_reported_at_once_and_the_right_one_too(
    daemon: Daemon, erp: ErpServer, receiver: Webhook
) -> None:
    erp.faults.add(WRONG_KEY)
    for _ in range(3):
        assert "key or secret not accepted" in (reason_to_skip(OTPS, daemon.instance) or "")
        daemon.sensor(SENSOR)
    (message,) = receiver.received
    assert message["title"] == "expire_otps does not start"
    assert "ERPNEXT_API_KEY" in message["message"]
    erp.faults.heal()
    reason_to_skip(OTPS, daemon.instance)
    daemon.sensor(SENSOR)
    daemon.sensor(SENSOR)
    assert receiver.titles == ["expire_otps does not start", "Over: expire_otps does not start"]


def test_a_silent_server_is_reported_after_a_while(
    daemon: Daemon, erp: ErpServer, receiver: Webhook, clock: Clock
) -> None:
    erp.faults.add(Fault("status", status=503))
    reason_to_skip(OTPS, daemon.instance)
    daemon.sensor(SENSOR)
    assert receiver.received == []
    clock.advance(minutes=16)
    daemon.sensor(SENSOR)
    daemon.sensor(SENSOR)
    assert receiver.titles == ["expire_otps does not start"]


def tick_of(daemon: Daemon, name: str, status: TickStatus, at: float) -> InstigatorTick:
    (stored,) = [kept for kept in daemon.instance.all_instigator_state() if kept.instigator_name == name]
    error = SerializableErrorInfo("Schedules that return ... must specify a run_key", [], "CheckError")
    return daemon.instance.create_tick(
        TickData(
            stored.instigator_origin_id,
            name,
            stored.instigator_type,
            status,
            at,
            run_ids=[],
            error=error if status == TickStatus.FAILURE else None,
            selector_id=stored.selector_id,
        )
    )


@pytest.mark.long
def test_a_schedule_whose_ticks_fail_is_reported_and_so_is_its_mending(daemon: Daemon, receiver: Webhook) -> None:
    daemon.turn_on_schedule("update_webitem_stock_schedule", "0 0 * * *")
    tick_of(daemon, "update_webitem_stock_schedule", TickStatus.FAILURE, 1000.0)
    daemon.sensor(SENSOR)
    daemon.sensor(SENSOR)
    (message,) = receiver.received
    assert message["title"] == "The schedule update_webitem_stock_schedule fails"
    assert "must specify a run_key" in message["message"]
    tick_of(daemon, "update_webitem_stock_schedule", TickStatus.SUCCESS, 2000.0)
    daemon.sensor(SENSOR)
    assert receiver.titles[1:] == ["Over: The schedule update_webitem_stock_schedule fails"]


@pytest.mark.long
def test_another_failing_check_is_reported_and_a_warning_after_a_while(
    daemon: Daemon, receiver: Webhook, clock: Clock
) -> None:
    def report(*, passed: bool, severity: dg.AssetCheckSeverity) -> None:
        daemon.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey("quotation_emails"),
                check_name="site_sends_mails",
                passed=passed,
                severity=severity,
                metadata={"reason": "sending is suspended"},
            )
        )

    report(passed=False, severity=dg.AssetCheckSeverity.WARN)
    daemon.sensor(SENSOR)
    assert receiver.received == []
    clock.advance(minutes=16)
    # Reported again in between: it is the same trouble, and it has lasted.
    report(passed=False, severity=dg.AssetCheckSeverity.WARN)
    daemon.sensor(SENSOR)
    daemon.sensor(SENSOR)
    (message,) = receiver.received
    assert message["title"] == "quotation_emails: the check site_sends_mails fails"
    assert "sending is suspended" in message["message"]
    report(passed=True, severity=dg.AssetCheckSeverity.WARN)
    daemon.sensor(SENSOR)
    report(passed=False, severity=dg.AssetCheckSeverity.ERROR)
    daemon.sensor(SENSOR)
    assert [title.split(":")[0] for title in receiver.titles] == ["quotation_emails", "Over", "quotation_emails"]


def test_many_documents_that_are_refused_alike_are_reported_at_once_with_the_servers_words(
    daemon: Daemon, receiver: Webhook
) -> None:
    said = "241 of 1668 in batch_0: a plugin of this shop refuses it"
    for metadata in ({"rejected": 241, "refused_alike": said}, {"rejected": 241}):
        daemon.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey("medusa_prices"), check_name="nothing_rejected", passed=False, metadata=metadata
            )
        )
        daemon.sensor(SENSOR)
    output = {message["title"]: message["message"] for message in receiver.received}
    assert said in output["medusa_prices: many documents are refused alike"]
    assert "Over: medusa_prices: many documents are refused alike" in output


@pytest.mark.long
def test_each_receiver_gets_each_message_once_whatever_the_other_does(
    daemon: Daemon, erp: ErpServer, receiver: Webhook, shop_env: pytest.MonkeyPatch
) -> None:
    with webhook() as other:
        shop_env.setenv("ALERT_URLS", f"{receiver.url} {other.url}")
        other.status = 500
        erp.faults.add(WRONG_KEY)
        reason_to_skip(OTPS, daemon.instance)
        for _ in range(2):
            assert "receiver 2 of 2 in ALERT_URLS: it did not accept the message" in daemon.sensor(SENSOR)[1]
        assert receiver.titles == ["expire_otps does not start"]
        other.status = 200
        daemon.sensor(SENSOR)
        daemon.sensor(SENSOR)
        assert (receiver.titles, other.titles) == (["expire_otps does not start"],) * 2


@pytest.mark.long
def test_a_channel_that_hangs_never_repeats_what_the_other_one_took(
    daemon: Daemon, erp: ErpServer, receiver: Webhook, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("ERROR_LOG_IN_ERP", "true")
    shop_env.setattr(outbox, "WAIT_SECONDS", 0.5)
    erp.faults.add(WRONG_KEY)
    reason_to_skip(OTPS, daemon.instance)
    erp.faults.heal()
    erp.faults.add(Fault("latency", seconds=60, path="Error Log|Error%20Log"))
    for _ in range(2):
        assert "1 messages still wait" in daemon.sensor(SENSOR)[1]
    assert receiver.titles == ["expire_otps does not start"]


@pytest.mark.long
def test_a_task_whose_runs_fail_for_good_rests_longer_each_time(
    daemon: Daemon, erp: ErpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    erp.store.insert("Email OTP", email="a@example.com", status="Pending", expiration_time="2020-01-01 00:00:00")
    clock = gates.time.time
    ahead = 0.0
    monkeypatch.setattr(gates.time, "time", lambda: clock() + ahead)
    assert reason_to_skip(OTPS, daemon.instance) is None
    erp.faults.add(WRONG_KEY)
    pauses = []
    for _ in range(3):
        assert not daemon.runner.job(OTPS.name).success
        erp.faults.heal()
        pauses.append(reason_to_skip(OTPS, daemon.instance) or "")
        erp.faults.add(WRONG_KEY)
    assert ["1 runs" in pauses[0], "2 runs" in pauses[1], "3 runs" in pauses[2]] == [True] * 3
    assert "starts in 4 min" in pauses[2]
    erp.faults.heal()
    ahead = 250.0
    assert reason_to_skip(OTPS, daemon.instance) is None


def locked_out(daemon: Daemon, erp: ErpServer) -> None:
    """A problem that is told at once."""
    erp.faults.add(WRONG_KEY)
    reason_to_skip(OTPS, daemon.instance)
    erp.faults.heal()


NOT_STARTED = "expire_otps does not start"


@pytest.mark.long
def test_a_mail_server_that_takes_its_time_gets_each_message_once(
    daemon: Daemon, erp: ErpServer, receiver: Webhook, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setattr(outbox, "WAIT_SECONDS", 0.5)
    with mail_sink() as sink:
        mail = f"mailto://127.0.0.1:{sink.port}?from=dagster@example.com&to=ops@example.com&mode=insecure"
        shop_env.setenv("ALERT_URLS", f"{mail} {receiver.url}")
        locked_out(daemon, erp)
        sink.gate.clear()
        for _ in range(2):
            assert "1 messages still wait" in daemon.sensor(SENSOR)[1]
        assert receiver.titles == [NOT_STARTED]
        sink.gate.set()
        wait_for("the mail", lambda: len(sink.subjects) == 1, 20)
        shop_env.setattr(outbox, "WAIT_SECONDS", 20.0)
        assert daemon.sensor(SENSOR)[1] == "1 messages sent"
        assert daemon.sensor(SENSOR)[1] == "nothing new to report"
        assert len(sink.subjects) == 1


@pytest.mark.long
def test_one_address_that_nobody_knows_silences_no_other_and_is_named_without_its_secret(
    daemon: Daemon, erp: ErpServer, receiver: Webhook, shop_env: pytest.MonkeyPatch, clock: Clock
) -> None:
    with webhook() as third:
        shop_env.setenv("ALERT_URLS", f"{receiver.url} carrierpigeon://secret@example.com {third.url}")
        locked_out(daemon, erp)
        said = daemon.sensor(SENSOR)[1]
        assert "receiver 2 of 3 in ALERT_URLS: Apprise does not support this kind of address" in said
        assert "secret" not in said
        assert receiver.titles == third.titles == [NOT_STARTED]
        clock.advance(minutes=16)
        daemon.sensor(SENSOR)
        assert receiver.titles == third.titles == [NOT_STARTED, "Alerts do not reach receiver 2 of 3 in ALERT_URLS"]
        with webhook() as second:
            shop_env.setenv("ALERT_URLS", f"{receiver.url} {second.url} {third.url}")
            daemon.sensor(SENSOR)
            assert second.titles[0] == NOT_STARTED
        assert receiver.titles[2:] == ["Over: Alerts do not reach receiver 2 of 3 in ALERT_URLS"]


@pytest.mark.long
def test_what_waited_for_a_wrong_address_goes_to_the_corrected_one(
    daemon: Daemon, erp: ErpServer, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("ALERT_URLS", "json://127.0.0.1:9/")
    locked_out(daemon, erp)
    daemon.sensor(SENSOR)
    reason_to_skip(OTPS, daemon.instance)
    daemon.sensor(SENSOR)
    with webhook() as right:
        shop_env.setenv("ALERT_URLS", right.url)
        assert daemon.sensor(SENSOR)[1] == "2 messages sent"
        assert right.titles == [NOT_STARTED, f"Over: {NOT_STARTED}"]


@pytest.mark.long
def test_a_tick_that_begins_before_the_one_before_it_has_ended_sends_nothing_twice(
    daemon: Daemon, erp: ErpServer, receiver: Webhook
) -> None:
    """The daemon gives a tick up after a minute: its cursor is lost, and its deliveries go on."""
    for name in ("a", "b", "c", "d"):
        daemon.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(asset_key=dg.AssetKey("best_deals"), check_name=name, passed=False)
        )
    locked_out(daemon, erp)
    receiver.seconds = 0.3
    first = threading.Thread(target=Daemon(daemon.runner).sensor, args=(SENSOR,))
    first.start()
    daemon.sensor(SENSOR)
    first.join()
    daemon.runner.cursors.clear()
    daemon.sensor(SENSOR)
    assert sorted(receiver.titles) == sorted(set(receiver.titles))


@pytest.mark.parametrize("alive", [False, True])
def test_what_another_process_is_sending_is_left_to_it_unless_that_is_gone(
    daemon: Daemon, erp: ErpServer, receiver: Webhook, alive: bool
) -> None:
    locked_out(daemon, erp)
    ended = subprocess.Popen(["true"])
    ended.wait()
    (key,) = [each.key for each in receivers(load_settings())]
    pid = os.getppid() if alive else ended.pid
    claim = {"id": "1/x", "at": "2026-01-01T00:00:00+00:00", "host": socket.gethostname(), "pid": str(pid)}
    state.save(daemon.instance, f"alerts/receiver/{key}", {"sending": {**claim, "process": "another"}})
    daemon.sensor(SENSOR)
    assert receiver.titles == ([] if alive else [NOT_STARTED])


@pytest.mark.long
def test_a_check_that_is_being_evaluated_keeps_its_last_result(
    daemon: Daemon, erp: ErpServer, receiver: Webhook
) -> None:
    """Each night's run waits a while: that is no end, and its result no new beginning."""
    check = {"asset_key": dg.AssetKey("orphaned_products"), "check_name": "products_are_owned"}
    daemon.instance.report_runless_asset_event(dg.AssetCheckEvaluation(**check, passed=False))
    for status in (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE):
        daemon.created("find_orphaned_products", status=status)
        daemon.sensor(SENSOR)
    daemon.instance.report_runless_asset_event(dg.AssetCheckEvaluation(**check, passed=False))
    daemon.sensor(SENSOR)
    about = [title for title in receiver.titles if "products_are_owned" in title]
    assert about == ["orphaned_products: the check products_are_owned fails"]


@pytest.mark.long
def test_a_tick_that_is_being_evaluated_keeps_the_failure_of_the_one_before(daemon: Daemon, receiver: Webhook) -> None:
    daemon.turn_on_schedule("update_webitem_stock_schedule", "0 0 * * *")
    tick_of(daemon, "update_webitem_stock_schedule", TickStatus.FAILURE, 1000.0)
    daemon.sensor(SENSOR)
    tick_of(daemon, "update_webitem_stock_schedule", TickStatus.STARTED, 2000.0)
    daemon.sensor(SENSOR)
    assert receiver.titles == ["The schedule update_webitem_stock_schedule fails"]


@pytest.mark.long
def test_a_job_that_frappe_got_back_is_reported_and_so_is_its_end(
    daemon: Daemon, erp: ErpServer, receiver: Webhook, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after `bench migrate`, which makes a job anew, not stopped, when its cron line has changed."""
    monkeypatch.setattr(frappe_scheduler, "SECONDS_BETWEEN_QUESTIONS", 0.0)
    erp.store.set("System Settings", "", enable_scheduler=1)
    row = {"method": "medusa_integration.api.fetch_clearance_items", "frequency": "Cron", "cron_format": "0 1 * * *"}
    erp.store.insert("Scheduled Job Type", name="clearance", stopped=1, **row)
    daemon.turn_on_schedule("fetch_clearance_items_schedule", "0 1 * * *")
    about = "Frappe does fetch_clearance_items again"
    daemon.sensor(SENSOR)
    erp.store.set("Scheduled Job Type", "clearance", stopped=0)
    daemon.sensor(SENSOR)
    assert about not in receiver.titles
    clock.advance(minutes=16)
    daemon.sensor(SENSOR)
    erp.faults.add(Fault("status", status=503))
    daemon.sensor(SENSOR)
    assert [title for title in receiver.titles if "Frappe" in title] == [about]
    erp.faults.heal()
    erp.store.set("Scheduled Job Type", "clearance", stopped=1)
    daemon.sensor(SENSOR)
    assert [title for title in receiver.titles if "Frappe" in title] == [about, f"Over: {about}"]


@pytest.mark.long
def test_failed_housekeeping_is_reported_and_its_end_too(daemon: Daemon, receiver: Webhook) -> None:
    daemon.created("prune_runs", status=dg.DagsterRunStatus.FAILURE)
    daemon.sensor(SENSOR)
    daemon.created("prune_runs", status=dg.DagsterRunStatus.QUEUED)
    daemon.sensor(SENSOR)
    assert receiver.titles == ["prune_runs failed"]
    daemon.created("prune_runs", status=dg.DagsterRunStatus.SUCCESS)
    daemon.sensor(SENSOR)
    assert receiver.titles[1:] == ["Over: prune_runs failed"]
