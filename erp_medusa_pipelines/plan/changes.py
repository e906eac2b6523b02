"""What a run changes on the servers, or would change, one row per document or mail."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any, Literal

from erp_medusa_pipelines.mail.mail import Mail

System = Literal["ERPNext", "Medusa", "Mail"]
Action = Literal["create", "update", "delete", "send", "refuse"]

PLANNED = "planned_"


@dataclass(frozen=True)
class Change:
    """One document of one server and the values that it gets.

    `key` is its id or name on that server, `name` its display name, `before` its known old values.
    """

    system: System
    action: Action
    kind: str
    key: str
    values: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)


class ChangeLog:
    """Collect changes in order. Thread-safe.

    With `keep`, changes are passed to it in groups of `most` and dropped here.
    """

    def __init__(self, keep: Callable[[list[Change]], None] | None = None, most: int = 500) -> None:
        self.changes: list[Change] = []
        self._keep = keep
        self._most = most
        self._numbers = count(1)
        self._lock = threading.Lock()

    def add(self, *changes: Change) -> None:
        """Note changes down."""
        with self._lock:
            self.changes += changes
            full = self._keep is not None and len(self.changes) >= self._most
        if full:
            self.flush()

    def flush(self) -> None:
        """Pass the remaining changes to `keep`."""
        with self._lock:
            if self._keep is None:
                return
            changes, self.changes = self.changes, []
        if changes:
            self._keep(changes)

    def new_id(self, prefix: str) -> str:
        """Return an id, which no server would give, for a document that would be created."""
        with self._lock:
            return f"{PLANNED}{prefix}_{next(self._numbers)}"


def is_planned(identifier: str) -> bool:
    """Return whether an id belongs to a document that would be created."""
    return identifier.startswith(PLANNED)


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
