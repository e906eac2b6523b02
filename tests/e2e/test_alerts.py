"""What an operator is told unasked, on a running installation: each trouble once, and once when it is over."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.test_utils import freeze_time

from dev.deployment import Deployment, deployed, wait_for
from dev.webhook import Webhook, hanging, webhook
from erp_medusa_pipelines.orchestration.state import write_values
from tests.e2e.conftest import QUICK

EXPORT = "export_items_and_images_custom"
OTPS, CLEARANCE, STOCK = "expire_otps", "fetch_clearance_items", "update_webitem_stock"
ALERTS = "alerts"
# Each test waits for the daemon's ticks several times over, and one for its new code server as well.
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Webhook]:
    with webhook() as listening:
        yield listening


@pytest.fixture(scope="module")
def one_machine(tmp_path_factory: pytest.TempPathFactory, receiver: Webhook) -> Iterator[Deployment]:
    """An installation of these tests' own: each alert is counted, so that nobody else may fail in it."""
    settings = {
        **QUICK,
        "SCHEDULES": json.dumps(dict.fromkeys((OTPS, CLEARANCE, STOCK), "* * * * *")),
        "EXECUTION_LIMITS": json.dumps({STOCK: 1000}),
        "ALERT_URLS": receiver.url,
    }
    with deployed(tmp_path_factory.mktemp("alerts"), **settings) as deployment:
        yield deployment


@pytest.fixture
def alerts(one_machine: Deployment, receiver: Webhook) -> Iterator[Webhook]:
    receiver.received.clear()
    one_machine.turn_on_sensor(ALERTS)
    yield receiver
    one_machine.turn_off_sensor(ALERTS)
    one_machine.heal()


def wait_for_alerts(alerts: Webhook, *titles: str) -> None:
    try:
        wait_for("alerts", lambda: set(titles) <= set(alerts.titles), 360)
    except AssertionError:
        raise AssertionError(f"missing: {set(titles) - set(alerts.titles)}; told: {alerts.titles}") from None


def told_of(alerts: Webhook, title: str) -> str:
    return next(entry["message"] for entry in alerts.received if entry["title"] == title)


def make_overdue(deployment: Deployment, asset: str) -> None:
    """As if it had been made two days ago and never since: the daemon judges by the event's own time."""
    with (
        dg.DagsterInstance.from_config(str(deployment.home)) as instance,
        freeze_time(datetime.now(UTC) - timedelta(days=2)),
    ):
        instance.report_runless_asset_event(dg.AssetMaterialization(asset))


def make_older(deployment: Deployment, run_id: str, **age: float) -> None:
    """As if the run had been waiting for longer."""
    created = (datetime.now(UTC) - timedelta(**age)).strftime("%Y-%m-%d %H:%M:%S.%f")
    with closing(sqlite3.connect(deployment.home / "history" / "runs.db", timeout=30)) as runs:
        runs.execute("UPDATE runs SET create_timestamp = ? WHERE run_id = ?", (created, run_id))
        runs.commit()


def leave_in_storage(deployment: Deployment, text: str) -> None:
    """A value that the stock's schedule reads at each tick."""
    with dg.DagsterInstance.from_config(str(deployment.home)) as instance:
        write_values(instance, {f"erp_medusa_pipelines/executions/{STOCK}": text})


def test_a_wrong_key_and_what_follows_from_it_until_it_is_right_again(one_machine: Deployment, alerts: Webhook) -> None:
    """The key stands in .env; no process is started anew. That another receiver hangs repeats nothing."""
    forgotten = "installation: the check schedules_are_on fails"
    begun = (f"{OTPS} does not start", f"{CLEARANCE} failed", forgotten)
    over = (f"Over: {OTPS} does not start", f"Over: {CLEARANCE} failed")
    # So that a tick that still has the right key finds no work: its run would fail, and be told of.
    assert one_machine.ended(one_machine.launch(OTPS)).status == "SUCCESS"
    with hanging() as deaf:
        one_machine.write_env_file(
            ERPNEXT_API_SECRET="not-the-secret", ALERT_URLS=f"{deaf} {alerts.url}", SILENT_SERVER_ALERT_MINUTES="0"
        )
        for task in (OTPS, CLEARANCE):
            one_machine.turn_on_schedule(f"{task}_schedule")
        # Made two days ago, and not overdue: its schedule has been on for a minute.
        make_overdue(one_machine, "best_deals")
        wait_for_alerts(alerts, *begun)
        assert "ERPNEXT_API_KEY" in told_of(alerts, f"{OTPS} does not start")
        of_the_run = told_of(alerts, f"{CLEARANCE} failed")
        assert "check ERPNEXT_API_KEY and ERPNEXT_API_SECRET" in of_the_run
        assert any(run["runId"] in of_the_run for run in one_machine.runs(pipelineName=CLEARANCE, statuses=["FAILURE"]))
        one_machine.write_env_file()
        wait_for_alerts(alerts, *over)
    for task in (OTPS, CLEARANCE):
        one_machine.turn_off_schedule(f"{task}_schedule")
    wait_for_alerts(alerts, f"Over: {forgotten}")
    assert sorted(alerts.titles) == sorted([*begun, *over, f"Over: {forgotten}"])


def test_ticks_that_fail_and_a_run_that_nobody_starts(one_machine: Deployment, alerts: Webhook) -> None:
    leave_in_storage(one_machine, "{")
    one_machine.turn_on_schedule(f"{STOCK}_schedule")
    # Every answer takes its time until the run that waits for this one has been told of.
    one_machine.break_medusa(action="latency", seconds=5, path="/admin/")
    busy = one_machine.launch(EXPORT, "batch_0")
    wait_for("a run at work", lambda: one_machine.run(busy).status == "STARTED")
    waiting = one_machine.launch(STOCK, "batch_0")
    make_older(one_machine, waiting, hours=2)
    begun = (f"The schedule {STOCK}_schedule fails", f"{STOCK} is not being started")
    wait_for_alerts(alerts, *begun)
    assert waiting in told_of(alerts, f"{STOCK} is not being started")
    leave_in_storage(one_machine, "{}")
    one_machine.heal()
    wait_for_alerts(alerts, *(f"Over: {title}" for title in begun))
    one_machine.turn_off_schedule(f"{STOCK}_schedule")
    for run_id in (busy, waiting):
        assert one_machine.ended(run_id).status == "SUCCESS"
    assert all(alerts.titles.count(title) == 1 for title in begun), alerts.titles
