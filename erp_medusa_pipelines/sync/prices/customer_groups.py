"""Customers with prices of their own become members of groups in Medusa, by their e-mail address.

A group is found by its metadata. Whoever is a member of one of ours is so because ERPNext says it: others leave. An
account is added to its new group before it leaves the old one, so nobody is without both. No address ever goes into a
report: a problem with one is reported for its Customers.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import PermanentError, TransientError
from erp_medusa_pipelines.clients.medusa import Row, metadata_of
from erp_medusa_pipelines.clients.medusa_customers import Account, MedusaCustomers
from erp_medusa_pipelines.sync.engine.brake import Guard, Limit, Loss, MassLossError
from erp_medusa_pipelines.sync.engine.names import folded
from erp_medusa_pipelines.sync.engine.report import Reject, SyncReport
from erp_medusa_pipelines.sync.prices.audiences import (
    CUSTOMER,
    CUSTOMER_GROUP,
    CUSTOMER_KEY,
    GROUP_KEY,
    Audience,
    Audiences,
    Key,
    Member,
)
from erp_medusa_pipelines.sync.prices.books import GROUPS_RULE, MEMBERS, OWNER_KEY, Book


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
    if isinstance(customer := metadata.get(CUSTOMER_KEY), str) and customer:
        return "", "", folded(customer)
    price_list, customer_group = metadata.get(OWNER_KEY) or "", metadata.get(GROUP_KEY)
    if not isinstance(price_list, str) or not isinstance(customer_group, str):
        return None
    return folded(price_list), folded(customer_group), ""


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

    def add(self, account: Account, there: frozenset[str], places: frozenset[str], own: Collection[str]) -> None:
        """Add an account that is in the groups `there` and belongs into `places`. `own` are groups of one Customer."""
        for group_id in places - there:
            self.joining[group_id].append(account.id)
        for group_id in there - places:
            self.leaving[group_id].append(account.id)
        if there:
            self.loss.had.add(account.id)
        elif places:
            self.loss.gained.add(account.id)
        has_lost_own = not there.isdisjoint(own) and places.isdisjoint(own)
        if there and (not places or has_lost_own):
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
        ids, wanted = self.make_groups(), self._wanted()
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
        if not self.losses_stopped:
            self._delete_own_groups(ids)
        return self.report

    def _moves(self, ids: Mapping[Key, str], wanted: Mapping[str, set[Key]]) -> Moves:
        """Compare Medusa's accounts with the audiences of each address."""
        ours = {row["id"]: key for row in self._groups if (key := group_of(row))} | {ids[key]: key for key in ids}
        own = {group_id for group_id, (_, _, customer) in ours.items() if customer}
        moves, known = Moves(), set[str]()
        for account in self.customers.accounts():
            address = account.email.strip().lower()
            known.add(address)
            places = frozenset(ids[key] for key in wanted.get(address, ()) if key in ids)
            moves.add(account, account.groups & ours.keys(), places, own)
            self.report.count("found", len(places))
            self.report.count("unchanged", len(places & account.groups))
        self.report.count("without_account", len(wanted.keys() - known))
        return moves

    # --- groups -----------------------------------------------------------------------------------------------

    def make_groups(self, *, own_only: bool = False) -> dict[Key, str]:
        """Return the ids of the audiences' groups, made where they are missing. `own_only`: of one Customer each."""
        self._groups = self.customers.groups()
        there = {key: row["id"] for row in self._groups if (key := group_of(row))}
        found: dict[Key, str] = {}
        for audience in (*(() if own_only else self.audiences.all), *self.audiences.own):
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
            self._reject(*audience.document, reason, "" if audience.customer else "default_price_list")
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
            self._reject(*audience.document, reason)
            return None
        self.report.count("groups_written")
        return made

    def _delete_own_groups(self, ids: Mapping[Key, str]) -> None:
        """Delete the groups of Customers that have no Item Prices of their own any more."""
        for row in self._groups:
            key = group_of(row)
            if key and key[2] and key not in ids:
                try:
                    self.customers.delete_group(row["id"])
                except PermanentError as error:
                    self._reject(CUSTOMER_GROUP, row["name"], f"Medusa refuses to delete it: {error.reason}")
                else:
                    self.report.count("groups_removed")

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

    def _wanted(self) -> Mapping[str, set[Key]]:
        """Return the audiences of each address.

        One that several Customers with different Price Lists share is of none of these, and one that a Customer with
        prices of its own shares with any other Customer is not of that one's.
        """
        of_address: dict[str, list[Member]] = defaultdict(list)
        for member in self.audiences.members(self.erp):
            for address in member.addresses:
                of_address[address].append(member)
        found: dict[str, set[Key]] = {}
        shared: dict[str, set[frozenset[str]]] = {asked: set() for asked in ("everybody's", "no own prices")}
        for address, members in of_address.items():
            keys = {member.audience.key for member in members if member.audience}
            if len(keys) > 1:
                shared["everybody's"].add(frozenset(member.customer for member in members if member.audience))
                keys = set[Key]()
            if own := [member.own for member in members if member.own]:
                if len(members) > 1:
                    shared["no own prices"].add(frozenset(member.customer for member in members))
                else:
                    keys |= {own[0].key}
            if keys:
                found[address] = keys
        for asked, several in shared.items():
            for customers in several:
                first, *others = sorted(customers)
                reason = f"shares an e-mail address with {', '.join(others)}, whose prices differ: it is asked {asked}"
                self._reject(CUSTOMER, first, reason, "default_price_list" if asked == "everybody's" else "")
        return found

    def _reject(self, doctype: str, name: str, reason: str, about: str = "") -> None:
        self.report.reject(Reject(doctype, name, reason, about))
