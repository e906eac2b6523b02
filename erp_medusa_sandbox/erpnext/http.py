"""Requests to the embedded ERPNext, read completely, and its JSON answers.

How Frappe reads a query string, a form and a body. Routes belong to `api.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from erp_medusa_sandbox.erpnext.errors import ErpError, thrown
from erp_medusa_sandbox.erpnext.filters import parsed

NGINX_BODY = 50 * 1024 * 1024


@dataclass(frozen=True)
class Upload:
    """One file of a multipart body."""

    filename: str
    content: bytes


@dataclass(frozen=True)
class Http:
    """One request, read completely."""

    method: str
    raw_path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    form: dict[str, Any]
    uploads: dict[str, Upload]

    @property
    def wants_html(self) -> bool:
        """Whether errors are answered as pages."""
        return self.headers.get("accept", "").startswith("text")

    @property
    def is_json(self) -> bool:
        """Whether the body says that it is JSON."""
        return "json" in self.headers.get("content-type", "")

    def arguments(self) -> dict[str, Any]:
        """Return frappe.form_dict: a JSON body replaces the query string, a form is joined with it."""
        if self.body and self.is_json:
            found = loaded(self.body)
            if not isinstance(found, dict):
                raise thrown("ValidationError", "Invalid request arguments")
            return found
        return {**self.query, **self.form}

    def document(self) -> dict[str, Any]:
        """Return the body of a POST or PUT of a document: JSON whatever the content type says, else the form."""
        if self.form:
            return loaded(self.form["data"]) if "data" in self.form else dict(self.form)
        return loaded(self.body) if self.body else {}


async def read(request: Request) -> Http:
    """Read a request completely."""
    form: dict[str, Any] = {}
    uploads: dict[str, Upload] = {}
    body = b""
    content_type = request.headers.get("content-type", "")
    if content_type.startswith("multipart/form-data"):
        async with request.form(max_part_size=NGINX_BODY) as parts:
            for key, value in parts.multi_items():
                if isinstance(value, UploadFile):
                    uploads[key] = Upload(value.filename or key, await value.read())
                else:
                    form[key] = value
    else:
        body = await request.body()
        if content_type.startswith("application/x-www-form-urlencoded"):
            form = dict(parse_qsl(body.decode(), keep_blank_values=True))
    raw_path = (request.scope.get("raw_path") or request.scope["path"].encode()).decode("latin-1")
    query = dict(parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True))
    headers = {key.lower(): value for key, value in request.headers.items()}
    return Http(request.method, raw_path, query, headers, body, form, uploads)


def loaded(text: str | bytes) -> Any:
    """Return parsed JSON, or raise Frappe's error about it."""
    try:
        return parsed(text.decode() if isinstance(text, bytes) else text)
    except ValueError as error:
        raise ErpError("JSONDecodeError", str(error)) from error


def json_answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON answer."""
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(content, status, headers, "application/json")
