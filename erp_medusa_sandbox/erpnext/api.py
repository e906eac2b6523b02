"""Frappe's HTTP API: who asks, which route, and what an error looks like.

Authentication, the routes of version 1, maintenance and rate limit. What a route does belongs to `query.py` (lists),
`documents.py` (documents) and `methods.py` (methods).
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from starlette.responses import HTMLResponse, Response

from erp_medusa_sandbox.erpnext.calls import Call
from erp_medusa_sandbox.erpnext.controllers import documents_of
from erp_medusa_sandbox.erpnext.documents import Doc, Documents, public
from erp_medusa_sandbox.erpnext.errors import ErpError, message_keys, no_access, no_route, thrown, website_page
from erp_medusa_sandbox.erpnext.files import download, private_file
from erp_medusa_sandbox.erpnext.http import Http, json_answer, loaded
from erp_medusa_sandbox.erpnext.methods import call
from erp_medusa_sandbox.erpnext.permissions import GUEST
from erp_medusa_sandbox.erpnext.query import DEFAULT_LIMIT, ListRequest, run
from erp_medusa_sandbox.erpnext.rate_limit import RateLimiter
from erp_medusa_sandbox.erpnext.site import Site
from erp_medusa_sandbox.erpnext.users import user_of

READING = frozenset({"GET", "HEAD", "OPTIONS"})
DOWNLOADS = frozenset({"download_file", "frappe.core.doctype.file.file.download_file", "frappe.handler.download_file"})


class Api:
    """Frappe on one site."""

    def __init__(self, site: Site) -> None:
        """Serve a site."""
        self.site = site
        self.rate = RateLimiter()

    def answer(self, http: Http) -> Response:
        """Answer one request that the servers in front let pass."""
        began, limit = time.perf_counter(), self.site.settings.rate_limit
        headers: dict[str, str] = {}
        try:
            if limit:
                headers = self.rate.check(limit)
            self._maintenance(http)
            response = self._respond(http)
        except ErpError as error:
            response = _refusal(error, http)
        used = time.perf_counter() - began
        if limit and headers:
            self.rate.add(used)
            response.headers.update({**headers, "X-RateLimit-Used": str(int(used * 1e6))})
        return response

    def _maintenance(self, http: Http) -> None:
        settings = self.site.settings
        if not settings.maintenance_mode:
            return
        if not settings.allow_reads_during_maintenance:
            raise ErpError("SessionStopped", "Session Stopped")
        if http.method not in READING:
            text = "Site is running in read only mode for maintenance or site update, "
            text += "this action can not be performed right now. Please try again later."
            raise thrown("InReadOnlyMode", text, title="In Read Only Mode")

    def _respond(self, http: Http) -> Response:
        user = self._authenticate(http.headers.get("authorization", ""))
        path = http.raw_path
        if path.startswith("/private/files/"):
            return private_file(self.site, user, http.method, unquote(path), http.headers)
        if path.startswith("/api/method/"):
            return self._method(http, user, unquote(path.removeprefix("/api/method/")))
        if path.startswith("/api/resource/"):
            doctype, slash, name = path.removeprefix("/api/resource/").partition("/")
            if slash:
                return self._document(http, user, unquote(doctype), unquote(name))
            return self._list(http, user, unquote(doctype))
        if path.startswith("/api/"):
            raise no_route()
        return HTMLResponse(website_page("404"), 404)

    def _authenticate(self, header: str) -> str:
        if not header:
            return GUEST
        scheme, _, credentials = header.partition(" ")
        if scheme.lower() == "basic":
            try:
                credentials = base64.b64decode(credentials).decode()
            except (binascii.Error, UnicodeDecodeError):
                credentials = ""
        elif scheme.lower() != "token":
            credentials = ""
        key, _, secret = credentials.partition(":")
        user = user_of(self.site.store, key, secret)
        if user is None:
            raise ErpError("AuthenticationError")
        return user

    def _method(self, http: Http, user: str, command: str) -> Response:
        if command in DOWNLOADS:
            url = str(http.arguments().get("file_url") or "")
            return download(self.site, user, http.method, url, http.headers)
        return json_answer(call(command, Call(self.site, user, http.method, http.arguments(), http.uploads)))

    def _list(self, http: Http, user: str, doctype: str) -> Response:
        if http.method == "POST":
            return self._saved(
                documents_of(self.site, user), lambda documents: documents.insert(doctype, http.document())
            )
        if http.method not in READING:
            raise no_route()
        return json_answer({"data": run(self.site, user, self._list_request(http.arguments(), doctype))})

    def _saved(self, documents: Documents, save: Callable[[Documents], Doc]) -> Response:
        with self.site.store.transaction():
            saved = save(documents)
        return json_answer({"data": public(saved), **message_keys(documents.messages, None)})

    def _list_request(self, given: dict[str, Any], doctype: str) -> ListRequest:
        fields = given.get("fields")
        if fields is not None and not isinstance(fields, str):
            kind = type(fields).__name__
            raise ErpError("TypeError", f"the JSON object must be str, bytes or bytearray, not {kind}")
        return ListRequest(
            doctype,
            fields=loaded(fields) if fields else None,
            filters=_argument(given, "filters"),
            or_filters=_argument(given, "or_filters"),
            group_by=given.get("group_by"),
            order_by=given.get("order_by"),
            limit=given.get("limit_page_length", given.get("limit", DEFAULT_LIMIT)),
            start=given.get("limit_start"),
            parent=given.get("parent"),
            as_dict=str(given.get("as_dict", "1")).lower() not in ("0", "false"),
            distinct=str(given.get("distinct", "")).lower() in ("1", "true"),
        )

    def _document(self, http: Http, user: str, doctype: str, name: str) -> Response:
        documents = documents_of(self.site, user)
        if http.method in ("GET", "HEAD"):
            return json_answer({"data": public(documents.load(doctype, name))})
        if http.method == "PUT":
            return self._saved(documents, lambda documents: documents.update(doctype, name, http.document()))
        if http.method == "DELETE":
            documents.delete(doctype, name)
            return json_answer({"data": "ok"}, 202)
        if http.method == "POST" and "run_method" in http.query:
            # Document methods over this route need write permission, which nobody has on the queue.
            error = no_access(user, doctype, name)
            refused = thrown("PermissionError", "Not permitted")
            refused.messages = error.messages + refused.messages
            raise refused
        raise no_route()


def _argument(given: dict[str, Any], name: str) -> Any:
    value = given.get(name)
    return loaded(value) if isinstance(value, str) and value else value


def _refusal(error: ErpError, http: Http) -> Response:
    if http.wants_html:
        title = {401: "Session Expired", 503: "Updating"}.get(error.status, str(error.status))
        return HTMLResponse(website_page(title), error.status, error.headers)
    return json_answer(error.body(), error.status, error.headers)
