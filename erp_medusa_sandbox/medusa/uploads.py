"""Uploaded files of the embedded Medusa, as its local file provider keeps them.

Belongs here: `/admin/uploads` and `/static`. That a product shows an image belongs to `products.py`.
"""

from __future__ import annotations

import mimetypes
import threading
import time
from urllib.parse import quote

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.medusa.errors import no_route, not_found, unknown_error
from erp_medusa_sandbox.medusa.http import deleted
from erp_medusa_sandbox.medusa.store import Document, MedusaStore


class Uploads:
    """The files themselves: in memory, or in the directory `static` beside the database."""

    def __init__(self, store: MedusaStore) -> None:
        self._store = store
        self._last_stamp = 0
        self._lock = threading.Lock()

    def keep(self, name: str, content: bytes) -> str:
        identifier = f"{self._stamp()}-{name}"
        directory = self._store.static_dir
        if directory is None:
            self._store.static_files[identifier] = content
        else:
            directory.mkdir(exist_ok=True)
            (directory / quote(identifier, safe=" ")).write_bytes(content)
        return identifier

    def read(self, identifier: str) -> bytes | None:
        directory = self._store.static_dir
        if directory is None:
            return self._store.static_files.get(identifier)
        path = directory / quote(identifier, safe=" ")
        return path.read_bytes() if path.is_file() else None

    def forget(self, identifier: str) -> None:
        directory = self._store.static_dir
        if directory is None:
            self._store.static_files.pop(identifier, None)
        else:
            (directory / quote(identifier, safe=" ")).unlink(missing_ok=True)

    def _stamp(self) -> int:
        """The millisecond; the same name twice within one is not the same file."""
        with self._lock:
            self._last_stamp = max(self._last_stamp + 1, time.time_ns() // 1_000_000)
            return self._last_stamp


def routes(store: MedusaStore, public_url: str | None) -> list[Route]:
    uploads = Uploads(store)

    def shown(request: Request, identifier: str) -> Document:
        base = (public_url or str(request.base_url)).rstrip("/")
        return {"id": identifier, "url": f"{base}/static/{quote(identifier, safe='')}"}

    async def upload(request: Request) -> Response:
        if "multipart/form-data" not in request.headers.get("content-type", ""):
            raise unknown_error()
        async with request.form() as form:
            parts = form.multi_items()
            files = [value for name, value in parts if name == "files" and isinstance(value, UploadFile)]
            # Any other field name is a fault of the server, says Medusa.
            if not files or any(isinstance(value, UploadFile) and name != "files" for name, value in parts):
                raise unknown_error()
            kept = [uploads.keep(_mojibake(file.filename or "file"), await file.read()) for file in files]
        return JSONResponse({"files": [shown(request, identifier) for identifier in kept]})

    async def get_upload(request: Request) -> Response:
        identifier = request.path_params["id"]
        if uploads.read(identifier) is None:
            raise not_found(f"File with key {identifier} not found")
        return JSONResponse({"file": shown(request, identifier)})

    async def delete_upload(request: Request) -> Response:
        uploads.forget(request.path_params["id"])
        return deleted(request.path_params["id"], "file")

    async def static(request: Request) -> Response:
        content = uploads.read(request.path_params["id"])
        if content is None:
            return no_route("GET", request.url.path)
        kind = mimetypes.guess_type(request.path_params["id"])[0] or "application/octet-stream"
        return Response(content, media_type=kind)

    return [
        Route("/admin/uploads", upload, methods=["POST"]),
        Route("/admin/uploads/{id}", get_upload, methods=["GET"]),
        Route("/admin/uploads/{id}", delete_upload, methods=["DELETE"]),
        Route("/static/{id}", static, methods=["GET"]),
    ]


def _mojibake(name: str) -> str:
    """Medusa reads the UTF-8 of a file name as Latin-1."""
    return name.rsplit("/", 1)[-1].encode().decode("latin-1")
