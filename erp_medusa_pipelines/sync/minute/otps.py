"""Email OTP: pending one-time passwords whose time is over become Expired; very old ones may be deleted.

Belongs here: which rows, and under what conditions they are written. Only name, status and times of a row are ever
read: the password itself and the address never enter this process. Time is the ERP server's clock in the site's zone.

The app uses one row per address again and again: asking for a new password sets an Expired row back to Pending, and
`logged_in` on the row is what makes an address a registered one. So every write says which state of the row it is
meant for, and a registered row is never deleted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.erpnext import ErpNextClient, Filters
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter
from erp_medusa_pipelines.clients.failures import AccessError, ApiError, PermanentError, TransientError
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.sync.engine.erp_time import as_text, seconds_since, shifted
from erp_medusa_pipelines.sync.engine.gate import Answer
from erp_medusa_pipelines.sync.engine.report import Reject, SyncReport

DOCTYPE = "Email OTP"
PENDING: Filters = [["status", "=", "Pending"], ["expiration_time", "is", "set"]]
"""A plain `expiration_time < now` would match rows without one as well: Frappe takes NULL for the year 1."""
PENDING_FOR_EVER: Filters = [["status", "=", "Pending"], ["expiration_time", "is", "not set"]]

MOST_COUNTED = 1000
ROWS_PER_WRITE = 400
DELETED_AFTER_A_LOOK = 20


@dataclass(frozen=True)
class OtpOptions:
    """How much one run does. `retention_days=None` deletes nothing."""

    most: int
    write_chunk: int
    retention_days: int | None = None
    most_deletions: int = 0


def has_work(erp: ErpNextClient, settings: Settings, _memory: Mapping[str, Any]) -> Answer:
    """Whether any password's time is over. One request, another one where old rows are to be deleted."""
    first = erp.get_list(
        DOCTYPE, ["expiration_time"], filters=PENDING, order_by="expiration_time asc, name asc", limit=1
    )
    if first and first[0]["expiration_time"] < as_text(erp.clock()):
        return Answer(True)
    days = settings.otp_retention_days
    if days is not None and erp.exists(DOCTYPE, filters=_deletable(erp.clock(), days)):
        return Answer(True)
    return Answer(False, "no one-time password has expired")


def expire_otps(erp: ErpNextClient, writer: ErpNextWriter, report: SyncReport, options: OtpOptions) -> None:
    """Expire what is due, oldest first, and delete what is older than the retention."""
    now = erp.now()
    rows = erp.get_list(
        DOCTYPE,
        ["name", "modified", "expiration_time"],
        filters=[*PENDING, ["expiration_time", "<", as_text(now)]],
        order_by="expiration_time asc, name asc",
        limit=options.most,
    )
    report.count("found", len(rows))
    endless = erp.get_list(DOCTYPE, ["name"], filters=PENDING_FOR_EVER, limit=MOST_COUNTED)
    report.count("pending_without_expiry", len(endless))
    report.facts["oldest_seconds"] = round(seconds_since(rows[0]["expiration_time"], now), 1) if rows else 0.0
    for some in batched(rows, ROWS_PER_WRITE):
        _expire(writer, report, some, options.write_chunk)
        report.advance(len(some))
    if options.retention_days is not None:
        _delete_old(erp, report, now, options.retention_days, options.most_deletions)


def _expire(writer: ErpNextWriter, report: SyncReport, rows: Sequence[Mapping[str, Any]], chunk: int) -> None:
    outcome = writer.write(
        DOCTYPE,
        [(row["name"], {"status": "Expired"}) for row in rows],
        expected={"status": "Pending"},
        as_read={row["name"]: row["modified"] for row in rows},
        chunk=chunk,
    )
    report.count("written", len(outcome.written))
    # Verified, or asked for anew, between the look and the write: their owners were faster.
    report.count("changed_meanwhile", len(outcome.changed))
    for name, error in outcome.failed.items():
        _note(report, name, error)


def _deletable(now: datetime, days: int) -> list[list[Any]]:
    return [
        ["status", "in", ["Expired", "Verified"]],
        ["modified", "<", shifted(now, days=-days)],
        ["logged_in", "=", 0],
    ]


def _delete_old(erp: ErpNextClient, report: SyncReport, now: datetime, days: int, most: int) -> None:
    filters = _deletable(now, days)
    old = erp.get_list(DOCTYPE, ["name"], filters=filters, order_by="modified asc, name asc", limit=most)
    for names in batched((row["name"] for row in old), DELETED_AFTER_A_LOOK):
        # A delete has no condition of its own, so the look is repeated right before it.
        for row in erp.rows_in(DOCTYPE, ["name"], names, filters=filters):
            try:
                erp.delete(DOCTYPE, row["name"])
                report.count("removed")
            except AccessError:
                raise
            except ApiError as error:
                _note(report, row["name"], error)


def _note(report: SyncReport, name: str, error: ApiError) -> None:
    if isinstance(error, TransientError):
        report.defer(DOCTYPE, name, error)
    elif isinstance(error, PermanentError) and error.status == 404:
        report.count("changed_meanwhile")
    else:
        report.reject(Reject(DOCTYPE, name, error.reason, field="status"))
