"""Users of the embedded ERPNext: their documents, their roles, and the key pairs that they log in with.

Everything about users that is not a permission. API secrets are kept apart from the documents, as Frappe does: no list
shows them.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from erp_medusa_sandbox.erpnext.permissions import ADMINISTRATOR, GUEST
from erp_medusa_sandbox.erpnext.store import ErpStore

HIDDEN = "*" * 15


@dataclass(frozen=True)
class User:
    """A user, the key pair it authenticates with, and its roles."""

    name: str
    api_key: str
    api_secret: str = field(repr=False)
    roles: tuple[str, ...]


def add_user(store: ErpStore, user: User) -> None:
    """Write a user with its roles and keys, in place of the one of that name."""
    with store.transaction():
        store.delete("User", user.name)
        names = {"email": user.name, "first_name": user.name.partition("@")[0], "username": user.name}
        store.insert("User", name=user.name, api_key=user.api_key, api_secret=HIDDEN, enabled=1, **names)
        set_secret(store, user.name, user.api_secret)
        set_roles(store, user.name, user.roles)


def set_roles(store: ErpStore, user: str, roles: Sequence[str]) -> None:
    """Give a user these roles and no others."""
    with store.transaction():
        store.execute('DELETE FROM "tabHas Role" WHERE parent = ? AND parenttype = ?', (user, "User"))
        for idx, role in enumerate(roles, start=1):
            store.insert("Has Role", role=role, parent=user, parenttype="User", parentfield="roles", idx=idx)


def set_secret(store: ErpStore, user: str, secret: str) -> None:
    """Store the secret of a user's key pair."""
    store.execute("INSERT OR REPLACE INTO sandbox_secret (user, secret) VALUES (?, ?)", (user, secret))


def user_of(store: ErpStore, api_key: str, api_secret: str) -> str | None:
    """Return the user of a key pair, or None. As recorded, a disabled user's key still works."""
    found = store.sql(
        'SELECT u.name, s.secret FROM "tabUser" u JOIN sandbox_secret s ON s.user = u.name WHERE u.api_key = ?',
        (api_key,),
    )
    matching = [row["name"] for row in found if secrets.compare_digest(row["secret"].encode(), api_secret.encode())]
    return matching[0] if api_key and matching else None


def add_standard_users(store: ErpStore) -> None:
    """Write the two users that every site has; neither has a key."""
    for name in (ADMINISTRATOR, GUEST):
        if store.get("User", name) is None:
            store.insert("User", name=name, email=f"{name.lower()}@example.com", first_name=name, enabled=1)
