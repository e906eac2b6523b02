"""A mail server for tests and measurements: real SMTP on a loopback port. What arrives here was really sent.

Accepting, refusing, delaying and recording mails.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

LOOPBACK = "127.0.0.1"


@dataclass
class MailSink:
    """`refuse` holds recipients that are refused; `answer` replaces the OK to a whole message."""

    refuse: set[str] = field(default_factory=set)
    answer: str = "250 OK"
    port: int = 0
    messages: list[bytes] = field(default_factory=list)
    """Raw text of each message that was taken."""
    recipients: list[str] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    """Unix time of each message that was taken."""
    gate: threading.Event = field(default_factory=threading.Event)
    """While it is clear, a message is kept waiting for its OK."""
    together: int = 1
    """This many senders wait for each other when they greet and before each mail, so that they overlap for sure."""

    def __post_init__(self) -> None:
        self.gate.set()
        self._meeting = threading.Barrier(self.together)

    @property
    def times_received(self) -> Counter[str]:
        """Return how many messages each recipient got."""
        return Counter(self.recipients)

    async def handle_EHLO(  # noqa: N802 - aiosmtpd calls it
        self, server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Greet once enough senders are here: each has read by then that its mail is not sent."""
        await server.loop.run_in_executor(None, self._meeting.wait, 30)
        session.host_name = hostname
        return responses

    async def handle_MAIL(  # noqa: N802 - aiosmtpd calls it
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take the sender's address once enough senders have given theirs: each has read its recipients by then."""
        await server.loop.run_in_executor(None, self._meeting.wait, 30)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Accept or refuse a recipient."""
        if address in self.refuse:
            return f"550 5.1.1 <{address}> unknown here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd calls it
        """Accept a message once the gate is open."""
        await server.loop.run_in_executor(None, self.gate.wait, 30)
        if not self.answer.startswith("250"):
            return self.answer
        content: Any = envelope.content
        self.messages.append(content)
        self.recipients += envelope.rcpt_tos
        self.subjects.append(str(message_from_bytes(content)["Subject"]))
        self.times.append(time.time())
        return self.answer


class _AnyPort(Controller):
    """Listen on a port that the system picks, and remember it."""

    def _trigger_server(self) -> None:
        server: Any = self.server
        self.port = server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def mail_sink(together: int = 1) -> Iterator[MailSink]:
    """Serve a sink on a free loopback port."""
    sink = MailSink(together=together)
    controller = _AnyPort(sink, hostname=LOOPBACK, port=0)
    controller.start()
    try:
        sink.port = controller.port
        yield sink
    finally:
        sink.gate.set()
        controller.stop(no_assert=True)
