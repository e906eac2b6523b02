"""Who gets a newsletter: customers with `newsletter_subscribed` in their metadata.

They are read in one pass over all customers. A pass keeps those that it
returns, and eight bytes of each further address: whoever unsubscribed may come after a page with the same address.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from erp_medusa_pipelines.clients.medusa import Row, metadata_of
from erp_medusa_pipelines.clients.medusa_carts import MedusaCarts
from erp_medusa_pipelines.mail.mail import is_address
from erp_medusa_pipelines.sync.engine.report import Reject, SyncReport
from erp_medusa_pipelines.sync.storefront.carts import wants_no_mails

CUSTOMER = "Customer"
SUBSCRIBED, LANGUAGES = "newsletter_subscribed", ("language", "locale")
FIELDS = "id,email,metadata"
YES = frozenset({"true", "1", "yes", "y", "on"})
MOST_CUSTOMERS = 2
"""Customers of one address: Medusa has a guest and an account of it. More differ in capitals alone."""
SPARE = 1000
"""Subscribers kept beyond what is asked for, in place of those whose address another customer unsubscribed."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One address. `key` is what our own memory calls it by, from which nobody can find the address."""

    id: str
    email: str
    locale: str
    key: str


MayGet = Callable[[Sequence[Subscriber]], list[Subscriber]]
"""Of some subscribers those that a mail may go out to."""


class Subscribers:
    """Reads the customers of one Medusa. `secret` keys the digests of addresses."""

    def __init__(self, carts: MedusaCarts, report: SyncReport, secret: str) -> None:
        self._carts = carts
        self._report = report
        self._secret = secret.encode()[:64]
        self._crowds: set[bytes] = set()

    def read(self, may_get: MayGet, most: int) -> tuple[list[Subscriber], int]:
        """Return those that a mail may go out to, by id and at most so many, and how many more there are."""
        customers: Counter[bytes] = Counter()
        unsubscribed: set[bytes] = set()
        waiting: dict[bytes, Subscriber] = {}
        beyond = 0
        for page in self._carts.pages(FIELDS):
            fresh: dict[bytes, Subscriber] = {}
            for row in page:
                address = self._digest(row)
                if address and wants_no_mails([row]):
                    unsubscribed.add(address)
                    self._report.count("unsubscribed", int(is_subscribed(row)))
                elif is_subscribed(row) and self._is_reachable(row):
                    self._report.count("found")
                    customers[address] += 1
                    if customers[address] == 1:
                        fresh[address] = self._subscriber(row, address)
            self._reject_crowds(page, customers)
            left = may_get([one for address, one in fresh.items() if address not in unsubscribed])
            room = most + SPARE - len(waiting)
            waiting.update({bytes.fromhex(one.key): one for one in left[:room]})
            beyond += max(len(left) - room, 0)
        self._count_same(customers)
        self._report.count("unsubscribed", sum(customers[address] > 0 for address in unsubscribed))
        due = [
            one
            for address, one in waiting.items()
            if address not in unsubscribed and customers[address] <= MOST_CUSTOMERS
        ]
        return due[:most], max(len(due) - most, 0) + beyond

    def _digest(self, row: Row) -> bytes:
        email = str(row.get("email") or "").strip().lower()
        return blake2b(email.encode(), digest_size=8, key=self._secret).digest() if email else b""

    def _subscriber(self, row: Row, address: bytes) -> Subscriber:
        return Subscriber(row["id"], str(row["email"]), locale_of(row), address.hex())

    def _is_reachable(self, row: Row) -> bool:
        email = row.get("email")
        if is_address(email):
            return True
        self._report.count("found")
        why = "is no address that a mail can be sent to" if email else "subscribed, and has no address"
        self._reject(row, why)
        return False

    def _reject_crowds(self, page: Sequence[Row], customers: Mapping[bytes, int]) -> None:
        """Reject the customer with whom an address became one that too many share: one line an address."""
        for row in page:
            address = self._digest(row)
            if customers.get(address, 0) > MOST_CUSTOMERS and address not in self._crowds:
                self._crowds.add(address)
                many = f"more than {MOST_CUSTOMERS} customers have this address in other letters"
                self._reject(row, f"{many}: it gets no newsletter until that is put right")

    def _count_same(self, customers: Mapping[bytes, int]) -> None:
        self._report.count("same_address", sum(number - 1 for number in customers.values() if number > 1))

    def _reject(self, row: Row, why: str) -> None:
        self._report.reject(Reject(CUSTOMER, row["id"], why, field="email"))


def is_subscribed(customer: Row) -> bool:
    """Return whether a customer wants newsletters: true, 1, or a word for it in whatever letters."""
    value = metadata_of(customer).get(SUBSCRIBED)
    return value is True or (
        isinstance(value, str | int | float) and str(value).removesuffix(".0").strip().lower() in YES
    )


def locale_of(customer: Row) -> str:
    """Return the language that a customer reads, such as ar-OM; "" where none is known."""
    known: Mapping[str, Any] = metadata_of(customer)
    return next((value for name in LANGUAGES if isinstance(value := known.get(name), str) and value), "")
