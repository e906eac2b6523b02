"""Email OTP: pending one-time passwords past their expiration time become Expired; very old ones may be deleted.

Which rows, and under what conditions they are written. Only name, status and times of a row are ever read: the password
itself and the address never enter this process. Time is the ERP server's clock in the site's zone.

The app uses one row per address again and again: asking for a new password sets an Expired row back to Pending, and
`logged_in` on the row is what makes an address a registered one. So every write says which state of the row it is
meant for, and a registered row is never deleted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.erpnext import ErpNextClient, Filters
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter
from erp_medusa_pipelines.clients.failures import AccessError, ApiError, TransientError, is_gone
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.sync.engine.erp_time import as_text, seconds_since, shifted
from erp_medusa_pipelines.sync.engine.gate import Answer
from erp_medusa_pipelines.sync.engine.quarantine import Held, Lies, Quarantine, short
from erp_medusa_pipelines.sync.engine.report import Reject, SyncReport

DOCTYPE = "Email OTP"
PENDING: Filters = [["status", "=", "Pending"], ["expiration_time", "is", "set"]]
"""A plain `expiration_time < now` would match rows without one as well: Frappe takes NULL for the year 1."""
PENDING_FOR_EVER: Filters = [["status", "=", "Pending"], ["expiration_time", "is", "not set"]]

MOST_COUNTED = 1000
MOST_HELD = 1000
"""Rows that cannot be written and are remembered for it. More of them mean that something else is wrong."""
ROWS_PER_WRITE = 400
ROWS_PER_SAVE = 100
"""Per bulk_update, where the Server Script is missing. More than the writer's own number: these saves are light."""
MOST_EXPIRED, MOST_DELETED = 5000, 200
"""In one run, which has a minute; the next tick continues. A deletion is a request of its own."""
DELETED_AFTER_A_LOOK = 20


def has_work(erp: ErpNextClient, settings: Settings, memory: Mapping[str, Any]) -> Answer:
    """Return whether any password has expired. One request, and another where old rows are to be deleted."""
    held: Mapping[str, str] = memory.get("held") or {}
    fields = ["name", "modified", "expiration_time"]
    order = "expiration_time asc, name asc"
    rows = erp.get_list(DOCTYPE, fields, filters=PENDING, order_by=order, limit=len(held) + 1)
    times = [row["expiration_time"] for row in rows]
    days = settings.otp_retention_days
    if not rows and days is None:
        return Answer(False, "no one-time password has expired")
    now = erp.clock()
    free = [time for row, time in zip(rows, times, strict=True) if held.get(row["name"]) != _state(row, now)]
    if free and free[0] < as_text(now):
        return Answer(True)
    if days is not None:
        old = erp.get_list(DOCTYPE, fields[:2], filters=_deletable(now, days), limit=len(held) + 1)
        if any(held.get(row["name"]) != _state(row, now) for row in old):
            return Answer(True)
    return Answer(
        False, "no one-time password has expired" + (f", apart from {len(held)} that are held" if held else "")
    )


@dataclass
class OtpExpiry:
    """One run. `quarantine` holds rows that could not be written and have not changed since, until the next day."""

    erp: ErpNextClient
    writer: ErpNextWriter
    report: SyncReport
    settings: Settings
    quarantine: Quarantine

    def run(self) -> None:
        """Expire what is due, oldest first, and delete what is older than the retention."""
        now = self.erp.now()
        rows = self._not_held(
            self.erp.get_list(
                DOCTYPE,
                ["name", "modified", "expiration_time"],
                filters=[*PENDING, ["expiration_time", "<", as_text(now)]],
                order_by="expiration_time asc, name asc",
                limit=MOST_EXPIRED + len(self.quarantine.entries()),
            )
        )[:MOST_EXPIRED]
        self.report.count("found", len(rows))
        endless = self.erp.get_list(DOCTYPE, ["name"], filters=PENDING_FOR_EVER, limit=MOST_COUNTED)
        self.report.count("pending_without_expiry", len(endless))
        oldest = round(seconds_since(rows[0]["expiration_time"], now), 1) if rows else 0.0
        self.report.facts["oldest_seconds"] = oldest
        for some in batched(rows, ROWS_PER_WRITE):
            self._expire(some)
            self.report.advance(len(some))
        if self.settings.otp_retention_days is not None:
            self._delete_old(now, self.settings.otp_retention_days)

    def _not_held(self, rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Drop rows that were refused today and have not changed since; these are reported again."""
        free, now = [], self.erp.clock()
        for row in rows:
            held = self.quarantine.held(row["name"], _state(row, now))
            if held is None:
                free.append(row)
            else:
                self.report.reject(Reject(DOCTYPE, row["name"], held.reason, field=held.field, held=True))
        return free

    def _expire(self, rows: Sequence[Mapping[str, Any]]) -> None:
        as_read, now = {row["name"]: row["modified"] for row in rows}, self.erp.clock()
        outcome = self.writer.write(
            DOCTYPE,
            [(name, {"status": "Expired"}) for name in as_read],
            expected={"status": "Pending"},
            as_read=as_read,
            chunk=ROWS_PER_SAVE,
        )
        self.report.count("written", len(outcome.written))
        # Verified, or asked for anew, between the look and the write: their owners were faster.
        self.report.count("changed_meanwhile", len(outcome.changed))
        for name, error in outcome.failed.items():
            self._note(name, _state({"modified": as_read[name]}, now), error)

    def _delete_old(self, now: datetime, days: int) -> None:
        filters = _deletable(now, days)
        most = MOST_DELETED
        old = self._not_held(
            self.erp.get_list(
                DOCTYPE,
                ["name", "modified"],
                filters=filters,
                order_by="modified asc, name asc",
                limit=most + len(self.quarantine.entries()),
            )
        )[:most]
        for names in batched((row["name"] for row in old), DELETED_AFTER_A_LOOK):
            # A delete has no condition of its own, so the look is repeated right before it.
            for row in self.erp.rows_in(DOCTYPE, ["name", "modified"], names, filters=filters):
                try:
                    self.erp.delete(DOCTYPE, row["name"])
                    self.report.count("removed")
                except AccessError:
                    raise
                except ApiError as error:
                    self._note(row["name"], _state(row, now), error)

    def _note(self, name: str, state: str, error: ApiError) -> None:
        if isinstance(error, TransientError):
            self.report.defer(DOCTYPE, name, error)
        elif is_gone(error):
            self.report.count("changed_meanwhile")
        else:
            self.report.reject(Reject(DOCTYPE, name, error.reason, field="status"))
            self.quarantine.put(name, Held(state, error.reason, Lies.IN_THE_DOCUMENT, "status"))


def _state(row: Mapping[str, Any], now: datetime) -> str:
    """Return what a refusal holds for: the row as it is, on that day. Every minute would be too often to try again."""
    return short(f"{row['modified']} {now.date()}")


def _deletable(now: datetime, days: int) -> list[list[Any]]:
    return [
        ["status", "in", ["Expired", "Verified"]],
        ["modified", "<", shifted(now, days=-days)],
        ["logged_in", "=", 0],
    ]


def memory(quarantine: Quarantine) -> dict[str, Any]:
    """Return what the gate must know of a run: the held rows, and the state of each."""
    return {"held": dict(list(quarantine.fingerprints().items())[:MOST_HELD])}
