"""Lists of the embedded Medusa: query strings, filters, order and paging.

Everything that all list routes share. Which filters a route has belongs to the module of that route.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse

from erp_medusa_sandbox.medusa import errors as medusa_errors
from erp_medusa_sandbox.medusa.fields import Context, render, select
from erp_medusa_sandbox.medusa.store import INDEXES, Document, MedusaStore

# A query parameter: one text, a list, or a nested object such as updated_at[$gte].
Value = str | list[str] | dict[str, Any]
Filter = Callable[[MedusaStore, Document, Value], bool]

_PAGING = ("fields", "limit", "offset", "order", "with_deleted")
_DATES = ("created_at", "updated_at", "deleted_at")
_BRACKETS = re.compile(r"\[([^\]]*)\]")


@dataclass(frozen=True)
class ListRoute:
    """One list: which documents, under which name, what it shows and by what it can be filtered."""

    table: str
    plural: str
    defaults: tuple[str, ...]
    limit: int = 50
    equals: tuple[str, ...] = ("id",)  # filters by equality, of one value or several
    search: tuple[str, ...] = ()  # fields that `q` looks into
    filters: dict[str, Filter] = field(default_factory=dict)
    arrays: tuple[str, ...] = ()  # filters that refuse a single value
    parameters: tuple[str, ...] = ()  # accepted, no filter
    strict: bool = True  # refuse unknown parameters; otherwise they are ignored
    dated: bool = True  # can be filtered by created_at, updated_at and deleted_at


def parse_query(query: str) -> dict[str, Value]:
    """Read a query as the `qs` package does: x[]=, x[0]= and repeated x= are lists, x[$gte]= is an object."""
    parsed: dict[str, Any] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        name, _, rest = key.partition("[")
        keys = _BRACKETS.findall(f"[{rest}") if rest else []
        _insert(parsed, [name, *keys], value)
    return parsed


def _insert(into: dict[str, Any], path: list[str], value: str) -> None:
    name, rest = path[0], path[1:]
    if rest and (rest[0] == "" or rest[0].isdigit()):
        known = into.setdefault(name, [])
        into[name] = [*known, value] if isinstance(known, list) else [known, value]
    elif rest:
        below = into.setdefault(name, {})
        if isinstance(below, dict):
            _insert(below, rest, value)
    elif name in into:
        known = into[name]
        into[name] = [*known, value] if isinstance(known, list) else [known, value]
    else:
        into[name] = value


def values_of(value: Value) -> list[str]:
    """Return the values that a filter of one value, several, or `$in` and `$eq` asks for."""
    if isinstance(value, dict):
        wanted = value.get("$in", value.get("$eq", []))
        return [wanted] if isinstance(wanted, str) else list(wanted)
    return [value] if isinstance(value, str) else list(value)


def page(
    request: Request,
    route: ListRoute,
    store: MedusaStore,
    *,
    among: list[Document] | None = None,
    context: Context | None = None,
) -> JSONResponse:
    """Answer a list request, from the whole table or from some of it."""
    query = parse_query(request.url.query)
    documents = find(store, route, query, among)
    limit, offset = _number(query, "limit", route.limit), _number(query, "offset", 0)
    if limit < 0 or offset < 0:
        raise medusa_errors.unknown_error()
    documents = _ordered(documents, query.get("order"))
    tree = select(text(query, "fields"), route.defaults)
    shown = [render(store, route.table, document, tree, context) for document in documents[offset : offset + limit]]
    return JSONResponse({route.plural: shown, "count": len(documents), "offset": offset, "limit": limit})


def refuse_unknown(route: ListRoute, query: dict[str, Value]) -> None:
    """Raise if the query has a parameter that the route does not know, unless it ignores those."""
    dates = _DATES if route.dated else ()
    known = {*_PAGING, *dates, "q", *route.equals, *route.filters, *route.parameters}
    unknown = [name for name in query if name not in known]
    if route.strict and unknown:
        raise medusa_errors.invalid(f"Invalid request: {medusa_errors.unrecognized(unknown)}")


def find(
    store: MedusaStore, route: ListRoute, query: dict[str, Value], among: list[Document] | None = None
) -> list[Document]:
    """Return all documents that pass the filters of the query, ascending by id."""
    refuse_unknown(route, query)
    for name in route.arrays:
        if isinstance(query.get(name), str):
            raise medusa_errors.invalid(
                f"Invalid request: {medusa_errors.expected_type('array', (name,), query[name])}"
            )
    documents = _candidates(store, route, query) if among is None else among
    for name, value in query.items():
        if name in route.filters:
            documents = [document for document in documents if route.filters[name](store, document, value)]
        elif name in route.equals:
            wanted = set(values_of(value))
            documents = [document for document in documents if document.get(name) in wanted]
        elif name in _DATES:
            documents = [document for document in documents if _in_range(document.get(name), value)]
        elif name == "q" and route.search:
            needle = text(query, "q") or ""
            documents = [document for document in documents if matches(document, route.search, needle)]
    return documents


def _candidates(store: MedusaStore, route: ListRoute, query: dict[str, Value]) -> list[Document]:
    """Return candidates with the least work: by id, by an index, or all documents."""
    if "id" in query and "id" in route.equals:
        return [one for one in (store.get(route.table, i) for i in sorted(set(values_of(query["id"])))) if one]
    for name in INDEXES.get(route.table, ()):
        if name in query and name in route.equals:
            return store.find(route.table, name, values_of(query[name]))
    return store.all(route.table)


def matches(document: Document, names: tuple[str, ...], needle: str) -> bool:
    """Return whether one of the fields contains the text, in any case."""
    return any(needle.casefold() in str(document.get(name) or "").casefold() for name in names)


def text(query: dict[str, Value], name: str) -> str | None:
    """Return a parameter that was given once."""
    value = query.get(name)
    return value if isinstance(value, str) else None


def _number(query: dict[str, Value], name: str, default: int) -> int:
    given = query.get(name)
    if given is None:
        return default
    try:
        return int(str(given))
    except ValueError:
        raise medusa_errors.invalid(
            f"Invalid request: {medusa_errors.expected_type('number', (name,), given)}"
        ) from None


def _ordered(documents: list[Document], order: Value | None) -> list[Document]:
    # They are ascending by id.
    if not isinstance(order, str) or order in ("", "id"):
        return documents
    name, descending = order.removeprefix("-"), order.startswith("-")
    if documents and name not in documents[0]:
        raise medusa_errors.unknown_error()
    # Nulls count as largest, as in PostgreSQL.
    return sorted(
        documents,
        key=lambda document: (document[name] is None, "" if document[name] is None else document[name]),
        reverse=descending,
    )


def _in_range(stored: str | None, wanted: Value) -> bool:
    """Operators without `$` and values that are no dates are ignored: everything passes."""
    if not isinstance(wanted, dict):
        return True
    for operator, value in wanted.items():
        limit = parse_date(value) if isinstance(value, str) else None
        if limit is None or operator not in _COMPARE:
            continue
        moment = parse_date(stored) if stored else None
        if moment is None or not _COMPARE[operator](moment, limit):
            return False
    return True


_COMPARE: dict[str, Callable[[datetime, datetime], bool]] = {
    "$gt": lambda stored, limit: stored > limit,
    "$gte": lambda stored, limit: stored >= limit,
    "$lt": lambda stored, limit: stored < limit,
    "$lte": lambda stored, limit: stored <= limit,
}


def parse_date(value: str) -> datetime | None:
    """Return the moment of an ISO date, in UTC where it names no zone."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
