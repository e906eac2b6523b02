"""The Email Queue as the sender sees it: which Quotation mails wait, which are due, which must not be touched.

Reading rows, the rules of who is due, and what must be remembered between runs so that no mail goes out twice.

Frappe dials the mail server before it marks a row "Sending", and takes up to two minutes for that. So a row that still
says "Not Sent" after a call without an answer may be on its way: until that call must have ended the row is held.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from erp_medusa_pipelines.clients.erpnext import ErpNextClient, Filters
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.sync.engine.erp_time import as_text, is_moment, seconds_since, shifted
from erp_medusa_pipelines.sync.engine.gate import Answer
from erp_medusa_pipelines.sync.engine.values import number

DOCTYPE = "Email Queue"
UNSENT = ("Not Sent", "Partially Sent")
SENDING = "Sending"
WAITING: Filters = [["reference_doctype", "=", "Quotation"], ["status", "in", [*UNSENT, SENDING]]]
FIELDS = ("name", "creation", "modified", "status", "priority", "send_after")
FOR_GOOD = "9999-12-31 23:59:59"
ROWS_ASKED = 200
"""Rows that the gate reads: far more than ever wait in a healthy shop."""


@dataclass(frozen=True)
class Mail:
    """One row of the queue."""

    name: str
    creation: str
    modified: str
    status: str
    priority: float
    send_after: str

    @property
    def is_unsent(self) -> bool:
        """Return whether ERPNext would still send it."""
        return self.status in UNSENT


@dataclass(frozen=True)
class Hold:
    """A mail that is not sent before `until`, unless its row was changed by somebody else since."""

    modified: str
    until: str
    attempts: int
    why: str


@dataclass
class Memory:
    """State that one run leaves for the next run and for the gate."""

    holds: dict[str, Hold] = field(default_factory=dict)
    stuck: list[str] = field(default_factory=list)
    blocked_until: str = ""
    """Until then no run is started: the whole site sends nothing."""
    blocked_why: str = ""
    senders_checked: str = ""
    """The ERP's date on which the last look for other senders was taken."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Memory":
        """Load what `to_json` returned. Values that a newer version added are ignored, so a roll-back works."""
        holds = {name: Hold(**_known(Hold, hold)) for name, hold in data.get("holds", {}).items()}
        return cls(**{**_known(cls, data), "holds": holds})

    def to_json(self) -> dict[str, Any]:
        """Return JSON values to store until the next run."""
        return asdict(self)

    def hold_of(self, mail: Mail, now: datetime) -> Hold | None:
        """Return the hold that applies to this state of the row."""
        hold = self.holds.get(mail.name)
        return hold if hold and hold.modified == mail.modified and as_text(now) < hold.until else None

    def attempts(self, name: str) -> int:
        """Return the number of failed attempts so far."""
        hold = self.holds.get(name)
        return hold.attempts if hold else 0

    def keep_only(self, names: Iterable[str]) -> None:
        """Forget mails that are no longer waiting."""
        kept = set(names)
        self.holds = {name: hold for name, hold in self.holds.items() if name in kept}


def is_due(mail: Mail, memory: Memory, now: datetime) -> bool:
    """Whether it may be sent now. `send_now` itself ignores `send_after`."""
    if not mail.is_unsent or (mail.send_after and mail.send_after > as_text(now)):
        return False
    return memory.hold_of(mail, now) is None


def is_stuck(mail: Mail, minutes: float, now: datetime) -> bool:
    """Return whether it has been "Sending" for so long that its sender must be gone."""
    return mail.status == SENDING and mail.modified < shifted(now, minutes=-minutes)


def read_waiting(erp: ErpNextClient) -> list[Mail]:
    """Return every unsent Quotation mail in sending order: by priority, then oldest first."""
    return sorted((_mail(row) for row in erp.rows(DOCTYPE, FIELDS, filters=WAITING)), key=_turn)


def has_work(erp: ErpNextClient, settings: Settings, memory: Mapping[str, Any]) -> Answer:
    """Return whether a mail is due, or the set of stuck mails changed. One request."""
    order = "priority desc, creation asc, name asc"
    rows = erp.get_list(DOCTYPE, FIELDS, filters=WAITING, order_by=order, limit=ROWS_ASKED)
    mails, known = [_mail(row) for row in rows], Memory.from_json(memory)
    if not mails and not known.stuck:
        return Answer(False, "no Quotation e-mail waits")
    now = erp.clock()
    stuck = {mail.name for mail in mails if is_stuck(mail, settings.quotation_email_stuck_minutes, now)}
    if stuck != set(known.stuck) and len(mails) < ROWS_ASKED:
        return Answer(True)
    # With a full page the rest may hold a due one; the run reads all of them.
    due = len(mails) == ROWS_ASKED or any(is_due(mail, known, now) for mail in mails)
    if due and as_text(now) < known.blocked_until:
        return Answer(False, f"{known.blocked_why}; next try at {known.blocked_until} (the site's clock)")
    return Answer(due, "" if due else f"{len(mails)} Quotation e-mails wait, none of them is due")


def in_turn(mails: Iterable[Mail], memory: Memory) -> list[Mail]:
    """Sort by failed attempts, fewest first, so that a mail that keeps failing delays no other."""
    return sorted(mails, key=lambda mail: memory.attempts(mail.name))


def oldest_seconds(mails: Iterable[Mail], now: datetime) -> float:
    """Return the age of the oldest mail, as far as they say when they were made."""
    return max((seconds_since(mail.creation, now) for mail in mails if is_moment(mail.creation)), default=0.0)


def _known(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in values.items() if name in names}


def _mail(row: Mapping[str, Any]) -> Mail:
    """Return the row with texts where a damaged one may have anything else."""
    values = {name: str(row[name] or "") for name in FIELDS}
    return Mail(**{**values, "priority": number(row["priority"])})


def _turn(mail: Mail) -> tuple[float, str, str]:
    return (-mail.priority, mail.creation, mail.name)
