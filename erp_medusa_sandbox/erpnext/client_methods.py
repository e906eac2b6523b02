"""frappe.client: documents and lists for whoever holds a key.

Arguments in, answer out. What happens to documents belongs to `documents.py`, to lists to `query.py`.
"""

from __future__ import annotations

import json
from typing import Any

from erp_medusa_sandbox.erpnext.calls import Answer, Call, message
from erp_medusa_sandbox.erpnext.errors import ErpError, message_keys, thrown
from erp_medusa_sandbox.erpnext.filters import parsed
from erp_medusa_sandbox.erpnext.permissions import READ, WRITE
from erp_medusa_sandbox.erpnext.query import ListRequest, count, run
from erp_medusa_sandbox.erpnext.store import table

MAX_INSERTS = 200
STANDARD_FIELDS = frozenset({"name", "owner", "creation", "modified", "modified_by", "docstatus", "idx"})


def _get_list(request: Call) -> Answer:
    (doctype,) = request.need("get_list", "doctype")
    fields, limit = request.get("fields"), request.get("limit_page_length", 20)
    listed = ListRequest(
        doctype,
        fields=fields,
        filters=request.get("filters"),
        or_filters=request.get("or_filters"),
        group_by=request.get("group_by"),
        order_by=request.get("order_by"),
        limit=20 if limit is None else limit,
        start=request.get("limit_start"),
        parent=request.get("parent"),
    )
    return message(run(request.site, request.user, listed))


def _get_count(request: Call) -> Answer:
    (doctype,) = request.need("get_count", "doctype")
    if request.site.settings.version >= 16:
        request.site.check_list(request.user, doctype)
    return message(count(request.site, doctype, request.get("filters")))


def _get(request: Call) -> Answer:
    (doctype,) = request.need("get", "doctype")
    name, filters = request.get("name"), parsed(request.get("filters"))
    meta = request.documents.meta(doctype)
    if not name and not meta.issingle:
        found = run(request.site, request.user, ListRequest(doctype, filters=filters, limit=1))
        if not found:
            raise thrown("DoesNotExistError", f"{doctype} not found")
        name = found[0]["name"]
    return message(request.documents.load(doctype, name or doctype))


def _get_value(request: Call) -> Answer:
    doctype, fieldname = request.need("get_value", "doctype", "fieldname")
    site, meta = request.site, request.documents.meta(doctype)
    if not meta.istable and not site.may(request.user, doctype, READ):
        raise thrown("PermissionError", f"No permission for {doctype}")
    fields, filters = _json_or_text(fieldname), _json_or_text(request.get("filters"))
    fields = [fields] if isinstance(fields, str) else fields
    if meta.issingle:
        stored = site.store.single(doctype)
        return message({key: stored.get(key) if stored.get(key) is not None else "" for key in sorted(fields)})
    filters = {"name": filters} if isinstance(filters, str) else filters
    listed = ListRequest(doctype, fields=fields, filters=filters, limit=1, parent=request.get("parent"))
    found = run(site, request.user, listed)
    return message(found[0] if found else {})


def _get_single_value(request: Call) -> Answer:
    doctype, fieldname = request.need("get_single_value", "doctype", "field")
    if not request.site.may(request.user, doctype, READ):
        raise thrown("PermissionError", f"No permission for {doctype}")
    return message(request.site.store.single(doctype).get(fieldname))


def _json_or_text(value: Any) -> Any:
    try:
        return parsed(value)
    except ValueError:
        return value


def _insert(request: Call) -> Answer:
    doc = parsed(request.need("insert", "doc")[0])
    with request.site.store.transaction():
        return message(request.documents.insert(doc["doctype"], doc))


def _insert_many(request: Call) -> Answer:
    docs = parsed(request.need("insert_many", "docs")[0])
    if len(docs) > MAX_INSERTS:
        raise thrown("ValidationError", f"Only {MAX_INSERTS} inserts allowed in one request")
    with request.site.store.transaction():
        return message([request.documents.insert(doc["doctype"], doc)["name"] for doc in docs])


def _set_value(request: Call) -> Answer:
    doctype, name, fieldname = request.need("set_value", "doctype", "name", "fieldname")
    values = _json_or_text(fieldname)
    if not isinstance(values, dict):
        values = {values: request.get("value")}
    if STANDARD_FIELDS & values.keys():
        raise thrown("ValidationError", "Cannot edit standard fields")
    with request.site.store.transaction():
        return message(request.documents.update(doctype, name, values))


def _save(request: Call) -> Answer:
    """The document as it is given, whole: a field or table that is left out is emptied."""
    doc = parsed(request.need("save", "doc")[0])
    meta = request.documents.meta(doc["doctype"])
    never = "0001-01-01 00:00:00"  # a document without `modified` is never the latest
    whole = {**dict.fromkeys(meta.fields), **doc, "modified": doc.get("modified") or never}
    with request.site.store.transaction():
        return message(request.documents.update(doc["doctype"], doc["name"], whole))


def _delete(request: Call) -> Answer:
    doctype, name = request.need("delete", "doctype", "name")
    request.documents.delete(doctype, name)
    return {}


def _rename_doc(request: Call) -> Answer:
    """Rename only the document itself; a real site also updates the links to it."""
    doctype, old, new = request.need("rename_doc", "doctype", "old_name", "new_name")
    request.documents.load(doctype, old)
    request.site.check_document(request.user, doctype, old, WRITE)
    renamed = table(request.documents.meta(doctype).name)
    request.site.store.execute(f"UPDATE {renamed} SET name = ? WHERE name = ?", (new, old))  # noqa: S608
    return message(new)


def _bulk_update(request: Call) -> Answer:
    """One commit at the end, no savepoint per document: what a failed document had written by then stays."""
    (text,) = request.need("bulk_update", "docs")
    if not isinstance(text, str):
        raise ErpError("TypeError", f"the JSON object must be str, bytes or bytearray, not {type(text).__name__}")
    failed, messages, error_message = [], [], None
    with request.site.store.transaction():
        for doc in json.loads(text):
            try:
                if "docname" not in doc:
                    raise ErpError("KeyError", "'docname'")
                request.documents.update(doc["doctype"], doc["docname"], doc)
            except ErpError as error:
                failed.append({"doc": doc, "exc": error.traceback})
                messages += error.messages
                error_message = error.error_message or error_message
    return {"message": {"failed_docs": failed}, **message_keys(messages, error_message)}


METHODS = {
    "frappe.client.bulk_update": _bulk_update,
    "frappe.client.delete": _delete,
    "frappe.client.get": _get,
    "frappe.client.get_count": _get_count,
    "frappe.client.get_list": _get_list,
    "frappe.client.get_single_value": _get_single_value,
    "frappe.client.get_value": _get_value,
    "frappe.client.insert": _insert,
    "frappe.client.insert_many": _insert_many,
    "frappe.client.rename_doc": _rename_doc,
    "frappe.client.save": _save,
    "frappe.client.set_value": _set_value,
}
# Refused with GET.
WRITING = frozenset(METHODS) & {
    *("frappe.client.bulk_update", "frappe.client.delete", "frappe.client.insert", "frappe.client.insert_many"),
    *("frappe.client.save", "frappe.client.set_value"),
}
