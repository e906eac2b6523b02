"""The Email Queue as the sender sees it: which Quotation mails wait, which are due, which have to be left alone.

Belongs here: reading rows, the rules of who is due, and what must be remembered between runs so that no mail goes out
twice. Does not belong here: sending (quotation_emails.py).

Frappe dials the mail server before it marks a row "Sending", and takes up to two minutes for that. So a row that still
says "Not Sent" after a call without an answer may be on its way: until that call must have ended the row is held.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from erp_medusa_pipelines.clients.erpnext import ErpNextClient, Filters
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.sync.engine.erp_time import as_text, seconds_since, shifted
from erp_medusa_pipelines.sync.engine.gate import Answer

DOCTYPE = "Email Queue"
UNSENT = ("Not Sent", "Partially Sent")
SENDING = "Sending"
WAITING: Filters = [["reference_doctype", "=", "Quotation"], ["status", "in", [*UNSENT, SENDING]]]
FIELDS = ("name", "creation", "modified", "status", "priority", "send_after")
FOR_GOOD = "9999-12-31 23:59:59"
ROWS_ASKED = 200
"""Rows that the gate looks at: far more than ever wait in a healthy shop."""


@dataclass(frozen=True)
class Mail:
    """One row of the queue."""

    name: str
    creation: str
    modified: str
    status: str
    priority: int
    send_after: str | None

    @property
    def is_unsent(self) -> bool:
        """Whether ERPNext would still send it."""
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
    """What one run leaves to the next one and to the gate."""

    holds: dict[str, Hold] = field(default_factory=dict)
    stuck: list[str] = field(default_factory=list)
    blocked_until: str = ""
    """Until then no run is started: the whole site sends nothing."""
    blocked_why: str = ""
    senders_checked: str = ""
    """The ERP's date on which the last look for other senders was taken."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Memory":
        """The counterpart of `to_json`. What a newer version added is left out, so that a roll-back can go on."""
        holds = {name: Hold(**_known(Hold, hold)) for name, hold in data.get("holds", {}).items()}
        return cls(**{**_known(cls, data), "holds": holds})

    def to_json(self) -> dict[str, Any]:
        """JSON values to be kept until the next run."""
        return asdict(self)

    def hold_of(self, mail: Mail, now: datetime) -> Hold | None:
        """The hold in force for this state of the row."""
        hold = self.holds.get(mail.name)
        return hold if hold and hold.modified == mail.modified and as_text(now) < hold.until else None

    def attempts(self, name: str) -> int:
        """Tries so far that failed."""
        hold = self.holds.get(name)
        return hold.attempts if hold else 0

    def keep_only(self, names: Iterable[str]) -> None:
        """Forget mails that wait no longer."""
        kept = set(names)
        self.holds = {name: hold for name, hold in self.holds.items() if name in kept}


def is_due(mail: Mail, memory: Memory, now: datetime) -> bool:
    """Whether it may be sent now. `send_now` itself ignores `send_after`."""
    if not mail.is_unsent or (mail.send_after and mail.send_after > as_text(now)):
        return False
    return memory.hold_of(mail, now) is None


def is_stuck(mail: Mail, minutes: float, now: datetime) -> bool:
    """Whether it has been "Sending" for so long that nobody is sending it any more."""
    return mail.status == SENDING and mail.modified < shifted(now, minutes=-minutes)


def read_waiting(erp: ErpNextClient) -> list[Mail]:
    """Every Quotation mail that is not through, in the order of sending: by priority, then oldest first."""
    return sorted((_mail(row) for row in erp.rows(DOCTYPE, FIELDS, filters=WAITING)), key=_turn)


def has_work(erp: ErpNextClient, settings: Settings, memory: Mapping[str, Any]) -> Answer:
    """Whether a mail is due, or a stuck one has come or gone. One request."""
    order = "priority desc, creation asc, name asc"
    rows = erp.get_list(DOCTYPE, FIELDS, filters=WAITING, order_by=order, limit=ROWS_ASKED)
    mails, known = [_mail(row) for row in rows], Memory.from_json(memory)
    if not mails and not known.stuck:
        return Answer(False, "no Quotation e-mail waits")
    now = erp.clock()
    stuck = {mail.name for mail in mails if is_stuck(mail, settings.quotation_email_stuck_minutes, now)}
    if stuck != set(known.stuck) and len(mails) < ROWS_ASKED:
        return Answer(True)
    # With a full page the rest may hold a due one; the run looks at all of them.
    due = len(mails) == ROWS_ASKED or any(is_due(mail, known, now) for mail in mails)
    if due and as_text(now) < known.blocked_until:
        return Answer(False, f"{known.blocked_why}; tried again at {known.blocked_until} of the site's clock")
    return Answer(due, "" if due else f"{len(mails)} Quotation e-mails wait, none of them is due")


def in_turn(mails: Iterable[Mail], memory: Memory) -> list[Mail]:
    """Those with the fewest failed attempts first: a mail that is refused again and again holds up no other."""
    return sorted(mails, key=lambda mail: memory.attempts(mail.name))


def oldest_seconds(mails: Iterable[Mail], now: datetime) -> float:
    """Age of the oldest mail."""
    return max((seconds_since(mail.creation, now) for mail in mails), default=0.0)


def _known(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in values.items() if name in names}


def _mail(row: Mapping[str, Any]) -> Mail:
    values = {name: row[name] for name in FIELDS}
    return Mail(**{**values, "priority": row["priority"] or 0})


def _turn(mail: Mail) -> tuple[int, str, str]:
    return (-mail.priority, mail.creation, mail.name)
