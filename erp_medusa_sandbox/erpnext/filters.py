"""Frappe's filters as SQL conditions: operators, NULL semantics, trees, time spans.

One condition at a time and how a list of them is written. Which table a name means is told by the caller (`query.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from erp_medusa_sandbox.erpnext.errors import ErpError, thrown
from erp_medusa_sandbox.erpnext.schema import FLOAT_TYPES, INT_TYPES
from erp_medusa_sandbox.erpnext.values import canonical_datetime, to_float, to_int

OPERATORS = (
    "in", "not in", "!=", "descendants of", ">=", "not descendants of", "timespan", "next", "<", "=", "<=", "previous",
    "not like", "between", "like", "ancestors of", "not ancestors of", "fiscal year", "descendants of (inclusive)",
    ">", "is",
)  # fmt: skip
TREE_OPERATORS = frozenset(
    {"descendants of", "not descendants of", "descendants of (inclusive)", "ancestors of", "not ancestors of"}
)
FIRST_DATE = "0001-01-01"
FIRST_DATETIME = "0001-01-01 00:00:00"


@dataclass(frozen=True)
class Column:
    """A column as a condition needs it: its SQL, its type and, for trees, where its values point."""

    sql: str
    fieldtype: str
    tree: str | None = None

    @property
    def empty(self) -> str:
        """What Frappe takes a missing value for, as SQL."""
        if self.fieldtype in INT_TYPES or self.fieldtype in FLOAT_TYPES:
            return "0"
        if self.fieldtype == "Date":
            return f"'{FIRST_DATE}'"
        return f"'{FIRST_DATETIME}'" if self.fieldtype == "Datetime" else "''"


Condition = tuple[str, list[Any]]
Resolve = Callable[[str | None, str], Column]


def parsed(value: Any) -> Any:
    """Read filters and fields, which come as JSON text in a query string and as they are in a JSON body."""
    return json.loads(value) if isinstance(value, str) and value else value


def triples(filters: Any) -> Iterator[tuple[str | None, str, str, Any]]:
    """Yield (doctype, field, operator, value) of each condition, whatever form it was written in."""
    if isinstance(filters, dict):
        for key, value in filters.items():
            if isinstance(value, (list, tuple)) and value and str(value[0]).lower() in OPERATORS:
                yield None, key, str(value[0]), value[1]
            elif isinstance(value, (list, tuple)):
                yield None, key, "in", value
            else:
                yield None, key, "=", value
        return
    for item in filters or []:
        if isinstance(item, dict):
            yield from triples(item)
        elif len(item) == 2:
            yield None, item[0], "=", item[1]
        elif len(item) == 3:
            yield None, item[0], item[1], item[2]
        else:
            yield item[0], item[1], item[2], item[3]


def where(filters: Any, resolve: Resolve, *, joined_by: str = "AND", nested: bool = False, today: date) -> Condition:
    """Write all filters as one condition; `nested`: version 16's `[condition, "and", [...]]`."""
    if nested and isinstance(filters, list) and any(item in ("and", "or", "AND", "OR") for item in filters):
        return _nested(filters, resolve, today)
    parts, args = [], []
    for doctype, fieldname, operator, value in triples(filters):
        sql, more = condition(resolve, doctype, fieldname, operator, value, today)
        parts.append(sql)
        args += more
    return f" {joined_by} ".join(parts), args


def _nested(filters: list[Any], resolve: Resolve, today: date) -> Condition:
    parts, args = [], []
    for item in filters:
        if isinstance(item, str):
            parts.append(item.upper())
            continue
        inner = item if item and not isinstance(item[0], str) else [item]
        sql, more = where(inner, resolve, nested=True, today=today)
        parts.append(f"({sql})")
        args += more
    return " ".join(parts), args


def condition(
    resolve: Resolve, doctype: str | None, fieldname: str, operator: str, value: Any, today: date
) -> Condition:
    """Write one condition as SQL with its values."""
    operator = operator.lower().strip()
    if operator not in OPERATORS:
        raise thrown("ValidationError", f"Operator must be one of {', '.join(OPERATORS)}")
    column = resolve(doctype, fieldname)
    if operator == "timespan":
        first, last = timespan(str(value), today)
        return _between(column, [first.isoformat(), last.isoformat()])
    if operator in TREE_OPERATORS:
        return _tree(column, operator, value)
    if operator in _WRITERS:
        return _WRITERS[operator](column, operator, value)
    raise ErpError("SandboxLimit", f"SANDBOX: operator {operator!r} is not emulated")


def _is(column: Column, _operator: str, value: Any) -> Condition:
    compare = "!=" if str(value).lower() == "set" else "="
    return f"ifnull({column.sql}, '') {compare} ''", []


def _like(column: Column, operator: str, value: Any) -> Condition:
    text = column.sql if operator == "like" else f"ifnull({column.sql}, '')"
    return f"{text} {operator.upper()} ? ESCAPE '\\'", [str(value)]


def _compared(column: Column, operator: str, value: Any) -> Condition:
    sql = column.sql
    if value is None and operator == "=":
        return "0", []  # `column = NULL` is never true
    compared = typed(column, value)
    if operator == "=":
        return (f"ifnull({sql}, '') = ''", []) if compared == "" else (f"{sql} = ?", [compared])
    if operator in (">", ">="):
        return f"{sql} {operator} ?", [compared]  # the stand-in for NULL is never greater than a real value
    return f"ifnull({sql}, {column.empty}) {operator} ?", [compared]


def typed(column: Column, value: Any) -> Any:
    """Return a filter's value as the database would compare it with the column."""
    if column.fieldtype in INT_TYPES:
        return to_int(value) if not isinstance(value, float) else value
    if column.fieldtype in FLOAT_TYPES:
        return to_float(value)
    if column.fieldtype == "Datetime":
        return canonical_datetime(value) or str(value or FIRST_DATETIME)
    if column.fieldtype == "Date":
        return str(value or FIRST_DATE)[:10]
    return "" if value is None else str(value)


def _in(column: Column, operator: str, value: Any) -> Condition:
    values = [part.strip() for part in value.split(",")] if isinstance(value, str) else list(value or [])
    if not values:
        return ("0" if operator == "in" else "1"), []
    compared = [typed(column, item) if item not in (None, "") else None for item in values]
    given = [item for item in compared if item is not None]
    marks = ", ".join("?" * len(given))
    if operator == "in" and len(given) == len(compared):
        return f"{column.sql} IN ({marks})", given
    empty = column.empty
    if len(given) < len(compared):
        marks = f"{marks}, {empty}" if marks else empty
    return f"ifnull({column.sql}, {empty}) {operator.upper()} ({marks})", given


def _between_given(column: Column, _operator: str, value: Any) -> Condition:
    return _between(column, parsed(value) if isinstance(value, str) and value[:1] == "[" else value)


def _between(column: Column, value: Any) -> Condition:
    first, last = value
    if column.fieldtype == "Datetime":
        first = canonical_datetime(first) or str(first)
        last = canonical_datetime(last) or str(last)
        # A day's end is the end of the range, so that both ends are inside.
        last = f"{last[:10]} 23:59:59.999999" if last.endswith("00:00:00") else last
    return f"{column.sql} BETWEEN ? AND ?", [first, last]


def _tree(column: Column, operator: str, value: Any) -> Condition:
    if column.tree is None:
        raise thrown("ValidationError", f"{operator} is only possible on links to trees")
    compare = {"descendants of (inclusive)": ("lft >= ", "rgt <= ")}.get(operator, ("lft > ", "rgt < "))
    if "ancestors" in operator:
        compare = ("lft < ", "rgt > ")
    tree = f'"tab{column.tree}"'
    inner = (
        f"SELECT name FROM {tree} WHERE {compare[0]} (SELECT lft FROM {tree} WHERE name = ?) "  # noqa: S608
        f"AND {compare[1]} (SELECT rgt FROM {tree} WHERE name = ?)"
    )
    if operator.startswith("not "):
        return f"ifnull({column.sql}, '') NOT IN ({inner})", [value, value]
    return f"{column.sql} IN ({inner})", [value, value]


_WRITERS: dict[str, Callable[[Column, str, Any], Condition]] = {
    "is": _is,
    "between": _between_given,
    **dict.fromkeys(("in", "not in"), _in),
    **dict.fromkeys(("like", "not like"), _like),
    **dict.fromkeys(("=", "!=", "<", "<=", ">", ">="), _compared),
}


def timespan(name: str, today: date) -> tuple[date, date]:
    """Return the first and last day of Frappe's named time spans."""
    name = name.lower()
    if name in ("today", "yesterday", "tomorrow"):
        day = today + timedelta(days={"today": 0, "yesterday": -1, "tomorrow": 1}[name])
        return day, day
    words = name.split()
    if len(words) == 3 and words[0] in ("last", "next") and words[2] == "days":
        days = timedelta(days=int(words[1]))
        return (today - days, today) if words[0] == "last" else (today, today + days)
    if len(words) == 2 and words[0] in ("last", "this", "next") and words[1] in ("week", "month", "year"):
        return _span(words[1], {"last": -1, "this": 0, "next": 1}[words[0]], today)
    raise ErpError("SandboxLimit", f"SANDBOX: time span {name!r} is not emulated")


def _span(unit: str, step: int, today: date) -> tuple[date, date]:
    if unit == "week":
        # System Settings' first day of the week is Sunday.
        first = today - timedelta(days=(today.weekday() + 1) % 7) + timedelta(weeks=step)
        return first, first + timedelta(days=6)
    if unit == "year":
        return date(today.year + step, 1, 1), date(today.year + step, 12, 31)
    months = today.year * 12 + today.month - 1 + step
    first = date(months // 12, months % 12 + 1, 1)
    after = date((months + 1) // 12, (months + 1) % 12 + 1, 1)
    return first, after - timedelta(days=1)


def day(text: str) -> date:
    """Return the date that a text begins with."""
    return datetime.strptime(text[:10], "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
