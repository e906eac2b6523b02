"""A trouble without a failed run is reported once, and once more when it is over."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import InstigatorTick, TickData, TickStatus
from dagster_shared.error import SerializableErrorInfo

from dev.webhook import Webhook, webhook
from erp_medusa_pipelines.orchestration import alerts, gates, state
from erp_medusa_pipelines.orchestration.alert_sensor import REPORTED
from erp_medusa_pipelines.orchestration.gates import reason_to_skip
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


def test_a_wrong_key_at_a_gate_is_told_at_once_and_the_right_one_too(
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


def test_a_silent_server_is_told_after_a_while(daemon: Daemon, erp: ErpServer, receiver: Webhook, clock: Clock) -> None:
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


def test_a_schedule_whose_ticks_fail_is_told_and_so_is_its_mending(daemon: Daemon, receiver: Webhook) -> None:
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


def test_another_failing_check_is_told_and_a_warning_after_a_while(
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


def test_each_receiver_gets_each_message_once_whatever_the_other_does(
    daemon: Daemon, erp: ErpServer, receiver: Webhook, shop_env: pytest.MonkeyPatch
) -> None:
    with webhook() as other:
        shop_env.setenv("ALERT_URLS", f"{receiver.url} {other.url}")
        other.status = 500
        erp.faults.add(WRONG_KEY)
        reason_to_skip(OTPS, daemon.instance)
        for _ in range(2):
            with pytest.raises(Exception, match="receiver 2 of 2 in ALERT_URLS did not accept the message"):
                daemon.sensor(SENSOR)
        assert receiver.titles == ["expire_otps does not start"]
        other.status = 200
        daemon.sensor(SENSOR)
        daemon.sensor(SENSOR)
        assert (receiver.titles, other.titles) == (["expire_otps does not start"],) * 2


def test_a_channel_that_hangs_never_repeats_what_the_other_one_took(
    daemon: Daemon, erp: ErpServer, receiver: Webhook, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("ERROR_LOG_IN_ERP", "true")
    shop_env.setattr(alerts, "DELIVERY_SECONDS", 0.5)
    erp.faults.add(WRONG_KEY)
    reason_to_skip(OTPS, daemon.instance)
    erp.faults.heal()
    erp.faults.add(Fault("latency", seconds=3, path="Error Log|Error%20Log"))
    for _ in range(2):
        with pytest.raises(Exception, match="no answer within"):
            daemon.sensor(SENSOR)
    assert receiver.titles == ["expire_otps does not start"]


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


def test_what_an_earlier_version_had_told_is_not_told_again_but_its_end_is(
    daemon: Daemon, erp: ErpServer, receiver: Webhook
) -> None:
    entry = {"title": "expire_otps does not start", "since": "2026-11-01T00:00:00+00:00"}
    state.save(daemon.instance, REPORTED, {"trouble/gate/expire_otps": entry})
    erp.faults.add(WRONG_KEY)
    reason_to_skip(OTPS, daemon.instance)
    daemon.sensor(SENSOR)
    assert receiver.received == []
    erp.faults.heal()
    reason_to_skip(OTPS, daemon.instance)
    daemon.sensor(SENSOR)
    assert receiver.titles == ["Over: expire_otps does not start"]
