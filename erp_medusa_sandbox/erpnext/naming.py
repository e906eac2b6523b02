"""Names of new documents, and initial values of their fields.

Autoname rules, number series, defaults.
"""

from __future__ import annotations

from typing import Any

from erp_medusa_sandbox.erpnext.errors import thrown
from erp_medusa_sandbox.erpnext.schema import DocType, Field
from erp_medusa_sandbox.erpnext.site import Site
from erp_medusa_sandbox.erpnext.store import new_hash
from erp_medusa_sandbox.erpnext.values import to_float

Doc = dict[str, Any]


def new_name(site: Site, meta: DocType, doc: Doc, values: Doc) -> str:
    """Return the name that a new document gets, as its DocType's autoname says."""
    rule = meta.autoname or ""
    if doc.get("name"):
        return doc["name"]
    if rule.startswith("field:"):
        value = doc.get(rule[6:])
        if not value:
            raise thrown("ValidationError", f"{meta.fields[rule[6:]].label} is required")
        return str(value)
    if rule.startswith("naming_series"):
        return _next_in_series(site, doc.get("naming_series") or (meta.fields["naming_series"].options or ""))
    if rule.lower() == "prompt":
        if not values.get("name"):
            raise thrown("ValidationError", "Please set the document name")
        return str(values["name"])
    return new_hash()


def _next_in_series(site: Site, series: str) -> str:
    series = series.split("\n")[0]
    prefix = "".join(site.today()[:4] if part == "YYYY" else part for part in series.split(".#")[0].split("."))
    digits = series.count("#") or 5
    store = site.store
    store.execute("INSERT OR IGNORE INTO sandbox_series (prefix, current) VALUES (?, 0)", (prefix,))
    store.execute("UPDATE sandbox_series SET current = current + 1 WHERE prefix = ?", (prefix,))
    current = store.sql("SELECT current FROM sandbox_series WHERE prefix = ?", (prefix,))[0]["current"]
    return f"{prefix}{current:0{digits}d}"


def default_value(site: Site, df: Field) -> Any:
    """Return the initial value of a field of a new document."""
    if df.default == "Today":
        return site.today()
    if df.default == "Now":
        return site.now()[11:]
    if df.is_number:
        return to_float(df.default)
    return None if not df.default or df.default.startswith(("{", ":")) else df.default
