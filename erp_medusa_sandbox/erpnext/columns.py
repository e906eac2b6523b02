"""Values on their way into a column: what Frappe casts, and what the database refuses.

One value at a time, by its field's type.
"""

from __future__ import annotations

from typing import Any

from erp_medusa_sandbox.erpnext.errors import wrong_value
from erp_medusa_sandbox.erpnext.schema import DocType
from erp_medusa_sandbox.erpnext.values import canonical_date, canonical_datetime, to_float, to_int


def cast(meta: DocType, column: str, value: Any) -> Any:
    """Make numbers from anything, silently; everything else as it is."""
    fieldtype = meta.fieldtype(column)
    if fieldtype in ("Int", "Check"):
        if fieldtype == "Check":
            return 1 if to_int(value) else 0
        return value if column == "idx" and meta.issingle else to_int(value)
    if fieldtype in ("Float", "Currency", "Percent"):
        return to_float(value)
    if value is None or isinstance(value, str):
        return value
    return str(value)


def checked_by_database(meta: DocType, column: str, value: Any) -> Any:
    """Return dates and datetimes as the database keeps them; raise for what it refuses."""
    fieldtype = meta.fieldtype(column)
    if value in (None, "") or fieldtype not in ("Date", "Datetime"):
        return None if value == "" and fieldtype in ("Date", "Datetime") else value
    canonical = canonical_date(value) if fieldtype == "Date" else canonical_datetime(value)
    if canonical is None:
        raise wrong_value(fieldtype.lower(), value, meta.name, column)
    return canonical
