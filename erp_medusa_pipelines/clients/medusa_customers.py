"""Customers of Medusa and their groups.

Addresses are read in pages and never put into one of ours: servers write addresses of requests into their logs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.medusa import MedusaClient, Row

GROUPS = "/admin/customer-groups"
CUSTOMERS = "/admin/customers"
ACCOUNTS_PER_PAGE = 1000
MEMBERS_PER_CALL = 500
"""Ids have 30 bytes, and Medusa takes 100 kB."""


@dataclass(frozen=True, slots=True)
class Account:
    """A customer who can log in, and the ids of his groups."""

    id: str
    email: str
    groups: frozenset[str]


class MedusaCustomers:
    """Customers with an account, and groups, of one Medusa."""

    def __init__(self, medusa: MedusaClient) -> None:
        self._medusa = medusa

    def groups(self) -> list[Row]:
        """Every customer group: id, name, metadata."""
        return list(self._medusa.all_of(GROUPS, "customer_groups", "id,name,metadata"))

    def accounts(self) -> Iterator[Account]:
        """Customers who can log in.

        Others are known only by an address in a cart, and nobody asks who they are: what they get, anybody gets who
        types the address.
        """
        last = ""
        while True:
            query: dict[str, Any] = {
                "has_account": "true",
                "fields": "id,email,groups.id",
                "order": "id",
                "limit": ACCOUNTS_PER_PAGE,
                **({"id[$gt]": last} if last else {}),
            }
            answer = self._medusa.http.request("GET", CUSTOMERS, params=query)
            rows = self._medusa.http.part(answer, "customers", f"GET {CUSTOMERS}")
            for row in rows:
                groups = frozenset(group["id"] for group in row.get("groups") or () if group)
                yield Account(row["id"], row["email"] or "", groups)
            if len(rows) < ACCOUNTS_PER_PAGE:
                return
            last = rows[-1]["id"]

    def create_group(self, name: str, metadata: Mapping[str, str]) -> str:
        """Create a group and return its id. Names are unique: after a lost answer it is found among `groups`."""
        body = {"name": name, "metadata": dict(metadata)}
        return self._medusa.send("POST", GROUPS, body, gives="customer_group")["customer_group"]["id"]

    def delete_group(self, group_id: str) -> None:
        """Delete a group; its members stay customers. One that is gone already is fine."""
        self._medusa.send("DELETE", f"{GROUPS}/{group_id}", gives="deleted", repeatable=True)

    def change_members(self, group_id: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """Add and remove customers by id; those who are members already, or are not, do no harm."""
        for key, ids in (("add", add), ("remove", remove)):
            for some in batched(ids, MEMBERS_PER_CALL):
                path = f"{GROUPS}/{group_id}/customers?fields=id"
                self._medusa.send("POST", path, {key: some}, gives="customer_group", repeatable=True)
