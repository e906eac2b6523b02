"""Lists: Frappe's fields, filters, group_by and order_by as one SQL statement.

What `GET /api/resource/<DocType>` and frappe.client.get_list read, in the dialects of version 15 (SQL functions as
text) and 16 (as dicts). One filter condition belongs to `filters.py`, routes to `api.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from erp_medusa_sandbox.erpnext.errors import ErpError, no_role, thrown, unknown_column
from erp_medusa_sandbox.erpnext.filters import Column, day, parsed, where
from erp_medusa_sandbox.erpnext.permissions import READ
from erp_medusa_sandbox.erpnext.schema import STANDARD, DocType
from erp_medusa_sandbox.erpnext.site import Site
from erp_medusa_sandbox.erpnext.store import quoted, table

DEFAULT_LIMIT = 20
FUNCTIONS = frozenset({"sum", "count", "avg", "min", "max", "abs"})
# Version 15 refuses these by name, to keep them out of permission-less expressions.
RESTRICTED = frozenset(
    {"concat", "concat_ws", "if", "ifnull", "nullif", "coalesce", "connection_id", "current_user", "database", "user"}
)
_ALIAS = re.compile(r"\s+as\s+[`'\"]?(\w+)[`'\"]?\s*$", re.IGNORECASE)
_CALL = re.compile(r"(\w+)\s*\((.*)\)$", re.DOTALL)
_BACKTICKED = re.compile(r"`tab([^`]+)`\.`?(\w+)`?$")
_ILLEGAL = re.compile(r";|\bselect\b|\bunion\b|--", re.IGNORECASE)


@dataclass
class ListRequest:
    """One list call's arguments, read from a query string or a JSON body."""

    doctype: str
    fields: Any = None
    filters: Any = None
    or_filters: Any = None
    group_by: str | None = None
    order_by: str | None = None
    limit: Any = DEFAULT_LIMIT
    start: Any = 0
    parent: str | None = None
    as_dict: bool = True
    distinct: bool = False


def run(site: Site, user: str, request: ListRequest) -> list[Any]:
    """Return the rows of a list, as dicts or (as_dict=0) as arrays."""
    meta = check_readable(site, user, request.doctype, request.parent)
    query = _Query(site, meta)
    keys, sql, args = query.statement(request)
    rows = site.store.tuples(sql, args)
    if not request.as_dict:
        return [list(row) for row in rows]
    return [dict(zip(keys, row, strict=True)) for row in rows]


def check_readable(site: Site, user: str, doctype: str, parent: str | None) -> DocType:
    """Return the DocType if it exists and the user may list it: child rows through their parent DocType only."""
    meta = site.store.schema.get(doctype)
    if meta is None:
        raise thrown_doctype(site, doctype)
    if meta.issingle and site.may(user, doctype, READ):
        raise ErpError("ProgrammingError", f"('DocType', '{doctype}')")
    if not meta.istable:
        site.check_list(user, doctype)
        return meta
    owner = site.store.schema.get(parent or "")
    if owner is None or owner.child_table(doctype) is None:
        if site.settings.version >= 16:
            raise thrown("PermissionError", f"Insufficient Permission for {doctype}")
        raise ErpError("PermissionError")
    if not site.may(user, owner.name, READ):
        raise no_role(user, owner.name)
    return meta


def thrown_doctype(site: Site, doctype: str) -> ErpError:
    """Return Frappe's error for an unknown DocType."""
    if site.store.schema.other_case(doctype):
        return ErpError("ImportError", doctype)
    error = thrown("DoesNotExistError", f"DocType {doctype} not found")
    error.silent = True
    return error


def count(site: Site, doctype: str, filters: Any) -> int:
    """Return frappe.client.get_count's number."""
    meta = site.store.schema.get(doctype)
    if meta is None:
        raise thrown_doctype(site, doctype)
    query = _Query(site, meta)
    condition, args = query.conditions(filters, None)
    rows = site.store.tuples(f"SELECT count(*) FROM {query.source()} WHERE {condition}", args)  # noqa: S608
    return rows[0][0]


@dataclass
class _Query:
    """One statement while it is built."""

    site: Site
    meta: DocType
    joins: dict[str, str] = field(default_factory=dict)
    aliases: set[str] = field(default_factory=set)

    # -- the statement -----------------------------------------------------------------------------------------

    def statement(self, request: ListRequest) -> tuple[list[str], str, list[Any]]:
        fields = parsed(request.fields) or ["name"]
        distinct, keys, selected = request.distinct, [], []
        for item in fields:
            if isinstance(item, str) and item.lower().startswith("distinct "):
                distinct, item = True, item[9:].strip()  # noqa: PLW2901
            for key, sql in self.selected(item):
                keys.append(key)
                selected.append(f"{sql} AS {quoted(key)}")
        self.aliases = set(keys)
        condition, args = self.conditions(request.filters, request.or_filters)
        tail = ""
        if request.group_by:
            tail += " GROUP BY " + ", ".join(self.grouped(part) for part in _split(request.group_by))
        tail += self.ordered(request, bool(request.group_by) or distinct)
        tail += _limited(request.limit, request.start)
        head = "SELECT DISTINCT" if distinct else "SELECT"
        return keys, f"{head} {', '.join(selected)} FROM {self.source()} WHERE {condition}{tail}", args

    def source(self) -> str:
        return " ".join([table(self.meta.name), *self.joins.values()])

    def conditions(self, filters: Any, or_filters: Any) -> tuple[str, list[Any]]:
        today, nested = day(self.site.today()), self.site.settings.version >= 16
        condition, args = where(parsed(filters), self.filter_column, nested=nested, today=today)
        either, more = where(parsed(or_filters), self.filter_column, joined_by="OR", today=today)
        parts = [f"({part})" for part in (condition, either) if part]
        return " AND ".join(parts) or "1", args + more

    def ordered(self, request: ListRequest, collapsed: bool) -> str:
        if request.order_by:
            if _ILLEGAL.search(request.order_by):
                raise thrown("ValidationError", "Illegal SQL Query")
            return " ORDER BY " + ", ".join(self.ordering(part) for part in _split(request.order_by))
        if collapsed:
            return ""
        if self.site.settings.version >= 16:
            return f' ORDER BY {table(self.meta.name)}."creation" DESC'
        # Version 15 sends no ORDER BY over REST and rows come in the order of whatever index MariaDB picked. Newest
        # first by row id is as arbitrary, costs nothing, and does not look like an order by name.
        return f" ORDER BY {table(self.meta.name)}.rowid DESC"

    # -- fields ------------------------------------------------------------------------------------------------

    def selected(self, item: Any) -> list[tuple[str, str]]:
        """(key in the answer, SQL) of one entry of `fields`."""
        if isinstance(item, dict):
            return [self.dict_function(item)]
        text = item.strip()
        if text == "*":
            return [(column, self.own(column)) for column in self.meta.columns]
        alias = _ALIAS.search(text)
        bare = text[: alias.start()].strip() if alias else text
        call = _CALL.match(bare)
        if call:
            key = alias.group(1) if alias else bare
            return [(key, self.text_function(call.group(1), call.group(2).strip(), bare))]
        key = alias.group(1) if alias else bare.rpartition(".")[2].strip("`")
        return [(key, self.column(bare))]

    def text_function(self, name: str, argument: str, whole: str) -> str:
        if self.site.settings.version >= 16:
            hint = "Use dict syntax like {'COUNT': '*'}"
            raise thrown("ValidationError", f"SQL functions are not allowed as strings in SELECT: {whole}. {hint}")
        return self.function(name, argument)

    def function(self, name: str, argument: str) -> str:
        name = name.lower()
        if name in RESTRICTED:
            raise thrown("DataError", f"Use of function {name} in field is restricted")
        if argument == "*":
            raise thrown("DataError", "Field not permitted in query: *")
        distinct = argument.lower().startswith("distinct ")
        operand = argument[9:].strip() if distinct else argument
        if not re.match(r"[`A-Za-z_]", operand):
            raise ErpError("IndexError", "list index out of range")
        if "." in operand and "`" not in operand:
            raise ErpError("PermissionError", operand.partition(".")[0])
        if name not in FUNCTIONS:
            raise ErpError("OperationalError", f"(1305, 'FUNCTION {name} does not exist')")
        column = self.column(operand)
        return f"{name}({'DISTINCT ' if distinct else ''}{column})"

    def dict_function(self, item: dict[str, Any]) -> tuple[str, str]:
        if self.site.settings.version < 16:
            raise ErpError("TypeError", "unhashable type: 'dict'")
        alias = item.get("as")
        name, argument = next((key, value) for key, value in item.items() if key != "as")
        if name.lower() not in FUNCTIONS or name != name.upper():
            raise thrown("ValidationError", f"Unsupported function or invalid field name: {name}")
        sql = "count(*)" if argument == "*" else f"{name.lower()}({self.column(str(argument))})"
        return alias or f"{name}({argument})", sql

    # -- columns -----------------------------------------------------------------------------------------------

    def own(self, fieldname: str) -> str:
        return f"{table(self.meta.name)}.{quoted(fieldname)}"

    def column(self, text: str) -> str:
        """A plain field, `tabDocType`.field, link_field.field or table_field.field."""
        backticked = _BACKTICKED.match(text)
        if backticked:
            return self.of_doctype(backticked.group(1), backticked.group(2))
        text = text.strip("`")
        if "." in text:
            return self.dotted(*text.split(".", 1))
        if not self.meta.has_column(text):
            raise thrown("DataError", f"Field not permitted in query: {text}")
        return self.own(text)

    def dotted(self, through: str, fieldname: str) -> str:
        df = self.meta.fields.get(through)
        target = self.site.store.schema.get(df.options or "") if df else None
        if df is None or target is None or not target.has_column(fieldname):
            raise thrown("DataError", f"Field not permitted in query: {through}.{fieldname}")
        if df.is_table:
            return self.child_column(target, fieldname)
        alias = quoted(f"link:{through}")
        self.joins[alias] = f"LEFT JOIN {table(target.name)} AS {alias} ON {alias}.name = {self.own(through)}"
        return f"{alias}.{quoted(fieldname)}"

    def of_doctype(self, doctype: str, fieldname: str) -> str:
        if doctype == self.meta.name:
            return self.column(fieldname)
        target = self.site.store.schema.get(doctype)
        if target is None or self.meta.child_table(doctype) is None or not target.has_column(fieldname):
            raise thrown("DataError", f"Field not permitted in query: {fieldname}")
        return self.child_column(target, fieldname)

    def child_column(self, target: DocType, fieldname: str) -> str:
        child = table(target.name)
        self.joins[child] = (
            f"LEFT JOIN {child} ON {child}.parent = {self.own('name')} AND {child}.parenttype = '{self.meta.name}'"
        )
        return f"{child}.{quoted(fieldname)}"

    def filter_column(self, doctype: str | None, fieldname: str) -> Column:
        if doctype in (None, self.meta.name):
            backticked = _BACKTICKED.match(fieldname)
            if backticked:
                return self.filter_column(*backticked.groups())
            if "." in fieldname:
                raise unknown_column(f"tab{self.meta.name}.{fieldname}", "WHERE")
            return self._typed(self.meta, fieldname, self.column(fieldname))
        target = self.site.store.schema.get(doctype or "")
        if target is None or self.meta.child_table(target.name) is None:
            raise unknown_column(f"tab{doctype}.parenttype", "ON")
        return self._typed(target, fieldname, self.of_doctype(target.name, fieldname))

    def _typed(self, meta: DocType, fieldname: str, sql: str) -> Column:
        df = meta.fields.get(fieldname)
        linked = self.site.store.schema.get(df.options or "") if df and df.fieldtype == "Link" else None
        if fieldname == "name":
            linked = meta
        tree = linked.name if linked is not None and linked.is_tree else None
        return Column(sql, meta.fieldtype(fieldname), tree)

    # -- group and order ---------------------------------------------------------------------------------------

    def grouped(self, text: str) -> str:
        bare = text.strip().strip("`")
        return quoted(bare) if bare in self.aliases and not self.meta.has_column(bare) else self.column(text.strip())

    def ordering(self, text: str) -> str:
        words = text.strip().rsplit(None, 1)
        direction = ""
        if len(words) == 2 and words[1].lower() in ("asc", "desc"):
            text, direction = words[0], f" {words[1].upper()}"
        text = text.strip()
        call = _CALL.match(text)
        if call:
            if self.site.settings.version >= 16:
                raise thrown("ValidationError", f"Invalid field format in Order By: {text}")
            return self.function(call.group(1), call.group(2).strip()) + direction
        bare = text.strip("`")
        if bare in self.aliases and not self.meta.has_column(bare):
            return quoted(bare) + direction
        if "." not in text and not self.meta.has_column(bare):
            raise unknown_column(bare, "ORDER BY")
        if self.joins and bare == text and bare in STANDARD and bare not in self.aliases:
            # Every table has these columns, and MariaDB does not know which one is meant.
            raise ErpError("OperationalError", f"(1052, \"Column '{bare}' in ORDER BY is ambiguous\")")
        return self.column(text) + direction


def _split(text: str) -> list[str]:
    """Commas between expressions, not inside brackets."""
    return [part for part in re.split(r",(?![^(]*\))", text) if part.strip()]


def _limited(limit: Any, start: Any) -> str:
    """Return no limit for 0, "None" and non-numbers; a negative one breaks the statement, as in MariaDB."""
    number = _whole(limit)
    if number is None or number == 0:
        return ""
    if number < 0:
        hint = "check the manual that corresponds to your MariaDB server version for the right syntax to use"
        text = f"(1064, \"You have an error in your SQL syntax; {hint} near '{number} offset 0' at line 6\")"
        raise ErpError("ProgrammingError", text)
    return f" LIMIT {number} OFFSET {max(_whole(start) or 0, 0)}"


def _whole(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None
