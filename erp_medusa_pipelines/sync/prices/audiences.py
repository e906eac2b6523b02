"""Which customers have prices of their own, by ERPNext's rule: Customer Groups and Customers with a Price List.

A Customer's prices are those of its own default_price_list, else of its Customer Group's - the group itself, none above
it -, else of the shop's Price List. Item Prices of that list that name the Customer come before all others. Addresses
are never written into a report or a log.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.sync.engine.gate import Answer
from erp_medusa_pipelines.sync.engine.names import ByName, folded, same_name
from erp_medusa_pipelines.sync.prices.books import OWNER_KEY

CUSTOMER, CUSTOMER_GROUP, ITEM_PRICE = "Customer", "Customer Group", "Item Price"
GROUP_KEY = "erp_customer_group"
"""Metadata key that marks a group of Medusa as ours; its value is the ERPNext Customer Group."""
CUSTOMER_KEY = "erp_customer"
"""The same of a group for one Customer; its value is the ERPNext Customer."""

CUSTOMERS_READ_AT_ONCE = 400
LIVING = ["disabled", "=", 0]
FOR_ONE_CUSTOMER = [["customer", "is", "set"], ["selling", "=", 1], ["batch_no", "is", "not set"]]
"""Item Prices that only one Customer is asked."""

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Audience:
    """The customers of one Customer Group who have the same Price List, which is not the shop's."""

    price_list: str
    customer_group: str
    is_of_group: bool = True
    """False for customers who have the list themselves, and not by their group."""
    is_ruled: bool = False
    """Whether Pricing Rules are for the group, or for one above."""
    customer: str = ""
    """The one Customer of it, who has Item Prices of its own; "" for an audience of many."""
    is_leaving: bool = False
    """Whether the Customer has none any more, and Medusa still has some: they go first, then its group."""

    @property
    def key(self) -> Key:
        """What tells it apart: a Customer Group's own stays the same whatever list the group has, as a Customer's."""
        if self.customer:
            return "", "", folded(self.customer)
        return "" if self.is_of_group else folded(self.price_list), folded(self.customer_group), ""

    @property
    def document(self) -> tuple[str, str]:
        """The DocType and the name of what it is of."""
        return (CUSTOMER, self.customer) if self.customer else (CUSTOMER_GROUP, self.customer_group)

    @property
    def metadata(self) -> dict[str, str]:
        """What marks its group in Medusa."""
        if self.customer:
            return {CUSTOMER_KEY: self.customer}
        of_list = {} if self.is_of_group else {OWNER_KEY: self.price_list}
        return {**of_list, GROUP_KEY: self.customer_group}

    @property
    def title(self) -> str:
        """The name of its group in Medusa, where names are unique."""
        if self.customer:
            return f"{CUSTOMER} {self.customer}"
        return self.customer_group if self.is_of_group else f"{self.customer_group}, {self.price_list}"


@dataclass(frozen=True, slots=True)
class Member:
    """A Customer, its addresses in small letters, and which audiences it is of."""

    customer: str
    addresses: frozenset[str]
    audience: Audience | None = None
    """That of its Price List, if it is not the shop's."""
    own: Audience | None = None
    """Its own, where it has Item Prices for itself alone."""


@dataclass(frozen=True, slots=True)
class UnusableList:
    """A Price List that customers have and whose prices the shop cannot show."""

    audience: Audience
    reason: str


def has_work(_erp: ErpNextClient, settings: Settings, _memory: Mapping[str, Any]) -> Answer:
    """Return whether the shop has groups at all. No request: who logged in since is known to Medusa alone."""
    return Answer(settings.price_groups, "PRICE_GROUPS is off")


class Audiences:
    """The audiences of one site. `price_list` is the shop's: who has it is no audience, unless rules are for his group.

    `ruled` are folded names of Customer Groups that Pricing Rules are for. `own_prices`: Customers with Item Prices for
    themselves alone are audiences too. `still_asked` returns further Customers of whom Medusa has own prices, besides
    those with these folded names.
    """

    def __init__(
        self,
        erp: ErpNextClient,
        price_list: str,
        ruled: Collection[str] = (),
        *,
        own_prices: bool = False,
        still_asked: Callable[[Collection[str]], Collection[str]] = lambda _names: (),
    ) -> None:
        self._price_list = price_list
        fields = ["name", "parent_customer_group", "default_price_list"]
        rows = list(erp.rows(CUSTOMER_GROUP, fields))
        has_list = [["default_price_list", "is", "set"]]
        self._lists = ByName((row["name"], row["default_price_list"]) for row in rows if row["default_price_list"])
        parents = {folded(row["name"]): folded(row["parent_customer_group"] or "") for row in rows}
        above = {row["name"]: _above(folded(row["name"]), parents) for row in rows}
        self._ruled = frozenset(folded(name) for name, some in above.items() if some & {*ruled})
        self.above = {folded(name): some for name, some in above.items() if folded(name) in self._ruled}
        """Of each group that rules are for: folded names of itself and of all above."""
        self._groups = [row["name"] for row in rows if row["default_price_list"] or folded(row["name"]) in self._ruled]
        pairs = erp.get_list(
            CUSTOMER,
            ["customer_group", "default_price_list"],
            filters=[LIVING, *has_list],
            group_by="customer_group, default_price_list",
            order_by="customer_group asc, default_price_list asc",
        )
        named = [(self._lists.find(group) or "", group) for group in self._groups]
        named += [(row["default_price_list"], row["customer_group"] or "") for row in pairs]
        found = {each.key: each for each in (self._audience(*one) for one in named) if each}
        self.unusable = _unusable(erp, found.values())
        refused = {one.audience.key for one in self.unusable}
        self.all = [each for key, each in found.items() if key not in refused]
        """Every audience whose prices can be shown, without `own`."""
        self.unasked: list[tuple[str, str, str]] = []
        """Customer, Price List of Item Prices for it alone, and the Price List that it has instead."""
        self.own = list(self._own(erp, still_asked)) if own_prices else []
        """Those of one Customer each."""

    def _own(self, erp: ErpNextClient, still_asked: Callable[[Collection[str]], Collection[str]]) -> Iterator[Audience]:
        pairs = erp.get_list(
            ITEM_PRICE,
            ["customer", "price_list"],
            filters=FOR_ONE_CUSTOMER,
            group_by="customer, price_list",
            order_by="customer asc, price_list asc",
        )
        lists: dict[str, dict[str, str]] = {}
        for row in pairs:
            lists.setdefault(folded(row["customer"]), {})[folded(row["price_list"])] = row["price_list"]
        leaving = {folded(name): name for name in still_asked(lists.keys())}
        names = sorted({*(row["customer"] for row in pairs), *leaving.values()})
        fields = ["name", "customer_group", "default_price_list"]
        for row in erp.rows_in(CUSTOMER, fields, names, filters=[LIVING]):
            group, priced = row["customer_group"] or "", lists.get(folded(row["name"]), {})
            asked = row["default_price_list"] or self._lists.find(group) or self._price_list
            self.unasked += [(row["name"], name, asked) for key, name in priced.items() if key != folded(asked)]
            is_leaving = folded(row["name"]) in leaving
            if folded(asked) in priced or is_leaving:
                is_ruled = folded(group) in self._ruled
                yield Audience(asked, group, is_ruled=is_ruled, customer=row["name"], is_leaving=is_leaving)

    def _audience(self, price_list: str, customer_group: str) -> Audience | None:
        price_list, is_ruled = price_list or self._price_list, folded(customer_group) in self._ruled
        if same_name(price_list, self._price_list) and not is_ruled:
            return None
        of_group = self._lists.find(customer_group) or self._price_list
        return Audience(price_list, customer_group, same_name(of_group, price_list), is_ruled)

    def members(self, erp: ErpNextClient) -> Iterator[Member]:
        """Yield the Customers of the audiences, those without an address too.

        Where some have Item Prices of their own, all others come as well: who shares an address with one is to be seen.
        """
        known = {each.key for each in self.all}
        own = ByName((each.customer, each) for each in self.own)
        if not known and not self.own:
            return
        of_lists = [["default_price_list", "is", "set"], ["customer_group", "in", self._groups]]
        fields = ["name", "customer_group", "default_price_list", "email_id"]
        rows = erp.rows(CUSTOMER, fields, filters=[LIVING], or_filters=() if self.own else of_lists)
        for some in batched(rows, CUSTOMERS_READ_AT_ONCE):
            chosen: list[tuple[Mapping[str, Any], Audience | None]] = []
            for row in some:
                its_list = row["default_price_list"] or self._lists.find(row["customer_group"] or "") or ""
                audience = self._audience(its_list, row["customer_group"] or "")
                audience = audience if audience and audience.key in known else None
                if audience or self.own:
                    chosen.append((row, audience))
            addresses = _addresses(erp, [row for row, _ in chosen]) if chosen else {}
            for row, audience in chosen:
                yield Member(row["name"], addresses[row["name"]], audience, own.find(row["name"]))


def _above(name: str, parents: Mapping[str, str]) -> frozenset[str]:
    """Return a folded name and all above it; a tree with a circle ends where it began."""
    found: list[str] = []
    while name and name not in found:
        found.append(name)
        name = parents.get(name, "")
    return frozenset(found)


def _unusable(erp: ErpNextClient, audiences: Iterable[Audience]) -> list[UnusableList]:
    audiences = list(audiences)
    if not audiences:
        return []
    names = {each.price_list for each in audiences}
    known = ByName((row["name"], row["selling"]) for row in erp.rows_in("Price List", ["name", "selling"], names))
    reasons = {None: "does not exist", 0: "is not for selling"}
    return [
        UnusableList(each, f"its Price List {each.price_list} {reasons[known.find(each.price_list)]}")
        for each in audiences
        if known.find(each.price_list) in reasons
    ]


def _addresses(erp: ErpNextClient, rows: Sequence[Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """Return the addresses of Customers: their own, those of their Contacts, and of their portal users."""
    names = [row["name"] for row in rows]
    found: dict[str, set[str]] = {row["name"]: {row["email_id"] or ""} for row in rows}
    of_customers = [["link_doctype", "=", CUSTOMER], ["parenttype", "=", "Contact"]]
    links = erp.rows_in(
        "Dynamic Link", ["parent", "link_name"], names, key="link_name", filters=of_customers, parent="Contact"
    )
    contacts = {row["parent"] for row in links}
    mails = erp.rows_in("Contact Email", ["parent", "email_id"], contacts, key="parent", parent="Contact")
    of_contact: dict[str, set[str]] = {}
    for row in mails:
        of_contact.setdefault(row["parent"], set()).add(row["email_id"] or "")
    by_name = ByName((name, found[name]) for name in names)
    for row in links:
        if (addresses := by_name.find(row["link_name"])) is not None:
            addresses |= of_contact.get(row["parent"], set())
    # The name of a User is its address.
    for row in erp.rows_in("Portal User", ["parent", "user"], names, key="parent", parent=CUSTOMER):
        if (addresses := by_name.find(row["parent"])) is not None:
            addresses.add(row["user"] or "")
    return {name: frozenset(each.strip().lower() for each in some if "@" in each) for name, some in found.items()}
