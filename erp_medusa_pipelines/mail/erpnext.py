"""Mails through ERPNext, so that they are in its Email Queue beside the others.

The queue sends a mail as any other; where Frappe's own job for that is off, it is asked to send this one.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from erp_medusa_pipelines.clients.erpnext import SEND_NOW, ErpNextClient
from erp_medusa_pipelines.clients.failures import AccessError, PermanentError, TransientError
from erp_medusa_pipelines.mail.mail import InDoubtError, Mail, NotSentError, RefusedError

MAKE = "frappe.core.doctype.communication.email.make"
QUEUE = "Email Queue"
CLOCKS_DIFFER = timedelta(minutes=5)


class ErpNextSender:
    """Send as the pipelines' own user. `sender` is the From address; without one, the site's default account's."""

    def __init__(self, erp: ErpNextClient, sender: str = "") -> None:
        self._erp = erp
        self._sender = sender
        self._flushes: bool | None = None

    def send(self, mail: Mail, handing_over: Callable[[], None]) -> None:
        """Put a mail into the Email Queue. Raises MailError."""
        flushes = self._frappe_flushes()
        body = {"recipients": mail.recipient, "subject": mail.subject, "content": mail.html, "send_email": 1}
        handing_over()
        try:
            made = self._erp.call(MAKE, {**body, **({"sender": self._sender} if self._sender else {})})
        except AccessError:
            raise
        except PermanentError as error:
            raise RefusedError(error.reason) from error
        except TransientError as error:
            raise (InDoubtError if error.ambiguous else NotSentError)(error.reason) from error
        if not flushes and isinstance(made, dict):
            self._send_now(str(made.get("name") or ""))

    def was_taken(self, recipient: str, since: datetime) -> bool | None:
        """Return whether this user put a mail to the address into the queue since (UTC), by a clock that may differ."""
        local = (since - CLOCKS_DIFFER).astimezone(self._erp.time_zone).strftime("%Y-%m-%d %H:%M:%S")
        mine = [["owner", "=", self._erp.user()], ["creation", ">=", local]]
        to = ["Email Queue Recipient", "recipient", "=", recipient]
        return bool(self._erp.get_list(QUEUE, ["name"], filters=[*mine, to], limit=1))

    def close(self) -> None:
        """Do nothing: the client belongs to the run."""

    def _send_now(self, communication: str) -> None:
        """Ask for it to be sent. It is in the queue in either case, so trouble here is the queue's."""
        try:
            for row in self._erp.get_list(QUEUE, ["name"], filters=[["communication", "=", communication]]):
                self._erp.call(SEND_NOW, {"name": row["name"]})
        except (PermanentError, TransientError):
            return

    def _frappe_flushes(self) -> bool:
        """Return whether Frappe's scheduler sends what waits. Where nobody may look: it does."""
        if self._flushes is None:
            try:
                self._flushes = bool(self._erp.mail_flushers())
            except PermanentError:
                self._flushes = True
            except TransientError as error:
                raise NotSentError(error.reason) from error
        return self._flushes
