"""Renaming documents, and bringing deleted ones back.

`frappe.client.rename_doc` and the Deleted Document's restore. Insert, update and delete belong to `documents.py`.
"""

from __future__ import annotations

import json

from erp_medusa_sandbox.erpnext.calls import Answer, Call, message
from erp_medusa_sandbox.erpnext.errors import message_keys, not_found, thrown
from erp_medusa_sandbox.erpnext.permissions import WRITE
from erp_medusa_sandbox.erpnext.schema import DocType
from erp_medusa_sandbox.erpnext.store import ErpStore, new_hash, table
from erp_medusa_sandbox.erpnext.values import to_int

NOT_RENAMED = frozenset({"Website Item"})
# What a rename moves `modified` on; what points at the document keeps it.
MOVES_MODIFIED = frozenset({"Item"})


def _rename_doc(request: Call) -> Answer:
    """Give a document another name; what links to it follows without a save. Seen afterwards as a Comment."""
    doctype, old, new = (str(value) for value in request.need("rename_doc", "doctype", "old_name", "new_name"))
    site, meta, merge = request.site, request.documents.meta(doctype), to_int(request.get("merge"))
    store = site.store
    row = store.get(doctype, old)
    if row is None:
        raise not_found(doctype, old)
    old = row["name"]
    site.check_document(request.user, doctype, old, WRITE)
    _check_new_name(store, meta, old, new, merge=bool(merge))
    with store.transaction():
        if merge:
            store.delete(doctype, old)
        else:
            _rename_row(request, meta, old, new)
        for other, df in store.schema.links_to(doctype):
            if not other.issingle:
                store.execute(
                    f'UPDATE {table(other.name)} SET "{df.fieldname}" = ? WHERE "{df.fieldname}" = ?',  # noqa: S608
                    (new, old),
                )
        word = "merged" if merge else "renamed"
        text = f"{word} from <strong>{old}</strong> to <strong>{new}</strong>"
        about = {"comment_type": "Edit", "comment_email": request.user, "reference_doctype": doctype}
        store.insert("Comment", name=new_hash(), content=text, reference_name=new, **about, creation=site.now())
    output = f"Document renamed from <strong>{old}</strong> to <strong>{new}</strong>"
    return {**message(new), **message_keys([{"message": output, "title": "Message", "indicator": "green"}], None)}


def _check_new_name(store: ErpStore, meta: DocType, old: str, new: str, *, merge: bool) -> None:
    if meta.name in NOT_RENAMED:
        raise thrown("ValidationError", f"{meta.name} not allowed to be renamed")
    if old == new:
        raise thrown("ValidationError", "No changes made because old and new name are the same.")
    exists = store.get(meta.name, new) is not None
    if exists and not merge:
        raise thrown("ValidationError", f"Another {meta.name} with name {new} exists, select another name")
    if merge and not exists:
        raise thrown("ValidationError", f"{meta.name} {new} does not exist, select a new target to merge")


def _rename_row(request: Call, meta: DocType, old: str, new: str) -> None:
    store = request.site.store
    rule = meta.autoname or ""
    if rule.startswith("field:"):
        store.set(meta.name, old, **{rule.removeprefix("field:"): new})
    if meta.name in MOVES_MODIFIED:
        store.set(meta.name, old, modified=request.site.now(), modified_by=request.user)
    store.execute(f"UPDATE {table(meta.name)} SET name = ? WHERE name = ?", (new, old))  # noqa: S608
    for df in meta.tables:
        store.execute(
            f"UPDATE {table(df.options or '')} SET parent = ? WHERE parent = ? AND parenttype = ?",  # noqa: S608
            (new, old, meta.name),
        )
    store.execute(
        'UPDATE "tabFile" SET attached_to_name = ? WHERE attached_to_name = ? AND attached_to_doctype = ?',
        (new, old, meta.name),
    )


def _restore(request: Call) -> Answer:
    """Insert a deleted document again; one whose name is a number of a series gets a new one."""
    (name,) = request.need("restore", "name")
    site, documents = request.site, request.documents
    deleted = documents.load("Deleted Document", str(name))
    if deleted["restored"]:
        raise thrown("DocumentAlreadyRestored", f"Document {deleted['name']} Already Restored")
    doctype, values = deleted["deleted_doctype"], json.loads(deleted["data"])
    with site.store.transaction():
        made = documents.insert(
            doctype, {key: value for key, value in values.items() if key not in ("modified", "idx")}
        )
        site.store.set("Deleted Document", deleted["name"], restored=1, new_name=made["name"])
    return message_keys([{"message": "Document Restored", "title": "Message", "indicator": "green"}], None)


METHODS = {
    "frappe.client.rename_doc": _rename_doc,
    "frappe.core.doctype.deleted_document.deleted_document.restore": _restore,
}
