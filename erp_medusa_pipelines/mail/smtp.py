"""Mails straight to a mail server, by the standard library's smtplib.

A mail server takes a mail with the answer
to its last line; before that line it has not got it, and after a connection that was lost then nobody knows.
"""

import smtplib
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from hashlib import blake2b
from urllib.parse import unquote, urlsplit

from erp_medusa_pipelines.mail.mail import InDoubtError, Mail, NotSentError, RefusedError, without_addresses

SECONDS = 30.0
OK = 250


class SmtpSender:
    """Send over one connection, opened when it is needed and opened again after it was lost.

    Args:
        url: smtp://$USER:$PASSWORD@host:587 (with STARTTLS where the server offers it), or smtps:// on port 465.
        sender: address with a name, for From.
        seconds: to wait for each answer.
    """

    def __init__(self, url: str, sender: str, seconds: float = SECONDS) -> None:
        self._url = urlsplit(url)
        self._from = _address(sender)
        self._seconds = seconds
        self._server: smtplib.SMTP | None = None

    def send(self, mail: Mail, handing_over: Callable[[], None]) -> None:
        """Send a mail; returns once the server has taken it. Raises MailError."""
        message = self._message(mail)
        try:
            server = self._connected()
            self._expect(server.mail(self._from.addr_spec), "MAIL")
            self._expect(server.rcpt(mail.recipient), "RCPT")
        except (smtplib.SMTPException, OSError) as error:
            self._drop()
            raise NotSentError(_words(error)) from error
        except (RefusedError, NotSentError):
            self._drop()
            raise
        handing_over()
        try:
            answer = server.data(message)
        except smtplib.SMTPDataError as error:
            # It refused the word DATA itself.
            self._drop()
            raise NotSentError(_words(error)) from error
        except (smtplib.SMTPException, OSError) as error:
            self._drop()
            raise InDoubtError(f"the connection was lost while the mail was handed over: {_words(error)}") from error
        self._expect(answer, "DATA")

    def was_taken(self, recipient: str, since: datetime) -> bool | None:  # noqa: ARG002 - a mail server does not tell
        """Return None: a mail server does not say what it took."""
        return None

    def close(self) -> None:
        """Say goodbye, where there is anybody."""
        if self._server is not None:
            try:
                self._server.quit()
            except (smtplib.SMTPException, OSError):
                self._drop()
            self._server = None

    def _connected(self) -> smtplib.SMTP:
        if self._server is not None:
            return self._server
        host, secure = self._url.hostname or "", self._url.scheme == "smtps"
        context = ssl.create_default_context()
        if secure:
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, self._url.port or 465, timeout=self._seconds, context=context)
        else:
            server = smtplib.SMTP(host, self._url.port or 25, timeout=self._seconds)
        self._server = server
        server.ehlo_or_helo_if_needed()
        if not secure and server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
            secure = True
        if self._url.username:
            # Whoever sits between can take the offer of STARTTLS away and wait for the password.
            if not secure:
                raise NotSentError(
                    "the mail server offers no STARTTLS, so the password of SMTP_URL would cross the network in plain"
                    " text and was not sent: use smtps://, or leave out user and password"
                )
            server.login(unquote(self._url.username), unquote(self._url.password or ""))
        return server

    def _expect(self, answer: tuple[int, bytes], command: str) -> None:
        code, said = answer
        if code in (OK, 251):
            return
        words = f"{code} {without_addresses(said.decode(errors='replace'))} (to {command})"
        self._drop()
        raise (RefusedError if code >= 500 else NotSentError)(words)

    def _drop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def _message(self, mail: Mail) -> bytes:
        """The same mail has the same Message-ID, by which mail programs show it once."""
        message = EmailMessage(policy=SMTP)
        message["From"] = self._from
        message["To"] = mail.recipient
        message["Subject"] = mail.subject
        message["Date"] = format_datetime(datetime.now(UTC))
        same = blake2b(f"{mail.key} {mail.recipient}".encode(), digest_size=12).hexdigest()
        message["Message-ID"] = f"<{same}@{self._from.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        if mail.unsubscribe:
            message["List-Unsubscribe"] = f"<{mail.unsubscribe}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
        return message.as_bytes()


def _address(text: str) -> Address:
    name, address = parseaddr(text)
    return Address(name, addr_spec=address)


def _words(error: Exception) -> str:
    return without_addresses(str(error)) or type(error).__name__
