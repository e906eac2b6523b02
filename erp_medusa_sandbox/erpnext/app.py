"""The embedded ERPNext: a Starlette application that answers as nginx, gunicorn and Frappe do together.

Belongs here: routes, authentication, the limits of the servers in front, files, the control routes. What a route does
belongs to `query.py` (lists), `documents.py` (documents) and `methods.py` (methods).
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.erpnext import control as erp_control
from erp_medusa_sandbox.erpnext import files as erp_files
from erp_medusa_sandbox.erpnext.documents import Documents, public
from erp_medusa_sandbox.erpnext.errors import (
    ErpError,
    gunicorn_page,
    nginx_page,
    no_access,
    no_route,
    thrown,
    website_page,
    werkzeug_page,
)
from erp_medusa_sandbox.erpnext.filters import parsed
from erp_medusa_sandbox.erpnext.methods import Call, Upload, call
from erp_medusa_sandbox.erpnext.query import DEFAULT_LIMIT, ListRequest, run
from erp_medusa_sandbox.erpnext.site import (
    API_USER,
    GUEST,
    LOW_USER,
    SYSTEM_MANAGER,
    RateLimiter,
    Site,
    SiteSettings,
    User,
)
from erp_medusa_sandbox.erpnext.store import ErpStore

NGINX_REQUEST_LINE = 8 * 1024
NGINX_BODY = 50 * 1024 * 1024
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
READING = frozenset({"GET", "HEAD", "OPTIONS"})
API_ROLES = ("System Manager", "Item Manager", "Stock Manager", "Sales Manager", "Accounts Manager", "Website Manager")


def create_app(
    store: ErpStore,
    *,
    api_key: str,
    api_secret: str,
    time_zone: str = "Asia/Muscat",
    version: int = 15,
    server_scripts: bool = True,
    max_request_line: int = 4094,
    max_body_bytes: int = 25 * 1024 * 1024,
    other_users: Sequence[User] = (),
) -> Starlette:
    """The application over `store`.

    The key pair is that of a user who may do everything but write Email Queue; `low_user()` and `system_manager()`
    make users for `other_users` who may less.
    """
    settings = SiteSettings(version, server_scripts, max_request_line=max_request_line, max_body_bytes=max_body_bytes)
    site = Site(store, settings, [User(API_USER, api_key, api_secret, API_ROLES), *other_users])
    store.set("System Settings", "System Settings", time_zone=time_zone)
    front = _Front(site)
    routes = [
        Route("/__sandbox__/{control:path}", erp_control.endpoint, methods=METHODS),
        Route("/{path:path}", front, methods=METHODS),
    ]
    app = Starlette(routes=routes)
    app.state.site = site
    return app


def low_user(api_key: str, api_secret: str) -> User:
    """May read Website Item and File, nothing else."""
    return User(LOW_USER, api_key, api_secret, ("Blogger", "All", "Guest"))


def system_manager(api_key: str, api_secret: str) -> User:
    """The role System Manager alone, without ERPNext's own roles."""
    return User(SYSTEM_MANAGER, api_key, api_secret, ("System Manager", "All", "Guest"))


@dataclass(frozen=True)
class _Http:
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
        return self.headers.get("accept", "").startswith("text")

    @property
    def is_json(self) -> bool:
        return "json" in self.headers.get("content-type", "")

    def arguments(self) -> dict[str, Any]:
        """frappe.form_dict: a JSON body replaces the query string, a form is joined with it."""
        if self.body and self.is_json:
            found = _loaded(self.body)
            if not isinstance(found, dict):
                raise thrown("ValidationError", "Invalid request arguments")
            return found
        return {**self.query, **self.form}

    def document(self) -> dict[str, Any]:
        """The body of a POST or PUT of a document: JSON whatever the content type says, else the form."""
        if self.form:
            return _loaded(self.form["data"]) if "data" in self.form else dict(self.form)
        return _loaded(self.body) if self.body else {}


class _Front:
    """nginx and gunicorn: what they refuse never reaches Frappe."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.rate = RateLimiter()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        refused = self._request_line(request)
        response = refused or await self._answer(request)
        await response(scope, receive, send)

    def _request_line(self, request: Request) -> Response | None:
        scope, settings = request.scope, self.site.settings
        raw_path = scope.get("raw_path") or scope["path"].encode()
        query = scope["query_string"]
        length = len(f"{request.method}  HTTP/1.1") + len(raw_path) + (len(query) + 1 if query else 0)
        if length > NGINX_REQUEST_LINE:
            return HTMLResponse(nginx_page("414 Request-URI Too Large"), 414)
        path = raw_path.decode("latin-1")
        if (path.startswith("/api/") and path.rstrip("/").endswith((".html", "%2Ehtml"))) or path.endswith("/") != (
            path == "/"
        ):
            target = path.rstrip("/").removesuffix(".html")
            return HTMLResponse(nginx_page("301 Moved Permanently"), 301, {"Location": target})
        if length > settings.max_request_line:
            text = f"Request Line is too large ({length} > {settings.max_request_line})"
            return HTMLResponse(gunicorn_page("Bad Request", text), 400)
        return None

    async def _answer(self, request: Request) -> Response:
        announced = int(request.headers.get("content-length") or 0)
        if announced > NGINX_BODY:
            return HTMLResponse(nginx_page("413 Request Entity Too Large"), 413)
        if announced > self.site.settings.max_body_bytes:
            text = "The data value transmitted exceeds the capacity limit."
            return HTMLResponse(werkzeug_page("413 Request Entity Too Large", text), 413)
        http = await _read(request)
        # SQLite and SMTP block: the event loop stays free, as gunicorn's other workers would.
        return await run_in_threadpool(self._frappe, http)

    def _frappe(self, http: _Http) -> Response:
        began, limit = time.perf_counter(), self.site.settings.rate_limit
        headers: dict[str, str] = {}
        try:
            if http.raw_path.startswith("/files/"):
                return erp_files.public_file(self.site, http.method, unquote(http.raw_path), http.headers)
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

    def _maintenance(self, http: _Http) -> None:
        settings = self.site.settings
        if not settings.maintenance_mode:
            return
        if not settings.allow_reads_during_maintenance:
            raise ErpError("SessionStopped", "Session Stopped")
        if http.method not in READING:
            text = "Site is running in read only mode for maintenance or site update, "
            text += "this action can not be performed right now. Please try again later."
            raise thrown("InReadOnlyMode", text, title="In Read Only Mode")

    # -- Frappe ------------------------------------------------------------------------------------------------

    def _respond(self, http: _Http) -> Response:
        user = self._authenticate(http.headers.get("authorization", ""))
        path = http.raw_path
        if path.startswith("/private/files/"):
            return erp_files.private_file(self.site, user, http.method, unquote(path), http.headers)
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
        for user in self.site.users:
            if key and (user.api_key, user.api_secret) == (key, secret):
                return user.name
        raise ErpError("AuthenticationError")

    def _method(self, http: _Http, user: str, command: str) -> Response:
        if command in ("download_file", "frappe.core.doctype.file.file.download_file", "frappe.handler.download_file"):
            url = str(http.arguments().get("file_url") or "")
            return erp_files.download(self.site, user, http.method, url, http.headers)
        return _json(call(command, Call(self.site, user, http.method, http.arguments(), http.uploads)))

    def _list(self, http: _Http, user: str, doctype: str) -> Response:
        if http.method == "POST":
            values = http.document()
            with self.site.store.transaction():
                return _json({"data": public(Documents(self.site, user).insert(doctype, values))})
        if http.method not in READING:
            raise no_route()
        given = http.arguments()
        fields = given.get("fields")
        if fields is not None and not isinstance(fields, str):
            kind = type(fields).__name__
            raise ErpError("TypeError", f"the JSON object must be str, bytes or bytearray, not {kind}")
        listed = ListRequest(
            doctype,
            fields=_loaded(fields) if fields else None,
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
        return _json({"data": run(self.site, user, listed)})

    def _document(self, http: _Http, user: str, doctype: str, name: str) -> Response:
        documents = Documents(self.site, user)
        if http.method in ("GET", "HEAD"):
            return _json({"data": public(documents.load(doctype, name))})
        if http.method == "PUT":
            with self.site.store.transaction():
                return _json({"data": public(documents.update(doctype, name, http.document()))})
        if http.method == "DELETE":
            documents.delete(doctype, name)
            return _json({"data": "ok"}, 202)
        if http.method == "POST" and "run_method" in http.query:
            # Document methods over this route need write permission, which nobody has on the queue.
            error = no_access(user, doctype, name)
            refused = thrown("PermissionError", "Not permitted")
            refused.messages = error.messages + refused.messages
            raise refused
        raise no_route()


async def _read(request: Request) -> _Http:
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
    return _Http(request.method, raw_path, query, headers, body, form, uploads)


def _argument(given: dict[str, Any], name: str) -> Any:
    value = given.get(name)
    return _loaded(value) if isinstance(value, str) and value else value


def _loaded(text: str | bytes) -> Any:
    try:
        return parsed(text.decode() if isinstance(text, bytes) else text)
    except ValueError as error:
        raise ErpError("JSONDecodeError", str(error)) from error


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(content, status, headers, "application/json")


def _refusal(error: ErpError, http: _Http) -> Response:
    if http.wants_html:
        title = {401: "Session Expired", 503: "Updating"}.get(error.status, str(error.status))
        return HTMLResponse(website_page(title), error.status, error.headers)
    return _json(error.body(), error.status, error.headers)
