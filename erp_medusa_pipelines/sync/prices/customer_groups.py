"""Customers with prices of their own become members of groups in Medusa, by their e-mail address.

A group is found by its metadata. Whoever is a member of one of ours is so because ERPNext says it: others leave. An
account is added to its new group before it leaves the old one, so nobody is without both. No address ever goes into a
report: a problem with one is reported for its Customers.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import PermanentError, TransientError
from erp_medusa_pipelines.clients.medusa import Row, metadata_of
from erp_medusa_pipelines.clients.medusa_customers import Account, MedusaCustomers
from erp_medusa_pipelines.sync.engine.brake import Guard, Limit, Loss, MassLossError
from erp_medusa_pipelines.sync.engine.names import folded
from erp_medusa_pipelines.sync.engine.report import Reject, SyncReport
from erp_medusa_pipelines.sync.prices.audiences import CUSTOMER, CUSTOMER_GROUP, GROUP_KEY, Audience, Audiences
from erp_medusa_pipelines.sync.prices.books import GROUPS_RULE, MEMBERS, OWNER_KEY, Book

Key = tuple[str, str]


def members_limit(percent: int, setting: str) -> Limit:
    """Return how many customers may lose the prices of their group."""
    return Limit(
        name="members",
        what="customers would lose the prices of their group",
        percent=percent,
        setting=setting,
        allow="allow_removal",
        check=(
            "Check the Price Lists of ERPNext's Customer Groups and Customers, and that ERPNext's user sees all"
            " Customers and Contacts."
        ),
    )


def group_of(row: Row) -> Key | None:
    """Return the key of the audience that a group of Medusa was made for, or None for a group of somebody else's."""
    metadata = metadata_of(row)
    price_list, customer_group = metadata.get(OWNER_KEY) or "", metadata.get(GROUP_KEY)
    if not isinstance(price_list, str) or not isinstance(customer_group, str):
        return None
    return folded(price_list), folded(customer_group)


def books_of(audiences: Iterable[Audience], groups: Iterable[Row]) -> list[Book]:
    """Return the books of audiences that have a group in Medusa.

    One for each of their Price Lists, for all of its groups; Customer Groups that Pricing Rules are for have their own.
    """
    ids = {key: row["id"] for row in groups if (key := group_of(row))}
    members: dict[tuple[str, str], list[str]] = defaultdict(list)
    names: dict[str, str] = {}
    for audience in sorted(audiences, key=lambda each: each.key):
        if group_id := ids.get(audience.key):
            name = names.setdefault(folded(audience.price_list), audience.price_list)
            members[name, audience.customer_group if audience.is_ruled else ""].append(group_id)
    return [
        Book(name, f"{CUSTOMER_GROUP} {group}" if group else MEMBERS, {GROUPS_RULE: tuple(sorted(some))}, group)
        for (name, group), some in members.items()
    ]


@dataclass
class Moves:
    """Which accounts join and leave which of our groups, by the groups' ids."""

    joining: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    leaving: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    loss: Loss = field(default_factory=Loss)

    def add(self, account: Account, there: frozenset[str], place: str | None) -> None:
        """Add an account that is in the groups `there` and belongs into `place`, or into none."""
        if place and place not in there:
            self.joining[place].append(account.id)
        for group_id in there - {place}:
            self.leaving[group_id].append(account.id)
        if there:
            self.loss.had.add(account.id)
        elif place:
            self.loss.gained.add(account.id)
        if there and not place:
            self.loss.lost[account.id] = f"customer {account.id}"


@dataclass(kw_only=True)
class CustomerGroupSync:
    """One run over all groups. Counts are members: found, written (added), removed, unchanged."""

    erp: ErpNextClient
    audiences: Audiences
    customers: MedusaCustomers
    report: SyncReport
    guard: Guard
    losses_stopped: MassLossError | None = None
    """Set by `run` when too many customers would lose their prices: then none did, and everything else was done."""
    _groups: list[Row] = field(default_factory=list)

    def run(self) -> SyncReport:
        """Make the groups and keep their members. Raises AccessError and TransientError; refusals are reported."""
        for unusable in self.audiences.unusable:
            self._reject(CUSTOMER_GROUP, unusable.audience.customer_group, unusable.reason, "default_price_list")
        self._groups = self.customers.groups()
        ids, wanted = self._ids(), self._wanted()
        moves = self._moves(ids, wanted)
        for group_id, members in moves.joining.items():
            if self._change(group_id, add=members):
                self.report.count("written", len(members))
        self.losses_stopped = self.guard.refusal(moves.loss, lambda: moves.loss)
        kept = moves.loss.lost.keys() if self.losses_stopped else frozenset[str]()
        for group_id, members in moves.leaving.items():
            gone = [one for one in members if one not in kept]
            if gone and self._change(group_id, remove=gone):
                self.report.count("removed", len(gone))
        return self.report

    def _moves(self, ids: Mapping[Key, str], wanted: Mapping[str, Audience]) -> Moves:
        """Compare Medusa's accounts with the audience of each address."""
        ours = {row["id"] for row in self._groups if group_of(row)} | set(ids.values())
        moves, known = Moves(), set[str]()
        for account in self.customers.accounts():
            address = account.email.strip().lower()
            known.add(address)
            audience = wanted.get(address)
            place = ids.get(audience.key) if audience else None
            moves.add(account, account.groups & ours, place)
            self.report.count("found", place is not None)
            self.report.count("unchanged", place is not None and place in account.groups)
        self.report.count("without_account", len(wanted.keys() - known))
        return moves

    # --- groups -----------------------------------------------------------------------------------------------

    def _ids(self) -> dict[Key, str]:
        """Return the ids of the audiences' groups, made where they are missing."""
        there = {key: row["id"] for row in self._groups if (key := group_of(row))}
        found: dict[Key, str] = {}
        for audience in self.audiences.all:
            group_id = there.get(audience.key) or self._make(audience)
            if group_id:
                found[audience.key] = group_id
        return found

    def _make(self, audience: Audience) -> str | None:
        metadata = audience.metadata
        same = next((row for row in self._groups if row["name"] == audience.title), None)
        if same is not None:
            # Its members were put there by somebody for reasons of his own: they are not ours to remove.
            reason = (
                f"Medusa has a customer group {audience.title} ({same['id']}) that the export did not make: rename it,"
                f" or give it the metadata {' and '.join(f'{key}={value}' for key, value in metadata.items())}; then"
                " ERPNext decides on its members"
            )
            self._reject(CUSTOMER_GROUP, audience.customer_group, reason, "default_price_list")
            return None
        try:
            made = self.customers.create_group(audience.title, metadata)
        except TransientError as error:
            if not error.ambiguous:
                raise
            made = next((row["id"] for row in self.customers.groups() if group_of(row) == audience.key), None)
            if made is None:
                raise
        except PermanentError as error:
            reason = f"Medusa refuses a customer group for {audience.title}: {error.reason}"
            self._reject(CUSTOMER_GROUP, audience.customer_group, reason)
            return None
        self.report.count("groups_written")
        return made

    def _change(self, group_id: str, *, add: list[str] | None = None, remove: list[str] | None = None) -> bool:
        try:
            self.customers.change_members(group_id, add=add or (), remove=remove or ())
        except PermanentError as error:
            # A customer, or the group, was deleted meanwhile: the next run looks again.
            name = next((row["name"] for row in self._groups if row["id"] == group_id), group_id)
            self._reject(CUSTOMER_GROUP, name, f"Medusa refuses a change of its members: {error.reason}")
            return False
        return True

    # --- members ----------------------------------------------------------------------------------------------

    def _wanted(self) -> Mapping[str, Audience]:
        """Return the audience of each address. One that several Customers with different prices share has none."""
        found: dict[str, Audience] = {}
        owners: dict[str, str] = {}
        shared: dict[str, set[str]] = defaultdict(set)
        for member in self.audiences.members(self.erp):
            for address in member.addresses:
                other = found.setdefault(address, member.audience)
                owner = owners.setdefault(address, member.customer)
                if other.key != member.audience.key:
                    shared[address] |= {owner, member.customer}
        for customers in {frozenset(some) for some in shared.values()}:
            first, *others = sorted(customers)
            reason = f"shares an e-mail address with {', '.join(others)}, whose prices differ: it is asked everybody's"
            self._reject(CUSTOMER, first, reason, "default_price_list")
        return {address: audience for address, audience in found.items() if address not in shared}

    def _reject(self, doctype: str, name: str, reason: str, about: str = "") -> None:
        self.report.reject(Reject(doctype, name, reason, about))
