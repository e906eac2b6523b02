"""Requests and answers that all routes of the embedded Medusa share.

Reading a body with its limits, and the small JSON answers that every resource gives. What a route does belongs to the
module of its subject.
"""

from __future__ import annotations

import gzip
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from erp_medusa_sandbox.medusa.errors import Check, MedusaError, validate
from erp_medusa_sandbox.medusa.fields import Context, render, select
from erp_medusa_sandbox.medusa.lists import parse_query, text
from erp_medusa_sandbox.medusa.store import Document, MedusaStore

SINGLE_LIMIT = 100 * 1024
BATCH_LIMIT = 2 * 1024 * 1024


@dataclass(frozen=True)
class Resource(ABC):
    """The routes of one subject, over the documents of one Medusa."""

    store: MedusaStore

    @abstractmethod
    def routes(self) -> list[Route]:
        """List the routes, each with its handler."""


async def json_body(request: Request, check: Check) -> dict[str, Any]:
    """Read and check a JSON body.

    Raises:
        MedusaError: the body is too large, is no JSON, or does not pass the check.
    """
    raw = await request.body()
    limit = BATCH_LIMIT if request.url.path.endswith("/batch") else SINGLE_LIMIT
    if len(raw) > limit:
        raise MedusaError(413, "unknown_error", "request entity too large")
    if request.headers.get("content-encoding") == "gzip":
        raw = gzip.decompress(raw)
    if not raw:
        return validate({}, check)
    if "application/json" not in request.headers.get("content-type", ""):
        return validate(None, check)
    try:
        parsed = json.loads(raw)
    except ValueError as error:
        raise MedusaError(400, "invalid_data", _as_v8_says_it(raw, error)) from error
    return validate(parsed, check)


def _as_v8_says_it(raw: bytes, error: ValueError) -> str:
    source = raw.decode("utf-8", "replace")
    position = getattr(error, "pos", 0)
    if "property name" in str(error):
        if source[position : position + 1] == ",":
            position += 1
        return f"Expected double-quoted property name in JSON at position {position}"
    if position >= len(source.rstrip()):
        return "Unexpected end of JSON input"
    return f"Unexpected token '{source[position]}', \"{source[:10]}\"... is not valid JSON"


def shown(
    request: Request,
    store: MedusaStore,
    kind: str,
    document: Document,
    defaults: tuple[str, ...],
    context: Context | None = None,
) -> Document:
    """Render one document with the fields that the request asks for."""
    return render(store, kind, document, select(text(parse_query(request.url.query), "fields"), defaults), context)


def deleted(identifier: str, kind: str) -> JSONResponse:
    """Answer a deletion. Medusa says the same for what was never there."""
    return JSONResponse({"id": identifier, "object": kind, "deleted": True})


def deleted_many(ids: list[str], kind: str) -> Document:
    """Return what a batch shows of its deletions."""
    return {"ids": ids, "object": kind, "deleted": True}


def js_number(value: float) -> float:
    """Return a number as JavaScript holds and prints it: a double, whole ones without a point."""
    double = float(value)
    return int(double) if double.is_integer() and abs(double) < 1e21 else double


def raw_number(value: float) -> Document:
    """Return the exact form that Medusa keeps beside each amount and quantity."""
    return {"value": str(js_number(value)), "precision": 20}


def merged_metadata(before: Document | None, given: Document | None) -> Document | None:
    """Merge metadata as Medusa does: an empty text deletes its key, null clears all."""
    if given is None:
        return None
    merged = {**(before or {}), **given}
    return {key: value for key, value in merged.items() if value != ""}
