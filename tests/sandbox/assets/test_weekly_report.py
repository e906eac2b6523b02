"""The weekly report, from Dagster's storage to a real mail server."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from typing import Any

import dagster as dg
import pytest

from dev.mail_sink import MailSink, mail_sink
from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.sensors.follow_changes import STATE_KEY
from tests.support.runs import Runner

JOB, ASSET = "send_weekly_report", "weekly_report"
STAFF = ("erp@shop.example", "boss@shop.example")


@pytest.fixture
def runner(shop_env: pytest.MonkeyPatch) -> Iterator[Runner]:
    """Runs on an instance that has schedules, as an installation's has."""
    with dg.instance_for_test() as instance:
        one = Runner()
        one.instance = instance
        yield one


@pytest.fixture
def sink(shop_env: pytest.MonkeyPatch) -> Iterator[MailSink]:
    with mail_sink() as served:
        shop_env.setenv("MAIL_BY", "smtp")
        shop_env.setenv("SMTP_URL", f"smtp://127.0.0.1:{served.port}")
        shop_env.setenv("MAIL_FROM", "Shop of Muscat <shop@shop.example>")
        shop_env.setenv("MAIL_SHOP_TITLE", "Shop of Muscat")
        shop_env.setenv("WEEKLY_REPORT_TO", str([*STAFF]).replace("'", '"'))
        yield served


def report(instance: dg.DagsterInstance, asset: str, **metadata: Any) -> None:
    """A run's materialization."""
    instance.report_runless_asset_event(dg.AssetMaterialization(asset, metadata=metadata))


def cannot_be_bought(instance: dg.DagsterInstance, *items: str, more: int = 0) -> None:
    """The check's result of a night."""
    rows = [dg.TableRecord({"website_item": item, "reason": "no price in OMR is in force"}) for item in items]
    found = {
        "cannot_be_bought": dg.MetadataValue.int(len(items) + more),
        "broken": dg.MetadataValue.int(1),
        "items": dg.MetadataValue.table(rows),
    }
    key = dg.AssetKey("medusa_publication")
    result = dg.AssetCheckEvaluation(key, "can_be_bought", passed=False, metadata=found)
    instance.report_runless_asset_event(result)


def parts(raw: bytes) -> tuple[str, str]:
    """The plain text and the HTML of a mail."""
    message = message_from_bytes(raw, policy=default)
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    return plain.get_content(), html.get_content()


@pytest.mark.long
def test_staff_read_what_was_done_and_sold_once_a_week(sink: MailSink, runner: Runner) -> None:
    report(runner.instance, "medusa_products", written=12, updated=3)
    report(runner.instance, "medusa_products", written=5)
    report(runner.instance, "abandoned_carts", sent=4, recovered=9)
    report(runner.instance, "abandoned_carts", sent=2, recovered=1)
    rows = [("Dental", "Mirror", 90.0), ("Dental", "Probe", 45.0), ("Medical", "Gloves", 7.5)]
    records = [dg.TableRecord({"category": c, "item_name": i, "item_code": i, "sales_qty": q}) for c, i, q in rows]
    report(runner.instance, "top_selling_items", ranking=dg.MetadataValue.table(records))
    run = runner.job(JOB)
    assert run.success, run.reasons()
    assert sink.times_received == dict.fromkeys(STAFF, 1)
    plain, html = parts(sink.messages[0])
    assert "medusa_products: new 17 updated 3" in plain
    assert "abandoned_carts: sent 6 bought after a mail 1" in plain, "what came back is of the last run"
    assert "Dental: Mirror (90) Probe (45)" in plain
    for text in ("Mirror", "width:50%", "Shop of Muscat"):
        assert text in html
    assert "Mirror" in run.metadata(ASSET)["report"]
    assert runner.job(JOB).metadata(ASSET)["already"] == 2
    assert len(sink.messages) == 2
    runner.job(JOB, run_config={"ops": {ASSET: {"config": {"again": True}}}})
    assert len(sink.messages) == 4


@pytest.mark.long
def test_a_refused_address_and_a_server_that_is_down_keep_nobody_else_from_it(
    sink: MailSink, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("SMTP_URL", "smtp://127.0.0.1:9")
    run = runner.job(JOB)
    assert not run.success
    assert "failed temporarily" in run.failure_text(ASSET)
    shop_env.setenv("SMTP_URL", f"smtp://127.0.0.1:{sink.port}")
    sink.refuse.add(STAFF[0])
    run = runner.job(JOB)
    assert run.success
    assert run.metadata(ASSET)["rejected"] == 1
    assert sink.times_received == {STAFF[1]: 1}
    assert "shop.example" not in str(run.metadata(ASSET)["rejects"])


@pytest.mark.long
def test_without_anybody_to_tell_it_says_so(sink: MailSink, runner: Runner, shop_env: pytest.MonkeyPatch) -> None:
    shop_env.delenv("WEEKLY_REPORT_TO")
    assert "WEEKLY_REPORT_TO and ALERT_URLS are not set" in runner.job(JOB).failure_text(ASSET)


def test_an_arab_shop_reads_arabic(sink: MailSink, runner: Runner, shop_env: pytest.MonkeyPatch) -> None:
    shop_env.setenv("MAIL_LANGUAGE", "ar")
    assert runner.job(JOB).success
    assert 'dir="rtl"' in parts(sink.messages[0])[1]
    assert "ما أُنجز" in parts(sink.messages[0])[0]


@pytest.mark.long
def test_without_addresses_it_goes_where_alerts_go(
    sink: MailSink, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.delenv("WEEKLY_REPORT_TO")
    shop_env.setenv("ALERT_URLS", f"mailto://127.0.0.1:{sink.port}?from=alerts@shop.example&to=team@shop.example")
    run = runner.job(JOB)
    assert run.success, run.reasons()
    assert sink.recipients == ["team@shop.example"]
    assert runner.job(JOB).metadata(ASSET)["already"] == 1


def test_what_cannot_be_bought_is_counted_with_the_first_reasons(sink: MailSink, runner: Runner) -> None:
    cannot_be_bought(runner.instance, *(f"WEB-ITM-000{number}" for number in range(7)), more=200)
    runner.job(JOB)
    for part in parts(sink.messages[0]):
        assert "WEB-ITM-0004" in part
        assert "no price in OMR is in force" in part
        assert "WEB-ITM-0005" not in part
        assert "and 202 more" in part
    assert "Cannot be bought: 207 (1 broken)" in parts(sink.messages[0])[0]


def test_how_long_changes_took_and_what_waits(sink: MailSink, runner: Runner, shop_env: pytest.MonkeyPatch) -> None:
    runner.job(JOB)
    assert "none was followed; nothing waits" in parts(sink.messages[0])[0]
    _changes.execute_in_process(instance=runner.instance, tags={"dagster/sensor_name": "follow_changes"})
    since = datetime.now(UTC) - timedelta(minutes=25)
    state.save(runner.instance, STATE_KEY, {"oldest": since.timestamp(), "reason": "Medusa: 503"})
    runner.job(JOB, run_config={"ops": {ASSET: {"config": {"again": True}}}})
    plain = parts(sink.messages[-1])[0]
    assert "1 runs, in the shop after 0 min, at most 0" in plain
    assert "waiting since 25 min Medusa: 503" in plain


@dg.op
def _bring_items() -> None:
    """Stands for the work of a run that the sensor starts."""


@dg.job
def _changes() -> None:
    _bring_items()
