"""Who gets alerts: the addresses of ALERT_URLS, one by one, and the ERP's Error Log."""

import hashlib
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from erp_medusa_pipelines.clients.failures import ApiError
from erp_medusa_pipelines.connections import open_shop
from erp_medusa_pipelines.orchestration.sensors.problems.problem import Kind, Message
from erp_medusa_pipelines.settings import Settings, SettingsError

ERROR_LOG = "error_log"
ANSWER_SECONDS = 30.0
"""Seconds for one reply of a receiver, where its address does not say otherwise. Apprise's own 4 s are few for a mail
server that looks its sender up."""

REACH_SECONDS = 5.0


class DeliveryError(Exception):
    """A receiver did not take a message."""


@dataclass(frozen=True)
class Address:
    """One address of ALERT_URLS; `target` is Apprise's object for it, or None where Apprise does not know its kind."""

    key: str
    name: str
    target: Any

    def wants(self, _kind: Kind) -> bool:
        """Return whether it receives this kind: all of them."""
        return True

    def send(self, message: Message) -> None:
        """Deliver through Apprise. Raises DeliveryError."""
        if self.target is None:
            raise DeliveryError(_UNKNOWN)
        # The names of Apprise's types are our kinds.
        if not self.target.notify(title=message.title, body=message.body, notify_type=message.kind):
            raise DeliveryError("it did not accept the message: is the address right, and does it answer?")

    def unreachable(self) -> str:
        """Return why its host cannot be reached, where the address names one; "" if nothing speaks against it."""
        if self.target is None:
            return _UNKNOWN
        host = getattr(self.target, "smtp_host", None) or getattr(self.target, "host", None)
        if not host or not str(self.target.url()).startswith(_OWN_HOST):
            return ""
        port = getattr(self.target, "port", None) or (443 if getattr(self.target, "secure", True) else 80)
        try:
            socket.create_connection((host, port), REACH_SECONDS).close()
        except OSError as error:
            return f"{host}:{port} cannot be reached: {error.strerror or error}"
        return ""


_UNKNOWN = "Apprise does not support this kind of address: see its list of services"
_OWN_HOST = ("mailto", "json", "xml", "form", "gotify", "ntfy", "mmost", "matrix", "rocket")
"""Kinds of addresses whose host is the operator's own; with others it may be a name inside a service."""


@dataclass(frozen=True)
class ErrorLog:
    """ERPNext's Error Log, where desk users look. It hears of failures only."""

    settings: Settings
    key: str = ERROR_LOG
    name: str = "ERPNext's Error Log"

    def wants(self, kind: Kind) -> bool:
        """Return whether it receives this kind: failures only."""
        return kind == "failure"

    def send(self, message: Message) -> None:
        """Write one row. Raises DeliveryError."""
        try:
            with open_shop(self.settings) as shop:
                shop.erp.insert("Error Log", {"method": message.title[:140], "error": message.body})
        except (ApiError, SettingsError) as error:
            raise DeliveryError(str(error)) from error

    def unreachable(self) -> str:
        """Nothing of its own: the doctor examines ERPNext anyway."""
        return ""


Receiver = Address | ErrorLog
"""An address may hold secrets: nothing but `key`, which is the same for the same one, and `name` is stored or shown."""


def receivers(settings: Settings) -> list[Receiver]:
    """Return everybody who gets alerts. An address that cannot be used is among them, and says so when it is used."""
    log = [ErrorLog(settings)] if settings.error_log_in_erp else []
    return [*_addresses(settings), *log]


def _addresses(settings: Settings) -> Iterable[Address]:
    if not settings.alert_urls:
        return
    # Imported late: it loads slowly, and only alerts need it.
    import apprise
    from apprise.utils.parse import parse_urls

    texts = list(dict.fromkeys(parse_urls(settings.alert_urls.get_secret_value())))
    for number, text in enumerate(texts, 1):
        target = apprise.Apprise.instantiate(text)
        # Of the whole address, so that two accounts of one service are two receivers.
        whole = target.url(privacy=False) if target else text
        key = hashlib.sha256(whole.encode()).hexdigest()[:12]
        for name in ("socket_connect_timeout", "socket_read_timeout"):
            if target and not any(mark in text for mark in ("cto=", "rto=")):
                setattr(target, name, ANSWER_SECONDS)
        yield Address(key, f"receiver {number} of {len(texts)} in ALERT_URLS", target)
