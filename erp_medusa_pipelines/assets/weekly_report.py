"""The asset weekly_report: what happened in a week, to staff, by mail or by the channels of the alerts."""

import hashlib
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from erp_medusa_pipelines.assets.doctypes import doctype
from erp_medusa_pipelines.assets.links import writes
from erp_medusa_pipelines.assets.reporting import SyncConfig, SyncRun, sync_run
from erp_medusa_pipelines.clients.failures import PermanentError, TransientError
from erp_medusa_pipelines.mail.mail import InDoubtError, Mail, NotSentError, RefusedError, Sender
from erp_medusa_pipelines.mail.texts import TextError, Texts, Written
from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.resources import ShopConnection
from erp_medusa_pipelines.orchestration.sensors.problems.problem import Message
from erp_medusa_pipelines.orchestration.sensors.problems.receivers import ERROR_LOG, DeliveryError, receivers
from erp_medusa_pipelines.orchestration.shops import pool
from erp_medusa_pipelines.orchestration.weekly_report import Week, read_week
from erp_medusa_pipelines.settings import SettingsError
from erp_medusa_pipelines.sync.engine.report import Reject

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
