"""What happens every minute: quotation mails are sent, one-time passwords expire. Two thin assets over sync/."""

from datetime import datetime
from typing import Any

import dagster as dg

from erp_medusa_pipelines.assets.doctypes import doctype
from erp_medusa_pipelines.assets.links import writes
from erp_medusa_pipelines.assets.reporting import SyncConfig, check_spec, sync_run
from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.dagster_internals import SCHEDULED_EXECUTION_TIME_TAG
from erp_medusa_pipelines.orchestration.resources import ShopConnection
from erp_medusa_pipelines.orchestration.schedules.gates import memory_key
from erp_medusa_pipelines.orchestration.shops import pool
from erp_medusa_pipelines.sync.minute import email_queue, otps
from erp_medusa_pipelines.sync.minute.quotation_emails import QuotationEmails
from erp_medusa_pipelines.tasks import owner_task

GROUP = "minute"
MAILS, OTPS = "quotation_emails", "expired_otps"
MAILS_KEY, OTPS_KEY = (memory_key(owner_task(asset).name) for asset in (MAILS, OTPS))
CHECK = "site_sends_mails"


@dg.asset(
    name=MAILS,
    group_name=GROUP,
    metadata=writes(erpnext="Email Queue: status, through ERPNext's own send_now"),
    kinds={"erpnext"},
    # Whoever starts it, schedule or operator: one run at a time, since two would send the same mails.
    pool=pool(MAILS),
    deps=[doctype("Email Queue")],
    check_specs=[
        check_spec(MAILS),
        dg.AssetCheckSpec(CHECK, asset=MAILS, description="Sending is not suspended or muted; the mail server answers"),
    ],
    description="Quotation mails of the ERPNext Email Queue that wait and are due, sent once each.",
)
def quotation_emails(
    context: dg.AssetExecutionContext, config: SyncConfig, shop: ShopConnection
) -> dg.MaterializeResult:
    with sync_run(context, shop, config, email_queue.DOCTYPE) as run:
        # Error texts of mail servers name the recipient.
        run.shop.erp.http.redact.hide_addresses = True
        QuotationEmails(
            run.shop.erp,
            run.report,
            run.shop.settings,
            memory=email_queue.Memory.from_json(state.load(context.instance, MAILS_KEY)),
            keep=lambda memory: state.save(context.instance, MAILS_KEY, memory.to_json()),
            retry_held=config.retry_rejected,
            tick=_tick(context),
        ).run()
        blocked = run.report.facts.get("blocked")
        check = dg.AssetCheckResult(
            passed=not blocked,
            check_name=CHECK,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"reason": blocked} if blocked else {},
        )
        return run.result(checks=[check])


def _tick(context: dg.AssetExecutionContext) -> float | None:
    """Return the time of the schedule tick that started this run."""
    text: Any = context.run.tags.get(SCHEDULED_EXECUTION_TIME_TAG)
    return datetime.fromisoformat(text).timestamp() if text else None


@dg.asset(
    name=OTPS,
    group_name=GROUP,
    metadata=writes(erpnext="Email OTP: status"),
    kinds={"erpnext"},
    pool=pool(OTPS),
    deps=[doctype("Email OTP")],
    check_specs=[check_spec(OTPS)],
    description="Pending Email OTP rows past their time, by the clock of ERPNext, set to Expired.",
)
def expired_otps(context: dg.AssetExecutionContext, config: SyncConfig, shop: ShopConnection) -> dg.MaterializeResult:
    with sync_run(context, shop, config, otps.DOCTYPE) as run:
        # An error text may quote the row that it is about, and such a row is about a private person.
        run.shop.erp.http.redact.hide_addresses = True
        otps.OtpExpiry(run.shop.erp, run.shop.writer, run.report, run.shop.settings, run.quarantine).run()
        state.save(context.instance, OTPS_KEY, otps.memory(run.quarantine))
        return run.result()


ASSETS = [quotation_emails, expired_otps]
