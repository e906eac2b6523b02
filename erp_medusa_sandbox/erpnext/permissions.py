"""Who may do what: roles of users, and the rules of DocTypes by role.

Finding roles and rules in the site's own documents, as Frappe does. What a refusal looks like belongs to `errors.py`,
when it is asked to `site.py`.

A DocType's standard rules come with it (`schema.json`, as a real site has them). One Custom DocPerm row replaces all of
them, for every role.
"""

from __future__ import annotations

from collections.abc import Mapping

from erp_medusa_sandbox.erpnext.store import ErpStore

GUEST, ADMINISTRATOR = "Guest", "Administrator"
EVERY_USER, DESK_USER = "All", "Desk User"
SELECT, READ, WRITE, CREATE, DELETE = "select", "read", "write", "create", "delete"
RIGHTS = (SELECT, READ, WRITE, CREATE, DELETE)
# How schema.json writes them.
LETTERS = {right[0]: right for right in RIGHTS}


def roles_of(store: ErpStore, user: str) -> list[str]:
    """Return the roles of a user with those that Frappe gives by itself."""
    if user == GUEST:
        return [GUEST]
    rows = store.rows("Has Role", parent=user, parenttype="User")
    given = [row["role"] for row in sorted(rows, key=lambda row: row["idx"])]
    has_desk = any((store.get("Role", role) or {}).get("desk_access") for role in given)
    return [*given, EVERY_USER, GUEST, *([DESK_USER] if has_desk or user == ADMINISTRATOR else [])]


def rules_of(store: ErpStore, doctype: str) -> list[tuple[str, frozenset[str]]]:
    """Return what each role may do with documents of a DocType, as (role, rights)."""
    custom = store.rows("Custom DocPerm", parent=doctype)
    if custom:
        own = [row for row in custom if not row["permlevel"] and not row["if_owner"]]
        return [(row["role"], frozenset(right for right in RIGHTS if row[right])) for row in own]
    return standard_rules(store, doctype)


def standard_rules(store: ErpStore, doctype: str) -> list[tuple[str, frozenset[str]]]:
    """Return the rules that a DocType brings along."""
    meta = store.schema.get(doctype)
    found: Mapping[str, str] = meta.permissions if meta else {}
    return [(role, frozenset(LETTERS[letter] for letter in letters)) for role, letters in found.items()]


def may(store: ErpStore, user: str, doctype: str, right: str) -> bool:
    """Return whether one of the user's roles has the right."""
    if user == ADMINISTRATOR:
        return True
    roles = set(roles_of(store, user))
    return any(role in roles and right in rights for role, rights in rules_of(store, doctype))
