"""A mail that is ready to go, how it may end, and what a sender has to do."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

_ADDRESS = re.compile(r"[^\s@<>(),:;\"\\\[\]]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,63}")
LONGEST_ADDRESS = 254


@dataclass(frozen=True)
class Mail:
    """One mail to one person. `key` is what it is about, such as a cart's id: there is one mail for each."""

    key: str
    recipient: str
    subject: str
    text: str
    html: str
    unsubscribe: str = ""
    """Address that ends all mails with one POST (RFC 8058)."""


class MailError(Exception):
    """A mail did not go out, or nobody knows whether it did; `reason` says why, without the recipient's address."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RefusedError(MailError):
    """The mail server refused this one mail, and would again."""


class NotSentError(MailError):
    """It surely did not go out; another try may."""


class InDoubtError(MailError):
    """It was handed over and no answer came: it may have gone out."""


class Sender(Protocol):
    """A way to send. Two mails are never sent at once."""

    def send(self, mail: Mail, handing_over: Callable[[], None]) -> None:
        """Send a mail; returns once it was taken. Raises MailError.

        `handing_over` is called right before the moment from which on it may have gone out, whatever happens then.
        """
        ...

    def was_taken(self, recipient: str, since: datetime) -> bool | None:
        """Return whether a mail to this address was taken since (UTC); None where that cannot be found out."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...


def is_address(text: object) -> bool:
    """Return whether a text is an e-mail address that every mail server takes: ASCII, with a domain."""
    return isinstance(text, str) and text.isascii() and len(text) <= LONGEST_ADDRESS and bool(_ADDRESS.fullmatch(text))


def without_addresses(text: str) -> str:
    """Hide e-mail addresses in a mail server's words, and keep them to one line."""
    return re.sub(r"[^\s@<>]+@[^\s@<>]+", "<address>", " ".join(text.split()))
