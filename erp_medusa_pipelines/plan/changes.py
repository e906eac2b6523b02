"""What a run changes on the servers, or would change, one row per document or mail, and what it knows of these."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any, Literal

from erp_medusa_pipelines.clients.medusa import PriceEntry
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


Row = Mapping[str, Any]


@dataclass
class Known:
    """Learns from every row that is read. Names: external_id of products, sku of variants and inventory items."""

    names: dict[str, str] = field(default_factory=dict)
    entries: dict[str, PriceEntry] = field(default_factory=dict)
    """Not from rows: a batch may read hundreds of thousands, so a run tells those that it will change."""
    levels: dict[tuple[str, str], float] = field(default_factory=dict)
    translations: dict[str, Row] = field(default_factory=dict)

    def name(self, identifier: str) -> str:
        """Return the document's display name, or its id if no name was read."""
        return self.names.get(identifier) or identifier

    def place(self, location: str) -> str:
        """Return a stock location as text: its name, which need not be unique, and its id."""
        name = self.names.get(location)
        return f"{name} ({location})" if name else location

    def learn(self, plural: str, row: Row) -> None:
        """Remember name and values from a row of a list route."""
        identifier = row.get("id")
        if not isinstance(identifier, str):
            return
        if plural == "translations":
            self.translations[identifier] = row
        if name := _name_of(plural, row):
            self.names[identifier] = name
        for variant in row.get("variants") or () if plural == "products" else ():
            if variant.get("sku"):
                self.names[variant["id"]] = variant["sku"]
        if plural == "products":
            self._learn_options(row)
        for level in row.get("location_levels") or () if plural == "inventory_items" else ():
            self.levels[identifier, level["location_id"]] = level["stocked_quantity"]

    def _learn_options(self, product: Row) -> None:
        """Remember the names of options and values; what is sent of a new product has no ids of them yet."""
        for option in product.get("options") or ():
            if "id" in option:
                named = [
                    (option["id"], option.get("title")),
                    *((one.get("id"), one.get("value")) for one in option.get("values") or ()),
                ]
                self.names |= {key: text for key, text in named if key and text}


def window_of(price_list: Row) -> str:
    """Return the window of one of our lists, from its metadata, e.g. "2025-01-01 to 2025-02-28"."""
    metadata = price_list.get("metadata") or {}
    start, end = metadata.get("valid_from") or "", metadata.get("valid_upto") or ""
    return f"{start} to {end}".strip() if start or end else "always"


def named_list(price_list: Row) -> str:
    """Return what tells one of our lists from others of an item: its window, and whose it is, if not everybody's."""
    metadata = price_list.get("metadata") or {}
    whose = f"{metadata.get('erp_price_list')}, " if metadata.get("erp_customers") else ""
    return f"{whose}{window_of(price_list)}"


def _name_of(plural: str, row: Row) -> str | None:
    if plural == "price_lists":
        return named_list(row) if "metadata" in row else None
    return row.get("external_id") or row.get("sku") or row.get("title") or row.get("name")
