"""Sending the Quotation mails that wait in the Email Queue: each once, a few at a time, the outcome read back.

The calls and the outcome of each mail. Which mails are due, and what is remembered between runs, belongs to
email_queue.py.

`send_now` answers 200 whatever happened, and calls at the same time send the same mail several times. So a mail is
called for once per run and never again after a lost answer before its row has shown what happened; the memory is kept
before each slice is sent, so that this holds for a run that is killed as well.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from erp_medusa_pipelines.clients.erpnext import FLUSH, SEND_NOW, ErpNextClient
from erp_medusa_pipelines.clients.failures import AccessError, ApiError, PermanentError, TransientError
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.sync.engine.erp_time import as_text, shifted
from erp_medusa_pipelines.sync.engine.report import Reject, SyncReport
from erp_medusa_pipelines.sync.minute.email_queue import (
    DOCTYPE,
    FOR_GOOD,
    UNSENT,
    Hold,
    Mail,
    Memory,
    in_turn,
    is_due,
    is_stuck,
    oldest_seconds,
    read_waiting,
)

log = logging.getLogger(__name__)

SLICE = 20
"""Mails between two reads of their rows."""
FAILURES_IN_A_ROW = 3
"""So many mails that fail one after the other mean the mail server, not the mails: the others keep their tries."""
REFUSALS_IN_A_ROW = 20
"""So many mails that a mail server refuses one after the other, each by itself, mean that it refuses the shop."""
ERRORS_SHOWN_HOURS = 24
LONGEST_RETRY_MINUTES = 120.0
PAUSE_MINUTES = 10.0
"""Between tries, of one mail each, while the site sends nothing at all. Who switches sending on waits no longer."""
OTHER_SENDERS = (
    ["method", "=", FLUSH],
    ["method", "like", "%.send_quotation_emails"],
)
_REFUSED_CONTENT = re.compile(r"smtplib\.SMTPDataError: \(5\d\d,")
BLOCKED = "the site accepts calls but sends nothing: sending is suspended (Email Queue list) or mute_emails is set"


class QuotationEmails:
    """One run of the sender. `keep` stores the memory for the next run; `retry_held` sends held mails as well.

    `tick` is when the schedule ticked (Unix time), if that began the run.
    """

    def __init__(
        self,
        erp: ErpNextClient,
        report: SyncReport,
        settings: Settings,
        *,
        memory: Memory,
        keep: Callable[[Memory], None],
        retry_held: bool = False,
        tick: float | None = None,
    ) -> None:
        self._erp = erp
        self._report = report
        self._settings = settings
        self._tick = tick
        self._memory = memory
        self._keep = keep
        self._retry_held = retry_held
        self._stop_at = time.monotonic() + settings.quotation_email_seconds
        self._answered: dict[str, float] = {}
        self._tried: set[str] = set()
        self._last_reason = ""

    def run(self) -> None:
        """Send what is due, and put the outcome into the report."""
        now = self._erp.now()
        mails = read_waiting(self._erp)
        self._memory.keep_only(mail.name for mail in mails)
        if self._retry_held:
            # Not those in doubt: their call may still be under way.
            self._memory.holds = {name: hold for name, hold in self._memory.holds.items() if not hold.attempts}
        due = in_turn([mail for mail in mails if is_due(mail, self._memory, now)], self._memory)
        self._report.count("found", len(due))
        self._report.count("waiting", len([mail for mail in mails if mail.is_unsent]) - len(due))
        self._report.facts["oldest_seconds"] = round(oldest_seconds(due, now), 1)
        if due:
            self._look_for_other_senders(now)
            self._send(due[: self._settings.quotation_emails_per_run])
        self._report_held(mails)
        self._report_stuck(mails, now)
        self._report_errors(now)
        self._report_lag()
        self._keep(self._memory)

    # --- sending ----------------------------------------------------------------------------------------------

    def _send(self, due: list[Mail]) -> None:
        """Send the first mail alone, to see whether the site can send at all."""
        self._memory.blocked_until = self._memory.blocked_why = ""
        failures = refusals = position = 0
        counts = self._report.counts
        while position < len(due) and time.monotonic() < self._stop_at:
            some = due[position : position + (SLICE if counts["sent"] or counts["refused"] else 1)]
            position += len(some)
            before = counts.copy()
            try:
                self._send_slice(some)
            except TransientError as error:
                # The rows cannot be read: nobody knows what was sent, so all of them stay held.
                for mail in some:
                    self._report.defer(DOCTYPE, mail.name, error)
                break
            if self._memory.blocked_until:
                break
            sent = counts["sent"] > before["sent"]
            missed = sum(counts[what] - before[what] for what in ("failed", "in_doubt"))
            failures = 0 if sent else failures + missed
            refusals = 0 if sent else refusals + counts["refused"] - before["refused"]
            if failures >= FAILURES_IN_A_ROW or refusals >= REFUSALS_IN_A_ROW:
                self._block(f"none of the last mails went out: {self._last_reason}", self._erp.clock())
                break
        self._report.count("postponed", len(due) - position)

    def _send_slice(self, mails: Sequence[Mail]) -> None:
        now = self._erp.clock()
        until = shifted(now, seconds=self._settings.quotation_email_doubt_seconds)
        for mail in mails:
            self._hold(mail, until, self._memory.attempts(mail.name), "an earlier call for it may still be running")
            self._tried.add(mail.name)
        self._keep(self._memory)
        with ThreadPoolExecutor(self._settings.quotation_email_parallel) as pool:
            answers = list(pool.map(self._call, mails))
        for answer in answers:
            if isinstance(answer, AccessError):
                raise answer
        fields = ["name", "status", "modified", "error"]
        stored = {row["name"]: row for row in self._erp.rows_in(DOCTYPE, fields, [mail.name for mail in mails])}
        for mail, answer in zip(mails, answers, strict=True):
            self._settle(mail, answer, stored.get(mail.name))
        self._keep(self._memory)
        self._report.advance(len(mails))

    def _call(self, mail: Mail) -> ApiError | bool:
        """Return True after a good answer, False if the mail was no longer due, else the error."""
        if time.monotonic() >= self._stop_at:
            return False
        try:
            # One attempt: whether a second one is safe is for the row to say, not for the connection.
            timeout = self._settings.quotation_email_timeout
            self._erp.call(SEND_NOW, {"name": mail.name}, attempts=1, read_timeout=timeout)
        except ApiError as error:
            return error
        self._answered[mail.name] = time.time()
        return True

    def _settle(self, mail: Mail, answer: ApiError | bool, row: Mapping[str, Any] | None) -> None:
        """Decide the outcome of one mail from its row now."""
        status = row["status"] if row else "Sent"
        untouched = row is not None and row["modified"] == mail.modified
        error = answer if isinstance(answer, ApiError) else None
        if status not in UNSENT:
            self._memory.holds.pop(mail.name, None)
            what = {"Sent": "sent", "Error": "failed"}.get(status, "in_doubt") if row else "gone"
            self._report.count(what)
        elif answer is False:
            self._release(mail)
            self._report.count("postponed")
        elif untouched and error is None:
            self._release(mail)
            self._block(BLOCKED, self._erp.clock())
        elif untouched and error is not None and error.ambiguous and error.exc_type is None:
            # Nothing was sent, as far as anybody knows. A green run would hide a proxy that answers for a dead site.
            self._report.count("in_doubt")
            self._last_reason = error.reason
            text = f"{error.reason}; whether ERPNext still sends it is not known, so it is left alone for a while"
            self._report.defer(DOCTYPE, mail.name, TransientError(error.service, "send_now", text))
        elif untouched and isinstance(error, TransientError):
            # The call never reached the queue: no attempt of this mail.
            self._release(mail)
            self._report.count("failed")
            self._last_reason = error.reason
            self._report.defer(DOCTYPE, mail.name, error)
        else:
            self._failed(mail, row, error)

    def _failed(self, mail: Mail, row: Mapping[str, Any] | None, error: ApiError | None) -> None:
        attempts = self._memory.attempts(mail.name) + 1
        last_line = str((row or {}).get("error") or "").strip().rsplit("\n", 1)[-1]
        reason = self._erp.http.redact(last_line) or (error.reason if error else "not sent; ERPNext gave no reason")
        self._last_reason = reason
        self._report.count("refused" if is_refused_mail(last_line) else "failed")
        changed = Mail(**{**vars(mail), "modified": (row or {}).get("modified") or mail.modified})
        if attempts >= self._settings.quotation_email_attempts:
            self._hold(changed, FOR_GOOD, attempts, f"given up after {attempts} attempts: {reason}")
            return
        pause = min(self._settings.quotation_email_retry_minutes * 2 ** (attempts - 1), LONGEST_RETRY_MINUTES)
        self._hold(changed, shifted(self._erp.clock(), minutes=pause), attempts, reason)
        self._report.defer(DOCTYPE, mail.name, TransientError(self._erp.http.service, "send_now", reason))

    def _release(self, mail: Mail) -> None:
        """Let the mail be due again at once. Attempts that failed before still count."""
        attempts = self._memory.attempts(mail.name)
        if attempts:
            self._hold(mail, as_text(self._erp.clock()), attempts, "put off, and due again")
        else:
            del self._memory.holds[mail.name]

    def _hold(self, mail: Mail, until: str, attempts: int, why: str) -> None:
        self._memory.holds[mail.name] = Hold(mail.modified, until, attempts, why)

    def _block(self, why: str, now: datetime) -> None:
        self._memory.blocked_until = shifted(now, minutes=PAUSE_MINUTES)
        self._memory.blocked_why = why
        self._report.facts["blocked"] = f"{why}; the schedule tries again at {self._memory.blocked_until}"
        log.warning("%s", self._report.facts["blocked"])

    # --- reporting --------------------------------------------------------------------------------------------

    def _report_held(self, mails: Sequence[Mail]) -> None:
        for mail in mails:
            hold = self._memory.holds.get(mail.name)
            if hold and hold.until == FOR_GOOD and mail.is_unsent:
                text = f"{hold.why}. Fix the cause, then run with retry_rejected"
                self._report.reject(Reject(DOCTYPE, mail.name, text, field="error", held=mail.name not in self._tried))

    def _report_stuck(self, mails: Sequence[Mail], now: datetime) -> None:
        stuck = [mail for mail in mails if is_stuck(mail, self._settings.quotation_email_stuck_minutes, now)]
        self._memory.stuck = sorted(mail.name for mail in stuck)
        self._report.count("stuck", len(stuck))
        for mail in stuck:
            text = (
                f"'Sending' since {mail.modified}: the process that sent it stopped half-way. Check whether it arrived,"
            )
            text += " then delete it or send the quotation again; the pipelines leave it alone"
            self._report.reject(Reject(DOCTYPE, mail.name, text, field="status"))

    def _report_errors(self, now: datetime) -> None:
        """Report mails that Frappe gave up on recently; older ones are history."""
        since = shifted(now, minutes=-60 * ERRORS_SHOWN_HOURS)
        filters = [["reference_doctype", "=", "Quotation"], ["status", "=", "Error"], ["modified", ">", since]]
        for row in self._erp.get_list(DOCTYPE, ["name", "error"], filters=filters, limit=SLICE):
            last_line = str(row["error"] or "").strip().rsplit("\n", 1)[-1]
            text = f"given up by ERPNext: {self._erp.http.redact(last_line)}. Fix the cause, then 'Retry Sending'"
            self._report.reject(Reject(DOCTYPE, row["name"], text, field="error"))

    def _report_lag(self) -> None:
        held = self._memory.holds
        moments = [moment for name, moment in self._answered.items() if name not in held]
        if moments and self._tick is not None and self._report.counts["sent"]:
            self._report.facts["tick_to_first_mail_seconds"] = round(min(moments) - self._tick, 2)
            self._report.facts["tick_to_last_mail_seconds"] = round(max(moments) - self._tick, 2)

    def _look_for_other_senders(self, now: datetime) -> None:
        """Once per day of the site, look for Frappe's own jobs that send the same mails."""
        today = as_text(now)[:10]
        if self._memory.senders_checked == today:
            return
        try:
            found = other_senders(self._erp)
        except TransientError:
            return  # asked again by the next run; the mails do not wait for it
        except PermanentError as error:
            log.info("could not find out whether ERPNext sends these mails as well: %s", error.reason)
            found = []
        self._memory.senders_checked = today
        if found:
            text = f"ERPNext's own scheduler sends these mails as well ({', '.join(found)}): a mail may go out twice."
            text += " Stop those Scheduled Job Types, or this schedule"
            self._report.facts["second_sender"] = text
            log.warning("%s", text)


def is_refused_mail(last_line: str) -> bool:
    """Return whether the mail server refused this one mail: its recipient, or permanently its content.

    `last_line` is the end of the row's `error`, such as "smtplib.SMTPRecipientsRefused: {'a@b.c': (550, b'unknown')}".
    """
    return last_line.startswith("smtplib.SMTPRecipientsRefused") or bool(_REFUSED_CONTENT.match(last_line))


def other_senders(erp: ErpNextClient) -> list[str]:
    """Return active Scheduled Job Types that send the same mails. Two requests."""
    active = erp.get_list(
        "Scheduled Job Type", ["name", "method"], filters=[["stopped", "=", 0]], or_filters=OTHER_SENDERS
    )
    return [row["method"] for row in active] if active and erp.scheduler_is_on() else []
