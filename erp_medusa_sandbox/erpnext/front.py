"""nginx and gunicorn in front of the embedded ERPNext: what they refuse never reaches Frappe.

Limits of lines and bodies, redirects, public files. What Frappe answers belongs to `api.py`.
"""

from __future__ import annotations

from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from erp_medusa_sandbox.erpnext.api import Api
from erp_medusa_sandbox.erpnext.errors import gunicorn_page, nginx_page, werkzeug_page
from erp_medusa_sandbox.erpnext.files import public_file
from erp_medusa_sandbox.erpnext.http import NGINX_BODY, read
from erp_medusa_sandbox.erpnext.site import Site

NGINX_REQUEST_LINE = 8 * 1024


class Front:
    """The servers in front, as one ASGI application."""

    def __init__(self, site: Site) -> None:
        """Stand in front of a site."""
        self.site = site
        self.api = Api(site)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
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
        http = await read(request)
        if http.raw_path.startswith("/files/"):
            url = unquote(http.raw_path)
            return await run_in_threadpool(public_file, self.site, http.method, url, http.headers)
        # SQLite and SMTP block: the event loop stays free, as gunicorn's other workers would.
        return await run_in_threadpool(self.api.answer, http)
