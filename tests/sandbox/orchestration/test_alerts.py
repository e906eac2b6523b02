"""Which alerts are sent, when, and where: over a real webhook, a real SMTP server and the embedded ERP."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from dev.mail_sink import mail_sink
from dev.webhook import Webhook, webhook
from erp_medusa_pipelines.tasks import RETRY_SENSOR
from erp_medusa_sandbox.faults import Fault
from tests.support.catalogue import Catalogue
from tests.support.operations import Clock, Daemon, our_daemon
from tests.support.servers import ErpServer, MedusaServer

JOB = "export_items_and_images_custom"
ASSET = "medusa_collections"
OFFLINE = Fault("status", status=503, path="collections")
REFUSED = {"type": "invalid_data", "message": "Title is not allowed"}
LOCKED_OUT = Fault("status", status=401, json={"type": "unauthorized", "message": "Unauthorized"})


@pytest.fixture
def receiver() -> Iterator[Webhook]:
    with webhook() as listening:
        yield listening


@pytest.fixture
def daemon(shop_env: pytest.MonkeyPatch, receiver: Webhook, erp: ErpServer, tmp_path: Path) -> Iterator[Daemon]:
    shop_env.setenv("ALERT_URLS", receiver.url)
    shop_env.setenv("RETRY_ATTEMPTS", "1")
    shop_env.setenv("DAGSTER_UI_URL", "https://dagster.example.com")
    erp.store.insert("Item Group", name="Gloves", item_group_name="Gloves", parent_item_group="", lft=1, rgt=2)
    with our_daemon(tmp_path) as made:
        yield made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def tick(daemon: Daemon) -> str:
    return daemon.sensor("alerts")[1]


@pytest.mark.long
def test_a_failure_for_good_is_reported_once_with_task_reason_and_link(
    daemon: Daemon, medusa: MedusaServer, receiver: Webhook
) -> None:
    daemon.turn_on_sensor(RETRY_SENSOR)
    medusa.faults.add(LOCKED_OUT)
    run_id = daemon.runner.asset(ASSET).result.run_id
    tick(daemon)
    assert tick(daemon) == "nothing new to report"
    (message,) = receiver.received
    assert message["title"] == f"{JOB} failed"
    assert message["type"] == "failure"
    for part in (f"Task: {JOB}", ASSET, "check MEDUSA_API_KEY", f"https://dagster.example.com/runs/{run_id}"):
        assert part in message["message"]
    assert "sk_" not in str(message)


@pytest.mark.long
def test_a_failure_that_will_be_tried_again_is_not_reported_but_its_last_attempt_is(
    daemon: Daemon, medusa: MedusaServer, receiver: Webhook, clock: Clock
) -> None:
    daemon.turn_on_sensor(RETRY_SENSOR)
    medusa.faults.add(OFFLINE)
    daemon.runner.asset(ASSET)
    tick(daemon)
    assert receiver.received == []
    clock.advance(minutes=5)
    ((request,), _) = daemon.sensor(RETRY_SENSOR)
    assert not daemon.run(request).success
    tick(daemon)
    (message,) = receiver.received
    assert "failed again after 1 retries" in message["message"]


@pytest.mark.long
def test_without_the_retry_sensor_every_failure_is_final(
    daemon: Daemon, medusa: MedusaServer, receiver: Webhook
) -> None:
    medusa.faults.add(OFFLINE)
    daemon.runner.asset(ASSET)
    tick(daemon)
    (message,) = receiver.received
    assert "the sensor retry_failed_partitions is turned off" in message["message"]


@pytest.mark.long
def test_a_failure_for_good_is_reported_although_the_next_run_waits_already(
    daemon: Daemon, medusa: MedusaServer, receiver: Webhook
) -> None:
    """Where a schedule ticks faster than its runs come through, one of them is always under way."""
    daemon.turn_on_sensor(RETRY_SENSOR)
    medusa.faults.add(LOCKED_OUT)
    failed = daemon.runner.asset(ASSET).result.run_id
    daemon.created("__ASSET_JOB", assets=[ASSET], status=dg.DagsterRunStatus.QUEUED)
    tick(daemon)
    (message,) = receiver.received
    assert failed in message["message"]
    tick(daemon)
    assert len(receiver.received) == 1


@pytest.mark.long
def test_what_was_good_before_the_run_that_waits_is_not_reported(
    daemon: Daemon, medusa: MedusaServer, receiver: Webhook
) -> None:
    medusa.faults.add(LOCKED_OUT)
    daemon.runner.asset(ASSET)
    medusa.faults.heal()
    assert daemon.runner.asset(ASSET).success
    daemon.created("__ASSET_JOB", assets=[ASSET], status=dg.DagsterRunStatus.QUEUED)
    tick(daemon)
    assert receiver.received == []


@pytest.mark.long
def test_a_retry_that_is_under_way_is_no_news(daemon: Daemon, medusa: MedusaServer, receiver: Webhook) -> None:
    daemon.turn_on_sensor(RETRY_SENSOR)
    medusa.faults.add(OFFLINE)
    daemon.runner.asset(ASSET)
    daemon.created("__ASSET_JOB", assets=[ASSET], status=dg.DagsterRunStatus.STARTED)
    tick(daemon)
    assert receiver.received == []


@pytest.mark.long
def test_recovery_is_reported_once_and_only_for_what_was_reported(
    daemon: Daemon, medusa: MedusaServer, receiver: Webhook
) -> None:
    assert daemon.runner.asset(ASSET).success
    tick(daemon)
    medusa.faults.add(LOCKED_OUT)
    daemon.runner.asset(ASSET)
    tick(daemon)
    medusa.faults.heal()
    running = daemon.created("__ASSET_JOB", assets=[ASSET], status=dg.DagsterRunStatus.QUEUED)
    tick(daemon)
    daemon.instance.report_run_canceled(running)
    tick(daemon)
    assert receiver.titles == [f"{JOB} failed"], "neither a run that goes on nor a canceled one is a recovery"
    assert daemon.runner.asset(ASSET).success
    tick(daemon)
    tick(daemon)
    assert receiver.titles == [f"{JOB} failed", f"Over: {JOB} failed"]


@pytest.mark.long
def test_what_fails_again_and_again_is_reported_once(
    daemon: Daemon, medusa: MedusaServer, receiver: Webhook, clock: Clock
) -> None:
    medusa.faults.add(LOCKED_OUT)
    for _ in range(3):
        daemon.runner.asset(ASSET)
        tick(daemon)
    clock.advance(hours=23)
    daemon.runner.asset(ASSET)
    tick(daemon)
    assert len(receiver.received) == 1


@pytest.mark.long
def test_what_does_not_get_out_is_sent_later_and_the_tick_says_so(
    daemon: Daemon, medusa: MedusaServer, receiver: Webhook
) -> None:
    medusa.faults.add(LOCKED_OUT)
    daemon.runner.asset(ASSET)
    receiver.status = 500
    assert "receiver 1 of 1 in ALERT_URLS: it did not accept the message" in tick(daemon)
    receiver.status = 200
    assert tick(daemon) == "1 messages sent"
    assert receiver.titles == [f"{JOB} failed"]


@pytest.mark.long
def test_desk_users_find_it_in_the_error_log(
    daemon: Daemon, medusa: MedusaServer, erp: ErpServer, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.delenv("ALERT_URLS")
    shop_env.setenv("ERROR_LOG_IN_ERP", "true")
    medusa.faults.add(LOCKED_OUT)
    daemon.runner.asset(ASSET)
    assert tick(daemon) == "1 messages sent"
    (row,) = erp.store.rows("Error Log")
    assert row["method"] == f"{JOB} failed"
    assert "check MEDUSA_API_KEY" in row["error"]


@pytest.mark.long
def test_mail_arrives(daemon: Daemon, medusa: MedusaServer, shop_env: pytest.MonkeyPatch) -> None:
    with mail_sink() as sink:
        url = f"mailto://127.0.0.1:{sink.port}?from=dagster@example.com&to=ops@example.com&mode=insecure"
        shop_env.setenv("ALERT_URLS", url)
        medusa.faults.add(LOCKED_OUT)
        daemon.runner.asset(ASSET)
        assert tick(daemon) == "1 messages sent"
        assert sink.recipients == ["ops@example.com"]
        assert f"{JOB} failed" in sink.subjects[0]


@pytest.mark.long
def test_a_refused_document_is_reported_once_and_its_mending_too(
    daemon: Daemon, medusa: MedusaServer, erp: ErpServer, receiver: Webhook
) -> None:
    catalogue = Catalogue(erp.store)
    group = catalogue.group("Bedding")
    catalogue.item(group)
    medusa.faults.add(Fault("status", method="POST", path="collections", status=400, json=REFUSED))
    assert daemon.runner.asset(ASSET).success
    tick(daemon)
    assert daemon.runner.asset(ASSET).success
    tick(daemon)
    (message,) = receiver.received
    assert message["title"] == f"{ASSET}: documents refused"
    assert f"Item Group {group}: {REFUSED['message']}" in message["message"]
    other = catalogue.group("Masks")
    catalogue.item(other)
    daemon.runner.asset(ASSET)
    tick(daemon)
    assert other in receiver.received[1]["message"]
    assert group not in receiver.received[1]["message"]
    medusa.faults.heal()
    daemon.runner.asset(ASSET)
    tick(daemon)
    tick(daemon)
    assert receiver.titles[2:] == [f"Over: {ASSET}: documents refused"]


@pytest.mark.long
def test_a_run_that_nobody_starts_is_reported_once_and_once_when_it_is_over(
    daemon: Daemon, receiver: Webhook, clock: Clock
) -> None:
    run = daemon.queued("expire_otps")
    tick(daemon)
    assert receiver.received == []
    clock.advance(minutes=20)
    tick(daemon)
    tick(daemon)
    (message,) = receiver.received
    assert message["title"] == "expire_otps is not being started"
    assert run.run_id in message["message"]
    daemon.instance.report_run_canceled(run)
    tick(daemon)
    tick(daemon)
    assert receiver.titles[1:] == ["Over: expire_otps is not being started"]


def test_nowhere_to_report_to_is_said(daemon: Daemon, shop_env: pytest.MonkeyPatch) -> None:
    shop_env.delenv("ALERT_URLS")
    assert "set ALERT_URLS" in tick(daemon)
