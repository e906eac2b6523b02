"""What an administrator does over REST: permission rules by role, and keys of users.

Frappe's permission_manager and generate_keys. What rules and roles mean belongs to `permissions.py`.
"""

from __future__ import annotations

import secrets
from typing import Any

from erp_medusa_sandbox.erpnext.calls import Answer, Call, message
from erp_medusa_sandbox.erpnext.errors import ErpError, message_keys, not_found, thrown
from erp_medusa_sandbox.erpnext.permissions import ADMINISTRATOR, READ, RIGHTS, roles_of, standard_rules
from erp_medusa_sandbox.erpnext.query import thrown_doctype
from erp_medusa_sandbox.erpnext.site import Site
from erp_medusa_sandbox.erpnext.store import ErpStore
from erp_medusa_sandbox.erpnext.users import HIDDEN, set_secret
from erp_medusa_sandbox.erpnext.values import to_int

MANAGER = "frappe.core.page.permission_manager.permission_manager"
KEY_BYTES = 8
Row = dict[str, Any]


def _only_for(request: Call, role: str) -> None:
    """Refuse users without the role, as frappe.only_for() does."""
    if request.user != ADMINISTRATOR and role not in roles_of(request.site.store, request.user):
        raise ErpError("PermissionError")


# -- rules by role ----------------------------------------------------------------------------------------------


def _get_permissions(request: Call) -> Answer:
    _only_for(request, "System Manager")
    (doctype,) = request.need("get_permissions", "doctype")
    return message(request.site.store.rows("Custom DocPerm", parent=doctype) or _standard_rows(request.site, doctype))


def _add(request: Call) -> Answer:
    """Give a role the right to read; the standard rules are copied first."""
    _only_for(request, "System Manager")
    doctype, role, level = request.need("add", "parent", "role", "permlevel")
    store = request.site.store
    with store.transaction():
        _customize(request.site, doctype)
        if _rule(store, doctype, role, to_int(level)):
            text = "Rule for this doctype, role, permlevel and if-owner combination already exists."
            return message_keys([{"message": text, "title": "Message"}], None)
        _insert_rule(request.site, doctype, role, permlevel=to_int(level), read=1, export=1)
    return {}


def _update(request: Call) -> Answer:
    """Set one right of a rule."""
    _only_for(request, "System Manager")
    doctype, role, level, right = request.need("update", "doctype", "role", "permlevel", "ptype")
    store = request.site.store
    with store.transaction():
        _customize(request.site, doctype)
        rule = _rule(store, doctype, role, to_int(level))
        if rule:
            store.set("Custom DocPerm", rule["name"], **{right: to_int(request.get("value"))})
    return {}


def _remove(request: Call) -> Answer:
    """Remove a rule, unless it is the last one."""
    _only_for(request, "System Manager")
    doctype, role, level = request.need("remove", "doctype", "role", "permlevel")
    store = request.site.store
    with store.transaction():
        _customize(request.site, doctype)
        rule = _rule(store, doctype, role, to_int(level))
        if rule:
            store.delete("Custom DocPerm", rule["name"])
        if not store.count("Custom DocPerm", parent=doctype):
            raise thrown("ValidationError", "There must be atleast one permission rule.", title="Cannot Remove")
    return {}


def _reset(request: Call) -> Answer:
    """Remove all custom rules, whoever made them; the standard rules apply again."""
    _only_for(request, "System Manager")
    (doctype,) = request.need("reset", "doctype")
    request.site.store.execute('DELETE FROM "tabCustom DocPerm" WHERE parent = ?', (doctype,))
    return {}


def _rule(store: ErpStore, doctype: str, role: str, level: int) -> Row | None:
    rules = store.rows("Custom DocPerm", parent=doctype, role=role, permlevel=level, if_owner=0)
    return rules[0] if rules else None


def _customize(site: Site, doctype: str) -> None:
    """Copy the standard rules of a DocType that has no custom ones yet."""
    if site.store.schema.get(doctype) is None:
        raise thrown_doctype(site, doctype)
    if not site.store.count("Custom DocPerm", parent=doctype):
        for row in _standard_rows(site, doctype):
            _insert_rule(site, doctype, **row)


def _standard_rows(site: Site, doctype: str) -> list[Row]:
    return [
        {"role": role, "permlevel": 0, "if_owner": 0, **{right: int(right in rights) for right in RIGHTS}}
        for role, rights in standard_rules(site.store, doctype)
    ]


def _insert_rule(site: Site, doctype: str, role: str, **rights: Any) -> None:
    site.store.insert("Custom DocPerm", parent=doctype, role=role, creation=site.now(), **{READ: 0, **rights})


# -- keys -------------------------------------------------------------------------------------------------------


def _generate_keys(request: Call) -> Answer:
    """Create a new secret, and a key if the user has none. The secret is shown only this once."""
    _only_for(request, "System Manager")
    (name,) = request.need("generate_keys", "user")
    store = request.site.store
    row = store.get("User", str(name))
    if row is None:
        raise not_found("User", str(name))
    secret = secrets.token_hex(KEY_BYTES)[:-1]
    changes: Row = {"api_secret": HIDDEN, "modified": request.site.now(), "modified_by": request.user}
    if not row["api_key"]:
        changes["api_key"] = secrets.token_hex(KEY_BYTES)[:-1]
    with store.transaction():
        store.set("User", row["name"], **changes)
        set_secret(store, row["name"], secret)
    return message({"api_secret": secret})


def _server_script_enabled(request: Call) -> Answer:
    """Return whether the bench allows Server Scripts, to users who may write them."""
    if not request.site.may(request.user, "Server Script", READ):
        return {}
    return message(request.site.settings.server_script_enabled)


def _scheduler_status(request: Call) -> Answer:
    running = request.site.store.single("System Settings").get("enable_scheduler")
    return message({"status": "active" if running else "inactive"})


METHODS = {
    f"{MANAGER}.add": _add,
    f"{MANAGER}.get_permissions": _get_permissions,
    f"{MANAGER}.remove": _remove,
    f"{MANAGER}.reset": _reset,
    f"{MANAGER}.update": _update,
    "frappe.core.doctype.server_script.server_script.enabled": _server_script_enabled,
    "frappe.core.doctype.user.user.generate_keys": _generate_keys,
    "frappe.utils.scheduler.get_scheduler_status": _scheduler_status,
}
