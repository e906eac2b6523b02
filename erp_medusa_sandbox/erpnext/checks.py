"""The checks of a save and a deletion.

One check of Frappe's per function. Their order belongs to `documents.py`.
"""

from __future__ import annotations

from typing import Any

from erp_medusa_sandbox.erpnext.errors import ErpError, duplicate, not_unique, thrown
from erp_medusa_sandbox.erpnext.schema import SHORT_TYPES, DocType, Field
from erp_medusa_sandbox.erpnext.store import ErpStore, table
from erp_medusa_sandbox.erpnext.values import canonical_datetime

MAX_SHORT = 140
Doc = dict[str, Any]


def check_latest(old: Doc, values: Doc, now: str) -> None:
    """Raise if the request carries another `modified` than the document has; `now` only appears in the message."""
    given = values.get("modified")
    if not given or (canonical_datetime(given) or given) == canonical_datetime(old["modified"] or ""):
        return
    text = f"Error: Document has been modified after you have opened it ({old['modified']}, {now}). "
    raise thrown("TimestampMismatchError", text + "Please refresh to get the latest document.")


def fetch_and_check_links(store: ErpStore, meta: DocType, doc: Doc, prefix: str) -> list[str]:
    """Copy fetched fields. Returns the broken links, each as its label and value."""
    missing: list[str] = []
    for df in meta.links:
        value, fetched = doc.get(df.fieldname), meta.fetched_by(df.fieldname)
        linked = store.schema.get(df.options or "")
        if linked is None or linked.issingle:
            continue
        if not value:
            continue
        if df.options == "DocType":
            if store.schema.get(value) is None:
                missing.append(f"{prefix}{df.label}: {value}")
            continue
        source = store.get(linked.name, value)
        if source is None:
            # Frappe 15 lets a broken link pass where other fields are fetched through it.
            if not fetched:
                missing.append(f"{prefix}{df.label}: {value}")
            continue
        for target, fieldname in fetched:
            if not (target.fetch_if_empty and doc.get(target.fieldname)):
                doc[target.fieldname] = source.get(fieldname)
    return missing


def check_mandatory(meta: DocType, doc: Doc, changed: set[str]) -> None:
    """Raise if a required field is empty."""
    # Rows that were seeded without checks stay writable: only fields that the request changes are checked.
    empty = [df for df in meta.fields.values() if df.reqd and df.fieldname in changed and _is_empty(doc, df)]
    if empty:
        text = f"[{meta.name}, {doc['name']}]: {', '.join(df.fieldname for df in empty)}"
        shown = [{"message": f"Error: Value missing for {meta.name}: {df.label}", "title": "Message"} for df in empty]
        raise ErpError("MandatoryError", text, messages=shown)


def check_values(meta: DocType, doc: Doc, changed: set[str]) -> None:
    """Raise if a Select has another value than its options, or a short text is too long."""
    for fieldname in changed:
        df, value = meta.fields[fieldname], doc.get(fieldname)
        if df.is_table or value in (None, ""):
            continue
        if df.fieldtype == "Select" and df.options and fieldname != "naming_series":
            allowed = [option.strip() for option in df.options.split("\n")]
            if str(value) not in allowed:
                quoted_options = '", "'.join(option for option in allowed if option)
                text = f' {df.label} cannot be "{value}". It should be one of "{quoted_options}"'
                raise thrown("ValidationError", text)
        if df.fieldtype in SHORT_TYPES and len(str(value)) > MAX_SHORT:
            where = f"{meta.name} {doc['name']}: '<strong>{df.label}</strong>' ({value})"
            text = f"{where} will get truncated, as max characters allowed is {MAX_SHORT}"
            raise thrown("CharacterLengthExceededError", text, title="Value too big")


def check_submitted(meta: DocType, old: Doc, doc: Doc, changed: set[str]) -> None:
    """Raise if a field of a submitted document changes."""
    for fieldname in changed:
        if doc.get(fieldname) != old.get(fieldname) and not meta.fields[fieldname].is_table:
            label = meta.fields[fieldname].label
            before, after = old.get(fieldname), doc.get(fieldname)
            text = f" Not allowed to change <strong>{label}</strong> after submission "
            text += f"from <strong>{before}</strong> to <strong>{after}</strong>"
            raise thrown("UpdateAfterSubmitError", text, title="Cannot Update After Submit")


def check_unlinked(store: ErpStore, doctype: str, name: str) -> None:
    """Raise if another document links to this one."""
    for meta, df in store.schema.links_to(doctype):
        if meta.issingle:
            continue
        holder = "parent, parenttype" if meta.istable else f"name AS parent, '{meta.name}' AS parenttype"
        sql = f'SELECT {holder} FROM {table(meta.name)} WHERE "{df.fieldname}" = ? LIMIT 1'  # noqa: S608
        for row in store.sql(sql, (name,)):
            if (row["parenttype"], row["parent"]) == (doctype, name):
                continue
            own, other = _anchor(doctype, name), _anchor(row["parenttype"], row["parent"])
            raise thrown("LinkExistsError", f"Cannot delete or cancel because {own} is linked with {other} ")


def check_unique(store: ErpStore, meta: DocType, name: str, df: Field, value: Any) -> None:
    """Raise if another document has this value in a field that must be unique."""
    sql = f'SELECT name FROM {table(meta.name)} WHERE "{df.fieldname}" = ? AND name != ? LIMIT 1'  # noqa: S608
    if not meta.issingle and store.sql(sql, (value, name)):
        if meta.autoname == f"field:{df.fieldname}":
            raise duplicate(meta.name, value)
        raise not_unique(meta.name, name, df.fieldname, df.label, value)


def _anchor(doctype: str, name: str) -> str:
    return f'{doctype} <a href="/app/Form/{doctype}/{name}">{name}</a>'


def _is_empty(doc: Doc, df: Field) -> bool:
    return doc.get(df.fieldname) in (None, "", []) and not df.is_number
