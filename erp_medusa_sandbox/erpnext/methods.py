"""`/api/method/*`: the whitelisted functions that clients of this project call.

Belongs here: arguments in, answer out, and who may call. What they do to documents belongs to `documents.py`, to
lists to `query.py`, to mails to `mail.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from erp_medusa_sandbox.erpnext import mail as erp_mail
from erp_medusa_sandbox.erpnext.documents import Documents
from erp_medusa_sandbox.erpnext.errors import ErpError, message_keys, thrown
from erp_medusa_sandbox.erpnext.filters import parsed
from erp_medusa_sandbox.erpnext.query import ListRequest, count, run, thrown_doctype
from erp_medusa_sandbox.erpnext.set_values import METHOD as SET_VALUES
from erp_medusa_sandbox.erpnext.set_values import set_values
from erp_medusa_sandbox.erpnext.site import GUEST, READ, Site
from erp_medusa_sandbox.erpnext.values import to_int

MAX_INSERTS = 200
STANDARD_FIELDS = frozenset({"name", "owner", "creation", "modified", "modified_by", "docstatus", "idx"})
IMAGE_TYPES = {"jpeg": "JPG"}


@dataclass(frozen=True)
class Upload:
    """One file of a multipart body."""

    filename: str
    content: bytes


@dataclass(frozen=True)
class Call:
    """One method call: who, how, with which arguments."""

    site: Site
    user: str
    http_method: str
    arguments: dict[str, Any]
    uploads: dict[str, Upload]

    def need(self, function: str, *names: str) -> list[Any]:
        """Required arguments; Python's own complaint where they are missing."""
        missing = [name for name in names if name not in self.arguments]
        if missing:
            listed = ", ".join(f"'{name}'" for name in missing)
            some = f"{len(missing)} required positional argument{'s' if len(missing) > 1 else ''}"
            raise ErpError("TypeError", f"{function}() missing {some}: {listed}")
        return [self.arguments[name] for name in names]

    def get(self, name: str, default: Any = None) -> Any:
        return self.arguments.get(name, default)

    @property
    def documents(self) -> Documents:
        return Documents(self.site, self.user)


Answer = dict[str, Any]


def call(command: str, request: Call) -> Answer:
    """The body of the answer: `message` where the function returns something, else empty."""
    if command == "ping":
        return {"message": "pong"}
    method = METHODS.get(command)
    if method is None and command == SET_VALUES and _script_installed(request.site):
        method = _set_values
    if method is None:
        module, _, _ = command.rpartition(".")
        why = f"No module named '{module}'" if module else "Empty module name"
        raise thrown("ValidationError", f"Failed to get method for command {command} with {why}")
    if request.user == GUEST:
        text = "<details><summary>You are not permitted to access this resource.</summary>"
        text += f"Function <strong>{command}</strong> is not whitelisted.</details>"
        raise thrown("PermissionError", text, title="Method Not Allowed")
    if command in WRITING and request.http_method == "GET":
        raise thrown("PermissionError", "Not permitted")
    return method(request)


def _message(value: Any) -> Answer:
    return {} if value is None else {"message": value}


# -- about the site and the user --------------------------------------------------------------------------------


def _logged_user(request: Call) -> Answer:
    return _message(request.user)


def _versions(request: Call) -> Answer:
    major = request.site.settings.version
    frappe, erpnext = ("15.55.1", "15.90.0") if major == 15 else (f"{major}.19.0", f"{major}.17.0")
    branch = f"version-{major}"
    apps = {
        "frappe": {"title": "Frappe Framework", "description": "Full stack web framework", "version": frappe},
        "erpnext": {"title": "ERPNext", "description": "ERP made simple", "version": erpnext},
        "payments": {"title": "Payments", "description": "Payments app for frappe", "version": "0.0.1"},
        "webshop": {"title": "Webshop", "description": "Open Source eCommerce Platform", "version": "0.0.1"},
        "medusa_integration": {"title": "Medusa Integration", "description": "Embedded sandbox", "version": "0.0.1"},
    }
    return _message({name: {**about, "branch": branch} for name, about in apps.items()})


def _roles(request: Call) -> Answer:
    uid = request.get("uid") or request.user
    known = next((user for user in request.site.users if user.name == uid), None)
    return _message(list(known.roles) if known else [])


def _time_zone(request: Call) -> Answer:
    return _message({"time_zone": request.site.time_zone})


def _has_permission(request: Call) -> Answer:
    doctype, perm_type = request.need("has_permission", "doctype")[0], request.get("perm_type") or READ
    return _message({"has_permission": request.site.may(request.user, doctype, perm_type)})


# -- frappe.client: reading -------------------------------------------------------------------------------------


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
    return _message(run(request.site, request.user, listed))


def _get_count(request: Call) -> Answer:
    (doctype,) = request.need("get_count", "doctype")
    if request.site.settings.version >= 16:
        request.site.check_list(request.user, doctype)
    return _message(count(request.site, doctype, request.get("filters")))


def _get(request: Call) -> Answer:
    (doctype,) = request.need("get", "doctype")
    name, filters = request.get("name"), parsed(request.get("filters"))
    meta = request.documents.meta(doctype)
    if not name and not meta.issingle:
        found = run(request.site, request.user, ListRequest(doctype, filters=filters, limit=1))
        if not found:
            raise thrown("DoesNotExistError", f"{doctype} not found")
        name = found[0]["name"]
    return _message(request.documents.load(doctype, name or doctype))


def _get_value(request: Call) -> Answer:
    doctype, fieldname = request.need("get_value", "doctype", "fieldname")
    site, meta = request.site, request.documents.meta(doctype)
    if not meta.istable and not site.may(request.user, doctype, READ):
        raise thrown("PermissionError", f"No permission for {doctype}")
    fields, filters = _json_or_text(fieldname), _json_or_text(request.get("filters"))
    fields = [fields] if isinstance(fields, str) else fields
    if meta.issingle:
        stored = site.store.single(doctype)
        return _message({key: stored.get(key) if stored.get(key) is not None else "" for key in sorted(fields)})
    filters = {"name": filters} if isinstance(filters, str) else filters
    listed = ListRequest(doctype, fields=fields, filters=filters, limit=1, parent=request.get("parent"))
    found = run(site, request.user, listed)
    return _message(found[0] if found else {})


def _get_single_value(request: Call) -> Answer:
    doctype, fieldname = request.need("get_single_value", "doctype", "field")
    if not request.site.may(request.user, doctype, READ):
        raise thrown("PermissionError", f"No permission for {doctype}")
    return _message(request.site.store.single(doctype).get(fieldname))


def _json_or_text(value: Any) -> Any:
    try:
        return parsed(value)
    except ValueError:
        return value


# -- frappe.client: writing -------------------------------------------------------------------------------------


def _insert(request: Call) -> Answer:
    doc = parsed(request.need("insert", "doc")[0])
    with request.site.store.transaction():
        return _message(request.documents.insert(doc["doctype"], doc))


def _insert_many(request: Call) -> Answer:
    docs = parsed(request.need("insert_many", "docs")[0])
    if len(docs) > MAX_INSERTS:
        raise thrown("ValidationError", f"Only {MAX_INSERTS} inserts allowed in one request")
    with request.site.store.transaction():
        return _message([request.documents.insert(doc["doctype"], doc)["name"] for doc in docs])


def _set_value(request: Call) -> Answer:
    doctype, name, fieldname = request.need("set_value", "doctype", "name", "fieldname")
    values = _json_or_text(fieldname)
    if not isinstance(values, dict):
        values = {values: request.get("value")}
    if STANDARD_FIELDS & values.keys():
        raise thrown("ValidationError", "Cannot edit standard fields")
    with request.site.store.transaction():
        return _message(request.documents.update(doctype, name, values))


def _save(request: Call) -> Answer:
    """The document as it is given, whole: a field or table that is left out is emptied."""
    doc = parsed(request.need("save", "doc")[0])
    meta = request.documents.meta(doc["doctype"])
    never = "0001-01-01 00:00:00"  # a document without `modified` is never the latest
    whole = {**dict.fromkeys(meta.fields), **doc, "modified": doc.get("modified") or never}
    with request.site.store.transaction():
        return _message(request.documents.update(doc["doctype"], doc["name"], whole))


def _delete(request: Call) -> Answer:
    doctype, name = request.need("delete", "doctype", "name")
    request.documents.delete(doctype, name)
    return {}


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


# -- mails ------------------------------------------------------------------------------------------------------


def _send_now(request: Call) -> Answer:
    (name,) = request.need("send_now", "name")
    erp_mail.send_now(request.site, request.user, name)
    return {}


def _toggle_sending(request: Call) -> Answer:
    request.site.settings.sending_suspended = not to_int(request.get("enable"))
    return {}


def _run_doc_method(request: Call) -> Answer:
    doctype, name, method = request.get("dt"), request.get("dn"), request.get("method")
    if (doctype, method) != ("Email Queue", "retry_sending"):
        raise thrown("PermissionError", f"Function <strong>{method}</strong> is not whitelisted.")
    return {"docs": [erp_mail.retry_sending(request.site, request.user, str(name))]}


# -- files ------------------------------------------------------------------------------------------------------


def _upload_file(request: Call) -> Answer:
    upload = request.uploads.get("file")
    if upload is None:
        raise thrown("ValidationError", "Missing file content")
    private = to_int(request.get("is_private"))
    url = f"{'/private' if private else ''}/files/{upload.filename}"
    extension = upload.filename.rpartition(".")[2].lower()
    values = {
        "file_name": upload.filename,
        "is_private": private,
        "file_type": IMAGE_TYPES.get(extension, extension.upper()),
        "file_size": len(upload.content),
        "file_url": url,
        "folder": request.get("folder") or "Home",
        "attached_to_doctype": request.get("doctype"),
        "attached_to_name": request.get("docname"),
        "attached_to_field": request.get("fieldname"),
        # Frappe's own choice for finding equal files; nothing secret hangs on it.
        "content_hash": hashlib.md5(upload.content, usedforsecurity=False).hexdigest(),
    }
    with request.site.store.transaction():
        document = request.documents.insert("File", values)
        request.site.store.put_file(url, upload.content)
    return _message({key: value for key, value in document.items() if value is not None})


# -- the Server Script ------------------------------------------------------------------------------------------


def _script_installed(site: Site) -> bool:
    if not site.settings.server_script_enabled:
        return False
    return bool(site.store.count("Server Script", script_type="API", api_method=SET_VALUES, disabled=0))


def _set_values(request: Call) -> Answer:
    return _message(set_values(request.site, request.user, request.get("doctype"), request.get("rows")))


def _get_doctype(request: Call) -> Answer:
    """frappe.desk.form.load.getdoctype: a DocType's fields, custom ones included."""
    (doctype,) = request.need("getdoctype", "doctype")
    meta = request.site.store.schema.get(doctype)
    if meta is None:
        raise thrown_doctype(request.site, doctype)
    fields = [
        {"fieldname": df.fieldname, "fieldtype": df.fieldtype, "label": df.label, "options": df.options}
        for df in meta.fields.values()
    ]
    return {"docs": [{"doctype": "DocType", "name": doctype, "istable": int(meta.istable), "fields": fields}]}


METHODS: dict[str, Callable[[Call], Answer]] = {
    "frappe.auth.get_logged_user": _logged_user,
    "frappe.client.bulk_update": _bulk_update,
    "frappe.client.delete": _delete,
    "frappe.client.get": _get,
    "frappe.client.get_count": _get_count,
    "frappe.client.get_list": _get_list,
    "frappe.client.get_single_value": _get_single_value,
    "frappe.client.get_time_zone": _time_zone,
    "frappe.client.get_value": _get_value,
    "frappe.client.has_permission": _has_permission,
    "frappe.client.insert": _insert,
    "frappe.client.insert_many": _insert_many,
    "frappe.client.save": _save,
    "frappe.client.set_value": _set_value,
    "frappe.core.doctype.user.user.get_roles": _roles,
    "frappe.desk.form.load.getdoctype": _get_doctype,
    "frappe.email.doctype.email_queue.email_queue.send_now": _send_now,
    "frappe.email.doctype.email_queue.email_queue.toggle_sending": _toggle_sending,
    "frappe.utils.change_log.get_versions": _versions,
    "run_doc_method": _run_doc_method,
    "upload_file": _upload_file,
}
WRITING = frozenset(
    {
        "frappe.client.bulk_update", "frappe.client.delete", "frappe.client.insert", "frappe.client.insert_many",
        "frappe.client.save", "frappe.client.set_value",
    }
)  # fmt: skip
