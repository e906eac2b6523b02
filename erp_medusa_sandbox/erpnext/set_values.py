"""The API Server Script `erp_medusa_set_values`, done in Python here: ids and flags written without a save.

Belongs here: what the installed script does with its rows. That it is installed and enabled is checked by the caller.
"""

from __future__ import annotations

from typing import Any

from erp_medusa_sandbox.erpnext.errors import thrown
from erp_medusa_sandbox.erpnext.filters import parsed
from erp_medusa_sandbox.erpnext.permissions import WRITE
from erp_medusa_sandbox.erpnext.site import Site

METHOD = "erp_medusa_set_values"
VERSION = 3
ALLOWED = {
    "Website Item": frozenset({"medusa_id", "medusa_variant_id", "custom_in_stock"}),
    "Item Group": frozenset({"medusa_id"}),
    "Item Price": frozenset({"medusa_price_id", "medusa_id"}),
    "File": frozenset({"medusa_id"}),
    "Email OTP": frozenset({"status"}),
}


def set_values(site: Site, user: str, doctype: Any, rows: Any) -> dict[str, Any]:
    """Write `[name, {field: value}]` rows with db_set; `[name, values, expected]` only where the row still matches."""
    fields = ALLOWED.get(doctype)
    if fields is None:
        raise thrown("PermissionError", f"{METHOD} does not write {doctype}")
    if doctype != "File":
        # Everybody may write a File of their own, and the new one that the script asks about is.
        site.check_document(user, doctype, "", WRITE)
    written, missing, unchanged = 0, [], []
    store = site.store
    with store.transaction():
        for row in parsed(rows) or []:
            name, values, expected = row[0], row[1], row[2] if len(row) > 2 else None
            refused = values.keys() - fields
            if refused:
                raise thrown("PermissionError", f"{METHOD} does not write {doctype}.{min(refused)}")
            stored = store.get(doctype, name)
            if stored and doctype == "File":
                site.check_document(user, stored["attached_to_doctype"] or doctype, name, WRITE)
            if stored is None:
                missing.append(name)
            elif expected and any(str(stored[key] or "") != str(value or "") for key, value in expected.items()):
                unchanged.append(name)
            else:
                store.set(doctype, stored["name"], **values)
                written += 1
    allows = {name: sorted(allowed) for name, allowed in ALLOWED.items()}
    return {"version": VERSION, "allows": allows, "written": written, "missing": missing, "unchanged": unchanged}
