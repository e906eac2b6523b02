"""Which sets of prices the shop has: a book is one ERPNext Price List as some customers see it.

Medusa asks a price of a list whose rules fit before one of a list without rules, even if it is dearer. So customers of
a group are asked what their own book has, and what it has not, everybody's. Customers with Item Prices for themselves
alone share one book, whose entries have a rule each (own_prices.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from erp_medusa_pipelines.sync.engine.names import folded

OWNER_KEY = "erp_price_list"
"""Metadata key that marks a list as ours; its value is the ERPNext Price List."""
WHOM_KEY = "erp_customers"
"""Metadata key of the customers that a list is for; everybody's lists have none."""

GROUPS_RULE, REGION_RULE = "customer.groups.id", "region_id"
MEMBERS = "customers whose Price List it is"
"""Whom a book is for that all customers with that Price List share."""
OWN = "customers with prices of their own"
"""Whom the book of all Item Prices for one Customer is for. Its Price List is the shop's; each Customer has its own."""

SALE_KEY = "erp_sale"
"""Metadata key of lists with sale prices beside the others."""

Key = tuple[str, str, bool]


@dataclass(frozen=True)
class Owner:
    """A Customer with Item Prices for itself alone: its group in Medusa, its Price List and its Customer Group."""

    customer: str
    group: str
    price_list: str
    customer_group: str


@dataclass(frozen=True)
class Book:
    """A Price List as some customers see it. `whom` is "" for everybody's."""

    price_list: str
    whom: str = ""
    rules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Medusa's rules of its lists: attribute -> values of which one must fit."""
    customer_group: str = ""
    """The Customer Group whose Pricing Rules count; "" where only those for everybody do."""
    owners: Mapping[str, Owner] = field(default_factory=dict)
    """Of the book of OWN: its Customers by folded name."""
    is_sale: bool = False
    """Whether its prices stand beside those of the other book of the same customers, and are lower."""

    @property
    def key(self) -> Key:
        """What tells it apart."""
        return folded(self.price_list), self.whom, self.is_sale

    @property
    def is_own(self) -> bool:
        """Whether its entries are for one Customer each."""
        return self.whom == OWN

    @property
    def sale(self) -> "Book":
        """The book of the sales for the same customers."""
        return replace(self, is_sale=True)

    @property
    def metadata(self) -> dict[str, str]:
        """What marks its lists in Medusa."""
        whom = {WHOM_KEY: self.whom} if self.whom else {}
        return {OWNER_KEY: self.price_list, **whom, **({SALE_KEY: "yes"} if self.is_sale else {})}

    @property
    def body(self) -> dict[str, Any]:
        """What Medusa's lists of this book have in common."""
        rules = {"rules": {attribute: list(values) for attribute, values in self.rules.items()}} if self.rules else {}
        return {"type": "sale" if self.is_sale else "override", **rules}

    def __str__(self) -> str:
        sale = ", sale" if self.is_sale else ""
        return f"{self.price_list}, for {self.whom}{sale}" if self.whom else f"{self.price_list}{sale}"


def key_of(metadata: Mapping[str, Any]) -> Key | None:
    """Return the key of the book that a list of ours was made for, or None if its metadata does not say."""
    owner, whom = metadata.get(OWNER_KEY), metadata.get(WHOM_KEY) or ""
    if not owner or not isinstance(owner, str) or not isinstance(whom, str):
        return None
    return folded(owner), whom, SALE_KEY in metadata
