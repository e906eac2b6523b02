"""A cart as Medusa's answers have it: who left it, since when, what it is worth, and which mails went out about it.

`updated_at` of a cart moves when its metadata is changed and not when a line is added, so
what counts is the newest of the cart and its lines, without our own note.

The note of a mail is a key of the cart's metadata for each installation of the pipelines, so that two of them never
overwrite each other's: "2026-11-30T09:00:00Z, untouched since 2026-11-28T10:00:00.000Z".
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any

from erp_medusa_pipelines.clients.medusa import Row, metadata_of

NOTE = "abandoned_mail_"
UNSUBSCRIBED = "mails_unsubscribed"
OWN_TOUCH = timedelta(minutes=2)
"""Between our note's time and the `updated_at` that it caused."""

_NOTED = re.compile(r"(\S+), untouched since (\S+)")
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Note:
    """That a mail about this cart was due to go out, by an installation of the pipelines."""

    installation: str
    at: datetime
    seen: datetime
    """When somebody had last touched the cart."""

    @classmethod
    def of(cls, key: str, value: Any) -> "Note":
        """Read one. People can edit metadata: what cannot be read still means that there was a mail."""
        found = _NOTED.fullmatch(str(value))
        at, seen = (moment(found[1]), moment(found[2])) if found else (None, None)
        return cls(key.removeprefix(NOTE), at or NEVER, seen or NEVER)

    @property
    def value(self) -> str:
        """As it stands in the metadata."""
        return f"{_text(self.at)}, untouched since {_text(self.seen)}"


@dataclass(frozen=True)
class Cart:
    """One cart of one customer."""

    row: Row
    customer: Row

    @property
    def id(self) -> str:
        """Medusa's id."""
        return self.row["id"]

    @property
    def email(self) -> str:
        """Address to write to: the cart's, or its customer's."""
        return str(self.row.get("email") or self.customer.get("email") or "")

    @property
    def owner(self) -> str:
        """Address by which its customer is known, which a guest and an account may share."""
        return str(self.customer.get("email") or "").lower()

    @property
    def lines(self) -> list[Row]:
        """Lines of the cart."""
        return self.row.get("items") or []

    @property
    def currency(self) -> str:
        """Currency code in small letters."""
        return str(self.row.get("currency_code") or "").lower()

    @cached_property
    def total(self) -> Decimal:
        """Quantities times prices, without taxes and discounts."""
        return sum((line_total(line) for line in self.lines), Decimal(0))

    @property
    def completed(self) -> datetime | None:
        """When it became an order."""
        return moment(self.row.get("completed_at"))

    @cached_property
    def notes(self) -> list[Note]:
        """Notes of mails, of any installation."""
        return [Note.of(key, value) for key, value in metadata_of(self.row).items() if key.startswith(NOTE) and value]

    @cached_property
    def touched(self) -> datetime:
        """When somebody last touched it, but for our own notes."""
        updated = moment(self.row.get("updated_at")) or NEVER
        for note in self.notes:
            if abs(updated - note.at) <= OWN_TOUCH:
                updated = note.seen
        return max([updated, *(moment(line.get("updated_at")) or NEVER for line in self.lines)])


def carts_of(customers: Iterable[Row]) -> list[Cart]:
    """Return the carts of customers."""
    return [Cart(row, customer) for customer in customers for row in customer.get("carts") or () if row]


def line_total(line: Mapping[str, Any]) -> Decimal:
    """Return what a line costs; 0 where its numbers are damaged."""
    try:
        return Decimal(str(line.get("unit_price") or 0)) * Decimal(str(line.get("quantity") or 0))
    except InvalidOperation:
        return Decimal(0)


def ordered_since(customers: Iterable[Row], since: datetime) -> bool:
    """Return whether one of these customers, who share an address, ordered anything since."""
    orders = (order for customer in customers for order in customer.get("orders") or () if order)
    return any((moment(order.get("created_at")) or NEVER) > since for order in orders)


def wants_no_mails(customers: Iterable[Row]) -> bool:
    """Return whether the address was unsubscribed, as whichever customer."""
    return any(bool(metadata_of(customer).get(UNSUBSCRIBED)) for customer in customers)


def moment(text: Any) -> datetime | None:
    """Read a time of Medusa's (UTC); None where there is none."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)


def _text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
