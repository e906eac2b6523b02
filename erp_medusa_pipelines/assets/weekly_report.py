"""The asset weekly_report: what happened in a week, to staff, by mail or by the channels of the alerts."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import dagster as dg
from pydantic import Field

from erp_medusa_pipelines.assets.doctypes import doctype
from erp_medusa_pipelines.assets.links import writes
from erp_medusa_pipelines.assets.publication import NotBoughtInShop, read_not_bought
from erp_medusa_pipelines.assets.reporting import SyncConfig, SyncRun, sync_run
from erp_medusa_pipelines.clients.failures import PermanentError, TransientError
from erp_medusa_pipelines.mail.mail import InDoubtError, Mail, NotSentError, RefusedError, Sender
from erp_medusa_pipelines.mail.texts import TextError, Texts, Written
from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.checks.rejects import read_rejects
from erp_medusa_pipelines.orchestration.dagster_internals import SENSOR_NAME_TAG
from erp_medusa_pipelines.orchestration.resources import ShopConnection
from erp_medusa_pipelines.orchestration.sensors.follow_changes import changes_waiting
from erp_medusa_pipelines.orchestration.sensors.problems.found import problems
from erp_medusa_pipelines.orchestration.sensors.problems.problem import Message
from erp_medusa_pipelines.orchestration.sensors.problems.receivers import ERROR_LOG, DeliveryError, receivers
from erp_medusa_pipelines.orchestration.shops import asset_key, pool, shop_tags
from erp_medusa_pipelines.settings import Settings, SettingsError
from erp_medusa_pipelines.sync.engine.report import Reject
from erp_medusa_pipelines.tasks import ALL_ASSETS, CHANGES_SENSOR, TASKS

DAYS = 7
WORK = ("written", "adopted", "updated", "sent", "deleted", "recovered")
"""Counts that are shown, where an asset has them. `recovered` is of the last run: it looks back by itself."""
LATEST = ("recovered",)
EVENTS_PER_READ = 500
BEST_SHOWN = 3
MOST_SHOWN = 20


@dataclass(frozen=True)
class TaskWeek:
    """The runs of one task."""

    name: str
    runs: int
    failed: int
    longest_minutes: float


@dataclass(frozen=True)
class Changes:
    """Changes between the nights: runs for them, how long each took until its items were in Medusa, and what waits."""

    runs: int
    median_minutes: float
    longest_minutes: float
    waiting_minutes: float
    reason: str


@dataclass(frozen=True)
class Week:
    """What the report tells. `work` is (asset, {count: number}); `best` is (category, [(item, quantity)])."""

    since: datetime
    until: datetime
    tasks: list[TaskWeek]
    work: list[tuple[str, dict[str, int]]]
    refused: list[tuple[str, int]]
    best: list[tuple[str, list[tuple[str, float]]]]
    red: list[str]
    not_bought: NotBoughtInShop
    changes: Changes

    @property
    def name(self) -> str:
        """Year and week by ISO 8601, such as 2026-W49."""
        year, week, _ = self.until.isocalendar()
        return f"{year}-W{week:02}"


def read_week(instance: dg.DagsterInstance, settings: Settings, until: datetime) -> Week:
    """Read the seven days before `until`."""
    since = until - timedelta(days=DAYS)
    return Week(
        since,
        until,
        [week for task in TASKS if (week := _task(instance, task.name, since)).runs],
        [(asset, counts) for asset in ALL_ASSETS if (counts := _work(instance, asset, since))],
        [(found.asset, int(found.number)) for found in read_rejects(instance) if found.number],
        list(_best(instance)),
        _red(instance, settings),
        read_not_bought(instance) or NotBoughtInShop(0, 0, []),
        _changes(instance, since, until),
    )


def _changes(instance: dg.DagsterInstance, since: datetime, until: datetime) -> Changes:
    """Read the runs of the sensor `follow_changes`: from their request to their end."""
    chosen = dg.RunsFilter(
        tags={**shop_tags(), SENSOR_NAME_TAG: CHANGES_SENSOR},
        statuses=[dg.DagsterRunStatus.SUCCESS],
        created_after=since,
    )
    records = instance.get_run_records(chosen)
    minutes = [(one.end_time - one.create_timestamp.timestamp()) / 60 for one in records if one.end_time]
    waiting = changes_waiting(instance)
    return Changes(
        len(minutes),
        round(median(minutes), 1) if minutes else 0.0,
        round(max(minutes, default=0.0), 1),
        round((until - waiting[0]).total_seconds() / 60, 1) if waiting else 0.0,
        waiting[1] if waiting else "",
    )


def _red(instance: dg.DagsterInstance, settings: Settings) -> list[str]:
    """Return what is wrong now. The instance of a plan has no schedules, so nothing can be wrong with them."""
    if instance.schedule_storage is None:
        return []
    return [problem.title for problem in problems(instance, settings)][:MOST_SHOWN]


def _task(instance: dg.DagsterInstance, name: str, since: datetime) -> TaskWeek:
    runs, failed, longest = 0, 0, 0.0
    chosen = dg.RunsFilter(job_name=name, tags=shop_tags(), created_after=since)
    for record in instance.get_run_records(chosen):
        runs += 1
        failed += record.dagster_run.status == dg.DagsterRunStatus.FAILURE
        if record.start_time and record.end_time:
            longest = max(longest, record.end_time - record.start_time)
    return TaskWeek(name, runs, failed, round(longest / 60, 1))


def _work(instance: dg.DagsterInstance, asset: str, since: datetime) -> dict[str, int]:
    """Add up what an asset reported, newest first."""
    counts: Counter[str] = Counter()
    cursor: str | None = None
    newest = True
    chosen = dg.AssetRecordsFilter(asset_key(asset), after_timestamp=since.timestamp())
    while True:
        found = instance.fetch_materializations(chosen, limit=EVENTS_PER_READ, cursor=cursor)
        for record in found.records:
            for name, number in _numbers(record).items():
                if newest or name not in LATEST:
                    counts[name] += number
            newest = False
        if not found.has_more:
            return {name: counts[name] for name in WORK if counts[name]}
        cursor = found.cursor


def _numbers(record: dg.EventLogRecord) -> dict[str, int]:
    metadata = _metadata(record)
    values = {name: getattr(metadata.get(name), "value", 0) for name in WORK}
    return {name: int(value) for name, value in values.items() if isinstance(value, int | float)}


def _best(instance: dg.DagsterInstance) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    """Yield the first of each category, as they were ranked last."""
    records = instance.fetch_materializations(asset_key("top_selling_items"), limit=1).records
    entry = _metadata(records[0]).get("ranking") if records else None
    rows: dict[str, list[tuple[str, float]]] = {}
    for record in entry.value.records if isinstance(entry, dg.TableMetadataValue) else ():
        row: Mapping[str, Any] = record.data
        title = str(row.get("item_name") or row.get("item_code"))
        rows.setdefault(str(row.get("category")), []).append((title, float(row.get("sales_qty") or 0)))
    yield from ((category, items[:BEST_SHOWN]) for category, items in rows.items())


def _metadata(record: dg.EventLogRecord) -> Mapping[str, dg.MetadataValue]:
    event = record.asset_materialization
    return event.metadata if event else {}


ASSET = "weekly_report"
TEMPLATE = "weekly_report"
RECEIVER = "Receiver"


class ReportConfig(SyncConfig):
    """Launchpad config of the report."""

    again: bool = Field(default=False, description="Send the report to those who had this week's already")


@dg.asset(
    name=ASSET,
    group_name="reports",
    metadata=writes(erpnext="Email Queue, where mails go through ERPNext (MAIL_BY)"),
    pool=pool(ASSET),
    deps=[doctype("Email Queue")],
    description="A week in numbers: what was done, refused and sold best, how long runs took, what is red.",
)
def weekly_report(
    context: dg.AssetExecutionContext, config: ReportConfig, shop: ShopConnection
) -> dg.MaterializeResult:
    with sync_run(context, shop, config, RECEIVER) as run, run.shop.mail_sender() as sender:
        run.shop.erp.http.redact.hide_addresses = True
        settings = run.shop.settings
        week = read_week(context.instance, settings, datetime.now(UTC))
        texts = Texts(settings.mail_templates, settings.mail_language, settings.mail_shop_title, {})
        try:
            written = texts.write(TEMPLATE, {"week": week, "ui": settings.dagster_ui_url or ""})
        except TextError as error:
            raise PermanentError("Mails", "MAIL_TEMPLATES", str(error)) from error
        _Delivery(context, run, sender, week, config.again or run.shop.plan is not None).send(written)
        return run.result(metadata={"report": dg.MetadataValue.md(f"```\n{written.text}```")})


class _Delivery:
    """Each receiver gets a week's report once; what is remembered of one is a digest of its address."""

    def __init__(
        self, context: dg.AssetExecutionContext, run: SyncRun, sender: Sender, week: Week, again: bool
    ) -> None:
        self._instance = context.instance
        self._run = run
        self._sender = sender
        self._week = week
        known = state.load(context.instance, ASSET)
        self._sent_to: list[str] = [] if again or known.get("week") != week.name else list(known.get("told", ()))

    def send(self, written: Written) -> None:
        """Send to the addresses of WEEKLY_REPORT_TO, or else as alerts are sent. Raises SettingsError for neither."""
        settings = self._run.shop.settings
        channels = [one for one in receivers(settings) if one.key != ERROR_LOG and self._run.shop.plan is None]
        if not settings.weekly_report_to and not channels:
            raise SettingsError("WEEKLY_REPORT_TO and ALERT_URLS are not set: there is nobody to send the report to")
        if settings.weekly_report_to:
            for address in settings.weekly_report_to:
                self._mail(address, written)
            return
        for receiver in channels:
            if receiver.key in self._sent_to:
                self._run.report.count("already")
                continue
            at = self._week.until.isoformat()
            try:
                receiver.send(Message(f"{ASSET} {self._week.name}", "success", written.subject, written.text, at))
            except DeliveryError as error:
                self._run.report.defer(RECEIVER, receiver.name, TransientError("Alerts", "ALERT_URLS", str(error)))
            else:
                self._sent(receiver.key)

    def _mail(self, address: str, written: Written) -> None:
        key = hashlib.sha256(address.encode()).hexdigest()[:12]
        if key in self._sent_to:
            self._run.report.count("already")
            return
        mail = Mail(f"{ASSET} {self._week.name}", address, written.subject, written.text, written.html)
        try:
            # Remembered before it is handed over: staff can do without a report, and not with two.
            self._sender.send(mail, lambda: self._remember(key))
        except NotSentError as error:
            self._sent_to.remove(key) if key in self._sent_to else None
            self._save()
            self._run.report.defer(RECEIVER, key, TransientError("Mail server", "SMTP", error.reason))
        except (RefusedError, InDoubtError) as error:
            self._run.report.reject(Reject(RECEIVER, key, error.reason, field="WEEKLY_REPORT_TO"))
        else:
            self._sent(key)

    def _sent(self, key: str) -> None:
        self._run.report.count("sent")
        self._remember(key)

    def _remember(self, key: str) -> None:
        if key not in self._sent_to:
            self._sent_to.append(key)
        self._save()

    def _save(self) -> None:
        state.save(self._instance, ASSET, {"week": self._week.name, "told": self._sent_to})


ASSETS = [weekly_report]
