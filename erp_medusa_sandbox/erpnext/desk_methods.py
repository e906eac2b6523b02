"""What a client asks about the site and itself, and the desk's mails and files.

Arguments in, answer out. Mails are sent by `mail.py`.
"""

from __future__ import annotations

import hashlib

from erp_medusa_sandbox.erpnext import mail
from erp_medusa_sandbox.erpnext.calls import Answer, Call, message
from erp_medusa_sandbox.erpnext.errors import ErpError, thrown
from erp_medusa_sandbox.erpnext.permissions import READ, roles_of
from erp_medusa_sandbox.erpnext.query import thrown_doctype
from erp_medusa_sandbox.erpnext.store import new_hash
from erp_medusa_sandbox.erpnext.values import to_int

IMAGE_TYPES = {"jpeg": "JPG"}


def _logged_user(request: Call) -> Answer:
    return message(request.user)


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
    return message({name: {**about, "branch": branch} for name, about in apps.items()})


def _roles(request: Call) -> Answer:
    if "uid" not in request.arguments:
        raise ErpError("KeyError", "'uid'")
    return message(roles_of(request.site.store, str(request.get("uid"))))


def _time_zone(request: Call) -> Answer:
    return message({"time_zone": request.site.time_zone})


def _has_permission(request: Call) -> Answer:
    doctype, perm_type = request.need("has_permission", "doctype")[0], request.get("perm_type") or READ
    request.documents.meta(str(doctype))
    return message({"has_permission": request.site.may(request.user, doctype, perm_type)})


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


def _send_now(request: Call) -> Answer:
    (name,) = request.need("send_now", "name")
    mail.send_now(request.site, request.user, name)
    return {}


def _make_mail(request: Call) -> Answer:
    """A mail from the desk: its Communication, which is not kept here, and its row in the Email Queue."""
    wanted = {name: str(request.get(name) or "") for name in ("recipients", "subject", "content", "sender")}
    communication = new_hash()
    if to_int(request.get("send_email")):
        row = mail.queue(request.site, request.user, communication, wanted)
        if to_int(request.get("now")):
            mail.send_now(request.site, request.user, row)
    return message({"name": communication, "emails_not_sent_to": ""})


def _toggle_sending(request: Call) -> Answer:
    request.site.settings.sending_suspended = not to_int(request.get("enable"))
    return {}


def _run_doc_method(request: Call) -> Answer:
    doctype, name, method = request.get("dt"), request.get("dn"), request.get("method")
    if (doctype, method) != ("Email Queue", "retry_sending"):
        raise thrown("PermissionError", f"Function <strong>{method}</strong> is not whitelisted.")
    return {"docs": [mail.retry_sending(request.site, request.user, str(name))]}


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
    return message({key: value for key, value in document.items() if value is not None})


METHODS = {
    "frappe.auth.get_logged_user": _logged_user,
    "frappe.client.get_time_zone": _time_zone,
    "frappe.client.has_permission": _has_permission,
    "frappe.core.doctype.communication.email.make": _make_mail,
    "frappe.core.doctype.user.user.get_roles": _roles,
    "frappe.desk.form.load.getdoctype": _get_doctype,
    "frappe.email.doctype.email_queue.email_queue.send_now": _send_now,
    "frappe.email.doctype.email_queue.email_queue.toggle_sending": _toggle_sending,
    "frappe.utils.change_log.get_versions": _versions,
    "run_doc_method": _run_doc_method,
    "upload_file": _upload_file,
}
