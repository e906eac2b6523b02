"""A sender that sends nothing, and notes which mails a run would send."""

from collections.abc import Callable
from datetime import datetime

from erp_medusa_pipelines.mail.mail import Mail
from erp_medusa_pipelines.plan.changes import Change, ChangeLog


class PlannedSender:
    """Note each mail by what it is about, never by whom it goes to."""

    def __init__(self, log: ChangeLog) -> None:
        self._log = log

    def send(self, mail: Mail, handing_over: Callable[[], None]) -> None:  # noqa: ARG002 - nothing is handed over
        """Note a mail."""
        self._log.add(Change("Mail", "send", "mail", mail.key, {"subject": mail.subject}, mail.key))

    def was_taken(self, recipient: str, since: datetime) -> bool | None:  # noqa: ARG002 - a plan asks nobody
        """Return None: what is in doubt stays in doubt."""
        return None

    def close(self) -> None:
        """Do nothing."""
