"""Files as nginx and Frappe serve them: public ones to all, private ones by the right to read their document.

`/files/`, `/private/files/` and download_file. Uploads belong to `methods.py`.
"""

from __future__ import annotations

import hashlib
import mimetypes

from starlette.responses import HTMLResponse, Response

from erp_medusa_sandbox.erpnext.errors import website_page, werkzeug_page
from erp_medusa_sandbox.erpnext.permissions import READ
from erp_medusa_sandbox.erpnext.site import Site


def public_file(site: Site, method: str, url: str, headers: dict[str, str]) -> Response:
    """Answer as nginx does: no authentication, and an error page for a missing file."""
    content = site.store.file(url)
    return HTMLResponse(website_page("404"), 404) if content is None else _served(content, url, method, headers)


def private_file(site: Site, user: str, method: str, url: str, headers: dict[str, str]) -> Response:
    """Answer as Frappe does, which does not tell a missing file from a forbidden one."""
    content = site.store.file(url)
    if content is None or not _may_read(site, user, url):
        text = "You don't have permission to access this file"
        return HTMLResponse(werkzeug_page("403 Forbidden", text), 403)
    return _served(content, url, method, headers)


def download(site: Site, user: str, method: str, url: str, headers: dict[str, str]) -> Response:
    """Answer the method download_file."""
    if url.startswith("/private/"):
        return private_file(site, user, method, url, headers)
    return public_file(site, method, url, headers)


def _may_read(site: Site, user: str, url: str) -> bool:
    return any(site.may_document(user, "File", row, READ) for row in site.store.rows("File", file_url=url))


def _served(content: bytes, url: str, method: str, headers: dict[str, str]) -> Response:
    etag = f'"{hashlib.sha256(content).hexdigest()[:8]}-{len(content):x}"'
    if headers.get("if-none-match") == etag:
        return Response(status_code=304, headers={"ETag": etag})
    kind = mimetypes.guess_type(url)[0] or "application/octet-stream"
    first, last = _range(headers.get("range", ""), len(content))
    part, shown = content[first : last + 1], {"ETag": etag, "Accept-Ranges": "bytes"}
    if len(part) < len(content):
        shown["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    if method == "HEAD":
        return Response(b"", 200, {**shown, "Content-Length": str(len(content))}, kind)
    return Response(part, 206 if len(part) < len(content) else 200, shown, kind)


def _range(header: str, size: int) -> tuple[int, int]:
    first, _, last = header.removeprefix("bytes=").partition("-")
    if not header.startswith("bytes=") or not first.isdigit() or int(first) >= size:
        return 0, size - 1
    return int(first), min(int(last), size - 1) if last.isdigit() else size - 1
