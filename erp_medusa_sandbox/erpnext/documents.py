"""Documents: reading a whole one, and what a save checks, fetches, changes and refuses.

Belongs here: load, insert, update and delete as frappe.model.document does them, child tables included. What single
DocTypes do on top belongs to `controllers.py`, routes to `app.py`, methods to `methods.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from erp_medusa_sandbox.erpnext import controllers as erp_controllers
from erp_medusa_sandbox.erpnext.errors import (
    ErpError,
    duplicate,
    no_route,
    not_found,
    not_unique,
    thrown,
    wrong_value,
)
from erp_medusa_sandbox.erpnext.query import thrown_doctype
from erp_medusa_sandbox.erpnext.schema import CHILD_STANDARD, SHORT_TYPES, STANDARD, DocType, Field
from erp_medusa_sandbox.erpnext.site import CREATE, DELETE, READ, WRITE, Site
from erp_medusa_sandbox.erpnext.store import new_hash, table
from erp_medusa_sandbox.erpnext.values import canonical_date, canonical_datetime, to_float, to_int

MAX_SHORT = 140
NOT_COPIED = frozenset({*STANDARD, *CHILD_STANDARD, "doctype", "docname"})
Doc = dict[str, Any]


@dataclass(frozen=True)
class Documents:
    """The documents of a site, as one user meets them."""

    site: Site
    user: str

    # -- reading -----------------------------------------------------------------------------------------------

    def meta(self, doctype: str) -> DocType:
        meta = self.site.store.schema.get(doctype)
        if meta is None:
            if "+" in doctype:
                module = doctype.lower().replace(" ", "_")
                raise ErpError("ImportError", f"No module named 'frappe.core.doctype.{module}'", shown_as="Error")
            raise thrown_doctype(self.site, doctype)
        return meta

    def load(self, doctype: str, name: str, *, checked: bool = True) -> Doc:
        """The whole document with its child rows; missing values are None."""
        meta = self.meta(doctype)
        store = self.site.store
        with store.lock:
            if meta.issingle:
                name, stored = doctype, store.single(doctype)
                row = {column: stored.get(column, _empty(meta, column)) for column in meta.columns}
                owner, idx = stored.get("owner") or self.user, stored.get("idx") or 0
                row.update(name=doctype, owner=owner, docstatus=0, idx=idx)
            else:
                found = store.get(doctype, name)
                if found is None:
                    raise not_found(doctype, name)
                row, name = {column: found[column] for column in meta.columns}, found["name"]
            row["doctype"] = doctype
            for fieldname, rows in store.children(doctype, name).items():
                child = self.site.store.schema[meta.fields[fieldname].options or ""]
                row[fieldname] = [{**{key: item[key] for key in child.columns}, "doctype": child.name} for item in rows]
        if checked:
            self.site.check_document(self.user, self._owner(meta, row), name, READ, explain=False)
        for df in meta.fields.values():
            if df.fieldtype == "Password" and row.get(df.fieldname):
                row[df.fieldname] = "*" * len(row[df.fieldname])
        return row

    def _owner(self, meta: DocType, row: Doc) -> str:
        """The DocType whose permissions count: a child row's are its parent's."""
        return row.get("parenttype") or meta.name if meta.istable else meta.name

    # -- writing -----------------------------------------------------------------------------------------------

    def insert(self, doctype: str, values: Doc) -> Doc:
        meta, store = self.meta(doctype), self.site.store
        self.site.check_document(self.user, doctype, str(values.get("name") or ""), CREATE)
        now = self.site.now()
        doc: Doc = dict.fromkeys(meta.columns)
        doc.update({df.fieldname: self._default(df) for df in meta.fields.values() if not df.is_table})
        doc.update({key: values[key] for key in doc if key in values and key not in NOT_COPIED})
        doc.update(owner=self.user, creation=now, modified=now, modified_by=self.user)
        doc.update(docstatus=0, idx=0, doctype=doctype)
        doc.update({df.fieldname: self._new_rows(df, values.get(df.fieldname)) for df in meta.tables})
        with store.transaction():
            erp_controllers.before_insert(self, meta, doc, values)
            doc["name"] = self._new_name(meta, doc, values)
            self._check(meta, doc, changed=set(meta.fields))
            if store.get(doctype, doc["name"]) is not None:
                raise duplicate(doctype, doc["name"])
            self._write(meta, doc, new=True)
            self._write_children(meta, doc, {df.fieldname for df in meta.tables})
            erp_controllers.after_save(self, meta, None, doc)
        return doc

    def update(self, doctype: str, name: str, values: Doc, *, checked: bool = True) -> Doc:
        """Document.update(values).save(): the whole document as it is afterwards.

        Runs in the caller's transaction and keeps no savepoint: what was written before an error stays written until
        the caller rolls back, as in Frappe.
        """
        meta = self.meta(doctype)
        old = self.load(doctype, name, checked=False)
        doc, name = {**old}, old["name"]
        if checked:
            self.site.check_document(self.user, self._owner(meta, old), name, WRITE)
        if old["docstatus"] == 2:
            raise ErpError("ValidationError", "Cannot edit cancelled document")
        now = self.site.now()
        self._check_latest(old, values, now)
        changed = {key for key in meta.fields if key in values}
        doc.update({key: values[key] for key in changed if not meta.fields[key].is_table})
        tables = {key for key in changed if meta.fields[key].is_table}
        for fieldname in tables:
            doc[fieldname] = self._given_rows(meta.fields[fieldname], values[fieldname])
        doc.update(modified=now, modified_by=self.user)
        erp_controllers.before_save(self, meta, old, doc, changed)
        self._check(meta, doc, changed)
        if old["docstatus"] == 1:
            self._check_submitted(meta, old, doc, changed)
        self._write(meta, doc, new=False)
        self._write_children(meta, doc, tables)
        erp_controllers.after_save(self, meta, old, doc)
        for df in meta.fields.values():
            if df.fieldtype == "Password" and doc.get(df.fieldname):
                doc[df.fieldname] = "*" * len(str(doc[df.fieldname]))
        return doc

    def delete(self, doctype: str, name: str) -> None:
        meta, store = self.meta(doctype), self.site.store
        with store.transaction():
            row = store.get(doctype, name)
            if row is None:
                raise no_route()
            name = row["name"]
            self.site.check_document(self.user, self._owner(meta, row), name, DELETE)
            self._check_unlinked(doctype, name)
            erp_controllers.before_delete(self, meta, row)
            last = self.load(doctype, name, checked=False)
            store.delete(doctype, name)
            now = self.site.now()
            store.insert(
                "Deleted Document",
                name=new_hash(),
                deleted_doctype=doctype,
                deleted_name=name,
                data=json.dumps(last, default=str),
                restored=0,
                owner=self.user,
                creation=now,
            )

    # -- checks, in Frappe's order -----------------------------------------------------------------------------

    def _check_latest(self, old: Doc, values: Doc, now: str) -> None:
        given = values.get("modified")
        if not given or (canonical_datetime(given) or given) == canonical_datetime(old["modified"] or ""):
            return
        text = f"Error: Document has been modified after you have opened it ({old['modified']}, {now}). "
        raise thrown("TimestampMismatchError", text + "Please refresh to get the latest document.")

    def _check(self, meta: DocType, doc: Doc, changed: set[str]) -> None:
        rows = [(child, row) for child, row in self._child_rows(meta, doc)]
        missing = self._fetch_and_check_links(meta, doc, "")
        for child, row in rows:
            missing += self._fetch_and_check_links(child, row, f"Row #{row['idx']}: ")
        if missing:
            raise thrown("LinkValidationError", "Could not find " + ", ".join(missing))
        erp_controllers.validate(self, meta, doc)
        self._check_mandatory(meta, doc, changed)
        for part, row in [(meta, doc), *rows]:
            self._check_values(part, row, changed if part is meta else set(part.fields))

    def _fetch_and_check_links(self, meta: DocType, doc: Doc, prefix: str) -> list[str]:
        store, missing = self.site.store, []
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

    def _check_mandatory(self, meta: DocType, doc: Doc, changed: set[str]) -> None:
        # Rows that were seeded without checks stay writable: only what this request touches is looked at.
        empty = [df for df in meta.fields.values() if df.reqd and df.fieldname in changed and _is_empty(doc, df)]
        if empty:
            text = f"[{meta.name}, {doc['name']}]: {', '.join(df.fieldname for df in empty)}"
            shown = [
                {"message": f"Error: Value missing for {meta.name}: {df.label}", "title": "Message"} for df in empty
            ]
            raise ErpError("MandatoryError", text, messages=shown)

    def _check_values(self, meta: DocType, doc: Doc, changed: set[str]) -> None:
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

    def _check_submitted(self, meta: DocType, old: Doc, doc: Doc, changed: set[str]) -> None:
        for fieldname in changed:
            if doc.get(fieldname) != old.get(fieldname) and not meta.fields[fieldname].is_table:
                label = meta.fields[fieldname].label
                before, after = old.get(fieldname), doc.get(fieldname)
                text = f" Not allowed to change <strong>{label}</strong> after submission "
                text += f"from <strong>{before}</strong> to <strong>{after}</strong>"
                raise thrown("UpdateAfterSubmitError", text, title="Cannot Update After Submit")

    def _check_unlinked(self, doctype: str, name: str) -> None:
        for meta, df in self.site.store.schema.links_to(doctype):
            if meta.issingle:
                continue
            holder = "parent, parenttype" if meta.istable else f"name AS parent, '{meta.name}' AS parenttype"
            sql = f'SELECT {holder} FROM {table(meta.name)} WHERE "{df.fieldname}" = ? LIMIT 1'  # noqa: S608
            for row in self.site.store.sql(sql, (name,)):
                if (row["parenttype"], row["parent"]) == (doctype, name):
                    continue
                own, other = _anchor(doctype, name), _anchor(row["parenttype"], row["parent"])
                raise thrown("LinkExistsError", f"Cannot delete or cancel because {own} is linked with {other} ")

    # -- rows of child tables ----------------------------------------------------------------------------------

    def _child_rows(self, meta: DocType, doc: Doc) -> list[tuple[DocType, Doc]]:
        schema = self.site.store.schema
        return [(schema[df.options or ""], row) for df in meta.tables for row in doc.get(df.fieldname) or []]

    def _given_rows(self, df: Field, given: Any) -> list[Doc]:
        """Rows as a request sent them: those with a name are kept, the others are new."""
        child, rows = self.site.store.schema[df.options or ""], []
        for idx, item in enumerate(given or [], start=1):
            item["doctype"] = child.name  # Frappe turns the request's own dicts into rows; answers quote them so
            new = not item.get("name")
            row: Doc = dict.fromkeys(child.columns)
            if new:
                row.update({f.fieldname: self._default(f) for f in child.fields.values() if not f.is_table})
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
        store = self.site.store
        for df in meta.tables:
            child = store.schema[df.options or ""]
            if not child.fields:
                continue  # known by name only, and always empty
            if df.fieldname not in tables:
                store.execute(
                    f"UPDATE {table(child.name)} SET modified = ?, modified_by = ? "  # noqa: S608
                    "WHERE parent = ? AND parenttype = ? AND parentfield = ?",
                    (doc["modified"], self.user, doc["name"], meta.name, df.fieldname),
                )
                for row in doc.get(df.fieldname) or []:
                    row.update(modified=doc["modified"], modified_by=self.user)
                continue
            rows = doc[df.fieldname]
            kept = [row["name"] for row in rows if row["name"]]
            store.execute(
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
            stored[column] = doc[column] = _cast(meta, column, doc.get(column))
            stored[column] = _checked_by_database(meta, column, doc[column])
            if df and df.unique and stored[column] not in (None, ""):
                self._check_unique(meta, doc["name"], df, stored[column])
        if meta.issingle:
            stored = {key: value for key, value in stored.items() if key not in ("name", "creation", "docstatus")}
            store.set(meta.name, meta.name, **{**stored, "idx": "0"})
        elif new:
            store.insert(meta.name, **stored)
        else:
            # A kept child row that came without its creation keeps the stored one.
            stored = {key: value for key, value in stored.items() if key != "name" and not _unsent(key, value)}
            store.set(meta.name, doc["name"], **stored)

    def _check_unique(self, meta: DocType, name: str, df: Field, value: Any) -> None:
        sql = f'SELECT name FROM {table(meta.name)} WHERE "{df.fieldname}" = ? AND name != ? LIMIT 1'  # noqa: S608
        if not meta.issingle and self.site.store.sql(sql, (value, name)):
            if meta.autoname == f"field:{df.fieldname}":
                raise duplicate(meta.name, value)
            raise not_unique(meta.name, name, df.fieldname, df.label, value)

    # -- names and defaults ------------------------------------------------------------------------------------

    def _new_name(self, meta: DocType, doc: Doc, values: Doc) -> str:
        rule = meta.autoname or ""
        if doc.get("name"):
            return doc["name"]
        if rule.startswith("field:"):
            value = doc.get(rule[6:])
            if not value:
                raise thrown("ValidationError", f"{meta.fields[rule[6:]].label} is required")
            return str(value)
        if rule.startswith("naming_series"):
            return self._next_in_series(doc.get("naming_series") or (meta.fields["naming_series"].options or ""))
        if rule.lower() == "prompt":
            if not values.get("name"):
                raise thrown("ValidationError", "Please set the document name")
            return str(values["name"])
        return new_hash()

    def _next_in_series(self, series: str) -> str:
        series = series.split("\n")[0]
        prefix = "".join(self.site.today()[:4] if part == "YYYY" else part for part in series.split(".#")[0].split("."))
        digits = series.count("#") or 5
        store = self.site.store
        store.execute("INSERT OR IGNORE INTO sandbox_series (prefix, current) VALUES (?, 0)", (prefix,))
        store.execute("UPDATE sandbox_series SET current = current + 1 WHERE prefix = ?", (prefix,))
        current = store.sql("SELECT current FROM sandbox_series WHERE prefix = ?", (prefix,))[0]["current"]
        return f"{prefix}{current:0{digits}d}"

    def _default(self, df: Field) -> Any:
        if df.default == "Today":
            return self.site.today()
        if df.default == "Now":
            return self.site.now()[11:]
        if df.is_number:
            return to_float(df.default)
        return None if not df.default or df.default.startswith(("{", ":")) else df.default


def public(doc: Doc) -> Doc:
    """A document as /api/resource answers it: without its empty fields."""
    found: Doc = {}
    for key, value in doc.items():
        if isinstance(value, list):
            found[key] = [public(row) if isinstance(row, dict) else row for row in value]
        elif value is not None:
            found[key] = value
    return found


def _anchor(doctype: str, name: str) -> str:
    return f'{doctype} <a href="/app/Form/{doctype}/{name}">{name}</a>'


def _empty(meta: DocType, column: str) -> Any:
    return _cast(meta, column, None) if column in meta.fields else None


def _is_empty(doc: Doc, df: Field) -> bool:
    return doc.get(df.fieldname) in (None, "", []) and not df.is_number


def _unsent(column: str, value: Any) -> bool:
    return value is None and column in ("owner", "creation", *CHILD_STANDARD)


def _cast(meta: DocType, column: str, value: Any) -> Any:
    """Numbers from anything, silently; everything else as it is."""
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


def _checked_by_database(meta: DocType, column: str, value: Any) -> Any:
    fieldtype = meta.fieldtype(column)
    if value in (None, "") or fieldtype not in ("Date", "Datetime"):
        return None if value == "" and fieldtype in ("Date", "Datetime") else value
    canonical = canonical_date(value) if fieldtype == "Date" else canonical_datetime(value)
    if canonical is None:
        raise wrong_value(fieldtype.lower(), value, meta.name, column)
    return canonical
