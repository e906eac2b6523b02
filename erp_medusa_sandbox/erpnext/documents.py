"""Documents: reading a whole one, and the steps of an insert, an update and a deletion.

Load, insert, update and delete as frappe.model.document does them, child tables included. Single checks belong to
`checks.py`, names to `naming.py`, what one DocType does on top to `controllers.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from erp_medusa_sandbox.erpnext.checks import (
    check_latest,
    check_mandatory,
    check_submitted,
    check_unique,
    check_unlinked,
    check_values,
    fetch_and_check_links,
)
from erp_medusa_sandbox.erpnext.columns import cast, checked_by_database
from erp_medusa_sandbox.erpnext.errors import ErpError, duplicate, no_route, not_found, thrown
from erp_medusa_sandbox.erpnext.naming import default_value, new_name
from erp_medusa_sandbox.erpnext.permissions import CREATE, DELETE, READ, WRITE
from erp_medusa_sandbox.erpnext.query import thrown_doctype
from erp_medusa_sandbox.erpnext.schema import CHILD_STANDARD, STANDARD, DocType, Field
from erp_medusa_sandbox.erpnext.site import Site
from erp_medusa_sandbox.erpnext.store import new_hash, table

NOT_COPIED = frozenset({*STANDARD, *CHILD_STANDARD, "doctype", "docname"})
Doc = dict[str, Any]


@dataclass
class Save:
    """One insert or update in progress: `old` is None for an insert, `values` is what the request sent."""

    documents: Documents
    meta: DocType
    old: Doc | None
    doc: Doc
    values: Doc
    changed: set[str] = field(default_factory=set)
    """Fields that the request named; all of them while inserting."""


class Controller:
    """What a DocType does on top of a plain save. The base does nothing."""

    def before_insert(self, save: Save) -> None:
        """Run before the new document has a name."""

    def validate(self, save: Save) -> None:
        """Run after links are checked and before values are."""

    def after_save(self, save: Save) -> None:
        """Run when the row and its children are written, inside the transaction."""

    def before_delete(self, documents: Documents, row: Doc) -> None:
        """Run before a document is deleted."""

    def check_unlinked(self, documents: Documents, row: Doc) -> None:
        """Refuse to delete what another document links to."""
        check_unlinked(documents.site.store, row["doctype"], row["name"])

    def after_delete(self, documents: Documents, row: Doc) -> None:
        """Run after a document was deleted, inside the transaction."""


PLAIN = Controller()


@dataclass(frozen=True)
class Documents:
    """The documents of a site, as one user may access them."""

    site: Site
    user: str
    controllers: Mapping[str, Controller]
    messages: list[dict[str, Any]] = field(default_factory=list)
    """Messages to the user, whether a save succeeds or not."""

    # -- reading -----------------------------------------------------------------------------------------------

    def meta(self, doctype: str) -> DocType:
        """Return a DocType, or raise Frappe's error for an unknown one."""
        meta = self.site.store.schema.get(doctype)
        if meta is None:
            if "+" in doctype:
                module = doctype.lower().replace(" ", "_")
                raise ErpError("ImportError", f"No module named 'frappe.core.doctype.{module}'", shown_as="Error")
            raise thrown_doctype(self.site, doctype)
        return meta

    def load(self, doctype: str, name: str, *, checked: bool = True) -> Doc:
        """Return the whole document with its child rows; missing values are None."""
        meta, store = self.meta(doctype), self.site.store
        with store.lock:
            row = self._single(meta) if meta.issingle else self._row(meta, name)
            row["doctype"] = doctype
            for fieldname, rows in store.children(doctype, row["name"]).items():
                child = store.schema[meta.fields[fieldname].options or ""]
                row[fieldname] = [{**{key: item[key] for key in child.columns}, "doctype": child.name} for item in rows]
        if checked:
            self.site.check_document(self.user, _owner(meta, row), row["name"], READ, explain=False)
        _mask_passwords(meta, row)
        return row

    def _single(self, meta: DocType) -> Doc:
        stored = self.site.store.single(meta.name)
        row = {column: stored.get(column, _empty(meta, column)) for column in meta.columns}
        owner, idx = stored.get("owner") or self.user, stored.get("idx") or 0
        return {**row, "name": meta.name, "owner": owner, "docstatus": 0, "idx": idx}

    def _row(self, meta: DocType, name: str) -> Doc:
        found = self.site.store.get(meta.name, name)
        if found is None:
            raise not_found(meta.name, name)
        return {column: found[column] for column in meta.columns}

    # -- writing -----------------------------------------------------------------------------------------------

    def insert(self, doctype: str, values: Doc) -> Doc:
        """Create a document and return it whole."""
        meta, store = self.meta(doctype), self.site.store
        self.site.check_document(self.user, doctype, str(values.get("name") or ""), CREATE)
        doc = self._new_doc(meta, values)
        save = Save(self, meta, None, doc, values, set(meta.fields))
        with store.transaction():
            self._controller(meta).before_insert(save)
            doc["name"] = new_name(self.site, meta, doc, values)
            self._check(save)
            if store.get(doctype, doc["name"]) is not None:
                raise duplicate(doctype, doc["name"])
            self._write(meta, doc, new=True)
            self._write_children(meta, doc, {df.fieldname for df in meta.tables})
            self._controller(meta).after_save(save)
        return doc

    def _new_doc(self, meta: DocType, values: Doc) -> Doc:
        now = self.site.now()
        doc: Doc = dict.fromkeys(meta.columns)
        doc.update({df.fieldname: default_value(self.site, df) for df in meta.fields.values() if not df.is_table})
        doc.update({key: values[key] for key in doc if key in values and (key not in NOT_COPIED or key in meta.fields)})
        doc.update(owner=self.user, creation=now, modified=now, modified_by=self.user)
        doc.update(docstatus=0, idx=0, doctype=meta.name)
        doc.update({df.fieldname: self._new_rows(df, values.get(df.fieldname)) for df in meta.tables})
        return doc

    def update(self, doctype: str, name: str, values: Doc, *, checked: bool = True) -> Doc:
        """Change a document and return it whole, as Document.update(values).save() does.

        Runs in the caller's transaction and keeps no savepoint: what was written before an error stays written until
        the caller rolls back, as in Frappe.
        """
        meta = self.meta(doctype)
        old = self.load(doctype, name, checked=False)
        if checked:
            self.site.check_document(self.user, _owner(meta, old), old["name"], WRITE)
        if old["docstatus"] == 2:
            raise ErpError("ValidationError", "Cannot edit cancelled document")
        save = self._changed(meta, old, values)
        self._check(save)
        if old["docstatus"] == 1:
            check_submitted(meta, old, save.doc, save.changed)
        self._write(meta, save.doc, new=False)
        self._write_children(meta, save.doc, {key for key in save.changed if meta.fields[key].is_table})
        self._controller(meta).after_save(save)
        _mask_passwords(meta, save.doc)
        return save.doc

    def _changed(self, meta: DocType, old: Doc, values: Doc) -> Save:
        now = self.site.now()
        check_latest(old, values, now)
        doc, changed = {**old}, {key for key in meta.fields if key in values}
        for key in changed:
            df = meta.fields[key]
            doc[key] = self._given_rows(df, values[key]) if df.is_table else values[key]
        doc.update(modified=now, modified_by=self.user)
        return Save(self, meta, old, doc, values, changed)

    def delete(self, doctype: str, name: str) -> None:
        """Delete a document, which remains readable as a Deleted Document."""
        meta, store = self.meta(doctype), self.site.store
        with store.transaction():
            row = store.get(doctype, name)
            if row is None:
                raise no_route()
            row["doctype"], name = doctype, row["name"]
            self._check_deletable(meta, row)
            self._controller(meta).before_delete(self, row)
            self._controller(meta).check_unlinked(self, row)
            last = self.load(doctype, name, checked=False)
            store.delete(doctype, name)
            store.insert(
                "Deleted Document",
                name=new_hash(),
                deleted_doctype=doctype,
                deleted_name=name,
                data=json.dumps(last, default=str),
                restored=0,
                owner=self.user,
                creation=self.site.now(),
            )
            store.execute(
                'DELETE FROM "tabFile" WHERE attached_to_doctype = ? AND attached_to_name = ?', (doctype, name)
            )
            self._controller(meta).after_delete(self, row)

    def _check_deletable(self, meta: DocType, row: Doc) -> None:
        if not self.site.may_document(self.user, _owner(meta, row), row, DELETE):
            why = self.site.refusal(self.user, _owner(meta, row), row)
            refused = thrown("PermissionError", f"User not allowed to delete {meta.name}: {row['name']}")
            refused.messages[:0] = why.messages
            raise refused

    def _controller(self, meta: DocType) -> Controller:
        return self.controllers.get(meta.name, PLAIN)

    def _check(self, save: Save) -> None:
        try:
            self._check_all(save)
        except ErpError as error:
            error.messages[:0] = self.messages
            raise

    def _check_all(self, save: Save) -> None:
        """All checks, in Frappe's order."""
        meta, doc, rows = save.meta, save.doc, self._child_rows(save.meta, save.doc)
        missing = fetch_and_check_links(self.site.store, meta, doc, "")
        for child, row in rows:
            missing += fetch_and_check_links(self.site.store, child, row, f"Row #{row['idx']}: ")
        if missing:
            raise thrown("LinkValidationError", "Could not find " + ", ".join(missing))
        self._controller(meta).validate(save)
        check_mandatory(meta, doc, save.changed)
        for part, row in [(meta, doc), *rows]:
            check_values(part, row, save.changed if part is meta else set(part.fields))

    # -- rows of child tables ----------------------------------------------------------------------------------

    def _child_rows(self, meta: DocType, doc: Doc) -> list[tuple[DocType, Doc]]:
        schema = self.site.store.schema
        return [(schema[df.options or ""], row) for df in meta.tables for row in doc.get(df.fieldname) or []]

    def _given_rows(self, df: Field, given: Any) -> list[Doc]:
        """Return the rows that a request sent: those with a name are existing rows, the others are new."""
        child, rows = self.site.store.schema[df.options or ""], []
        for idx, item in enumerate(given or [], start=1):
            item["doctype"] = child.name  # Frappe turns the request's own dicts into rows; answers quote them so
            new = not item.get("name")
            row: Doc = dict.fromkeys(child.columns)
            if new:
                row.update({f.fieldname: default_value(self.site, f) for f in child.fields.values() if not f.is_table})
            row.update({key: item[key] for key in row if key in item})
            row.update(idx=idx, docstatus=row.get("docstatus") or 0, doctype=child.name)
            if new:
                row["__unsaved"] = 1
            rows.append(row)
        return rows

    def _new_rows(self, df: Field, given: Any) -> list[Doc]:
        rows = self._given_rows(df, given)
        for row in rows:
            row.update(name=None, __unsaved=1)
        return rows

    def _write_children(self, meta: DocType, doc: Doc, tables: set[str]) -> None:
        for df in meta.tables:
            child = self.site.store.schema[df.options or ""]
            if not child.fields:
                continue  # known by name only, and always empty
            if df.fieldname in tables:
                self._replace_rows(meta, doc, df, child)
            else:
                self._touch_rows(meta, doc, df, child)

    def _touch_rows(self, meta: DocType, doc: Doc, df: Field, child: DocType) -> None:
        self.site.store.execute(
            f"UPDATE {table(child.name)} SET modified = ?, modified_by = ? "  # noqa: S608
            "WHERE parent = ? AND parenttype = ? AND parentfield = ?",
            (doc["modified"], self.user, doc["name"], meta.name, df.fieldname),
        )
        for row in doc.get(df.fieldname) or []:
            row.update(modified=doc["modified"], modified_by=self.user)

    def _replace_rows(self, meta: DocType, doc: Doc, df: Field, child: DocType) -> None:
        rows = doc[df.fieldname]
        kept = [row["name"] for row in rows if row["name"]]
        self.site.store.execute(
            f"DELETE FROM {table(child.name)} WHERE parent = ? AND parenttype = ? AND parentfield = ? "  # noqa: S608
            f"AND name NOT IN ({', '.join('?' * len(kept))})",
            (doc["name"], meta.name, df.fieldname, *kept),
        )
        for row in rows:
            row.update(parent=doc["name"], parentfield=df.fieldname, parenttype=meta.name, modified_by=self.user)
            row["modified"] = doc["modified"]
            if not row["name"]:
                now = self.site.now()
                row.update(name=new_hash(), owner=self.user, creation=now, modified=now)
            self._write(child, row, new="__unsaved" in row)

    # -- one row into the store --------------------------------------------------------------------------------

    def _write(self, meta: DocType, doc: Doc, *, new: bool) -> None:
        store, stored = self.site.store, {}
        for column in meta.columns:
            df = meta.fields.get(column)
            stored[column] = doc[column] = cast(meta, column, doc.get(column))
            stored[column] = checked_by_database(meta, column, doc[column])
            if df and df.unique and stored[column] not in (None, ""):
                check_unique(store, meta, doc["name"], df, stored[column])
        if meta.issingle:
            stored = {key: value for key, value in stored.items() if key not in ("name", "creation", "docstatus")}
            store.set(meta.name, meta.name, **{**stored, "idx": "0"})
        elif new:
            store.insert(meta.name, **stored)
        else:
            # A kept child row that came without its creation keeps the stored one.
            stored = {key: value for key, value in stored.items() if key != "name" and not _unsent(key, value)}
            store.set(meta.name, doc["name"], **stored)


def public(doc: Doc) -> Doc:
    """Return a document as /api/resource answers it: without its empty fields."""
    found: Doc = {}
    for key, value in doc.items():
        if isinstance(value, list):
            found[key] = [public(row) if isinstance(row, dict) else row for row in value]
        elif value is not None:
            found[key] = value
    return found


def _owner(meta: DocType, row: Doc) -> str:
    """The DocType whose permissions count: a child row's are its parent's."""
    return row.get("parenttype") or meta.name if meta.istable else meta.name


def _mask_passwords(meta: DocType, row: Doc) -> None:
    for df in meta.fields.values():
        if df.fieldtype == "Password" and row.get(df.fieldname):
            row[df.fieldname] = "*" * len(str(row[df.fieldname]))


def _empty(meta: DocType, column: str) -> Any:
    return cast(meta, column, None) if column in meta.fields else None


def _unsent(column: str, value: Any) -> bool:
    return value is None and column in ("owner", "creation", *CHILD_STANDARD)
