"""Which of ERPNext's own roles gives the right to a DocType that the tasks need.

As it was measured on ERPNext 15. docs/rights.md names the same roles; a test holds the two together. A role of the
site's own can give the same rights.
"""

from urllib.parse import unquote

ROLES: dict[str, tuple[str, ...]] = {
    "System Manager": (
        "Deleted Document", "Email OTP", "Email Queue", "Expiring Items", "File", "Homepage Landing",
        "Medusa Configuration", "Pricing Rule", "Product Collection", "Scheduled Job Type", "System Settings",
        "Website Item",
    ),
    "Item Manager": ("Batch", "Item Group"),
    "Sales Master Manager": ("Contact", "Customer", "Customer Group", "Item Price", "Price List"),
    "Accounts User": ("Sales Invoice", "Sales Invoice Item"),
    "Stock User": ("Bin", "Stock Ledger Entry", "Warehouse"),
}  # fmt: skip
"""The five that do every call of the tasks, and no fewer: role -> DocTypes that nothing else of the five gives."""

OPTIONAL_ROLES: dict[str, tuple[str, ...]] = {"Website Manager": ("Website Slideshow",)}
"""Roles that only some shops need: that one where a Website Item has a slideshow."""


def role_for(*texts: str) -> str | None:
    """What to do about a missing right, from the texts of its error: the longest DocType name in them counts."""
    said = " ".join(unquote(text) for text in texts)
    roles = {**ROLES, **OPTIONAL_ROLES}
    found = [(doctype, role) for role, doctypes in roles.items() for doctype in doctypes if doctype in said]
    if not found:
        return None
    doctype, role = max(found, key=lambda pair: len(pair[0]))
    return f"for {doctype} the user of ERPNEXT_API_KEY needs the role {role}"
