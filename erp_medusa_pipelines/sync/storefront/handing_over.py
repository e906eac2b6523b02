"""Handing a mail over so that it goes out once, whatever is lost or killed.

Our own memory says "handed over" right before the mail
server gets the last line of a mail, and "sent" after its answer. What was handed over without an answer is looked up
where that can be done, and never sent again where it cannot: a customer who gets no mail is better off than one who
gets two.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from erp_medusa_pipelines.clients.failures import TransientError
from erp_medusa_pipelines.mail.mail import InDoubtError, Mail, NotSentError, RefusedError, Sender
from erp_medusa_pipelines.sync.engine.report import Reject, SyncReport
from erp_medusa_pipelines.sync.storefront.journal import Entry, Journal, State

DOUBT = timedelta(seconds=150)
"""For so long an earlier call may still be at work."""
FAILURES_IN_A_ROW = 3
"""So many mails that do not go out, one after the other, mean the mail server."""


class HandingOver:
    """The mails of one run about documents of `doctype`, by which rejects name them."""

    def __init__(
        self, sender: Sender, journal: Journal, report: SyncReport, doctype: str, now: Callable[[], datetime]
    ) -> None:
        self._sender = sender
        self._journal = journal
        self._report = report
        self._doctype = doctype
        self._now = now
        self._failures = 0

    @property
    def server_is_down(self) -> bool:
        """Return whether the last mails failed, one after the other."""
        return self._failures >= FAILURES_IN_A_ROW

    def hand_over(self, key: str, name: str, mail: Mail) -> bool:
        """Send a mail; returns whether it was taken. `key` is the journal's, `name` the document's."""
        if self.server_is_down:
            self._report.count("postponed")
            return False
        try:
            self._sender.send(mail, lambda: self._journal.write(key, State.HANDED_OVER, self._now()))
        except RefusedError as error:
            self._journal.write(key, State.REFUSED, self._now(), error.reason)
            self._reject(name, f"refused by the mail server: {error.reason}")
        except NotSentError as error:
            self._journal.write(key, State.NOTED, self._now())
            self._failures += 1
            self._report.count("failed")
            self._report.defer(self._doctype, name, TransientError("Mail server", "SMTP", error.reason))
        except InDoubtError as error:
            self._failures += 1
            self._report.count("in_doubt")
            self._reject(name, f"handed over, and no answer came: it may have arrived ({error.reason})")
        else:
            self._journal.write(key, State.SENT, self._now())
            self._failures = 0
            self._report.count("sent")
            return True
        return False

    def may_send(self, key: str, name: str, recipient: str, entry: Entry | None, *, retry_refused: bool) -> bool:
        """Return whether our memory of a mail lets it go out; counts or rejects it where not."""
        if entry is None or entry.state is State.NOTED:
            return True
        if entry.state is State.SENT:
            self._report.count("already")
            return False
        if entry.state is State.REFUSED:
            if not retry_refused:
                why = f"refused by the mail server at {entry.at:%Y-%m-%d %H:%M} UTC: {entry.why}"
                self._reject(name, why, held=True)
            return retry_refused
        return self._is_known_unsent(key, name, recipient, entry)

    def _is_known_unsent(self, key: str, name: str, recipient: str, entry: Entry) -> bool:
        """Find out what became of a mail that an earlier run handed over."""
        if self._now() - entry.at < DOUBT:
            self._report.count("in_doubt")
            return False
        taken = self._sender.was_taken(recipient, entry.at)
        if taken:
            self._journal.write(key, State.SENT, entry.at)
            self._report.count("found_sent")
        elif taken is None:
            at = f"{entry.at:%Y-%m-%d %H:%M} UTC"
            why = f"handed over at {at} and no answer came: it may have arrived, and is not sent a second time"
            self._reject(name, why, held=True)
        return taken is False

    def _reject(self, name: str, why: str, *, held: bool = False) -> None:
        self._report.reject(Reject(self._doctype, name, why, field="" if held else "email", held=held))
