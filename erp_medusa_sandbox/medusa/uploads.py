"""Uploaded files of the embedded Medusa, as its local file provider keeps them.

`/admin/uploads` and `/static`. That a product shows an image belongs to `products.py`.
"""

from __future__ import annotations

import mimetypes
import threading
import time
from dataclasses import dataclass
from urllib.parse import quote

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.medusa.errors import no_route, not_found, unknown_error
from erp_medusa_sandbox.medusa.http import Resource, deleted
from erp_medusa_sandbox.medusa.store import Document, MedusaStore
from erp_medusa_sandbox.steps import step_done


class Files:
    """The files themselves: in memory, or in the directory `static` beside the database."""

    def __init__(self, store: MedusaStore) -> None:
        """Keep the files of one Medusa."""
        self._store = store
        self._last_stamp = 0
        self._lock = threading.Lock()

    def keep(self, name: str, content: bytes) -> str:
        """Store a file and return its id, which begins with the time."""
        identifier = f"{self._stamp()}-{name}"
        directory = self._store.static_dir
        if directory is None:
            self._store.static_files[identifier] = content
        else:
            directory.mkdir(exist_ok=True)
            (directory / quote(identifier, safe=" ")).write_bytes(content)
        return identifier

    def read(self, identifier: str) -> bytes | None:
        """Return the content of a file."""
        directory = self._store.static_dir
        if directory is None:
            return self._store.static_files.get(identifier)
        path = directory / quote(identifier, safe=" ")
        return path.read_bytes() if path.is_file() else None

    def forget(self, identifier: str) -> None:
        """Delete a file; ignored if it does not exist."""
        directory = self._store.static_dir
        if directory is None:
            self._store.static_files.pop(identifier, None)
        else:
            (directory / quote(identifier, safe=" ")).unlink(missing_ok=True)

    def _stamp(self) -> int:
        """Return the time in milliseconds, a new one for each file."""
        with self._lock:
            self._last_stamp = max(self._last_stamp + 1, time.time_ns() // 1_000_000)
            return self._last_stamp


@dataclass(frozen=True)
class Uploads(Resource):
    """Handlers of uploads. `public_url` is what urls begin with; without it, the address that was called."""

    files: Files
    public_url: str | None = None

    def routes(self) -> list[Route]:
        """List the routes, each with its handler."""
        return [
            Route("/admin/uploads", self._upload, methods=["POST"]),
            Route("/admin/uploads/{id}", self._get, methods=["GET"]),
            Route("/admin/uploads/{id}", self._delete, methods=["DELETE"]),
            Route("/static/{id}", self._static, methods=["GET"]),
        ]

    async def _upload(self, request: Request) -> Response:
        if "multipart/form-data" not in request.headers.get("content-type", ""):
            raise unknown_error()
        async with request.form() as form:
            parts = form.multi_items()
            files = [value for name, value in parts if name == "files" and isinstance(value, UploadFile)]
            # Any other field name is a fault of the server, says Medusa.
            if not files or any(isinstance(value, UploadFile) and name != "files" for name, value in parts):
                raise unknown_error()
            kept: list[str] = []
            for file in files:
                kept.append(self.files.keep(_mojibake(file.filename or "file"), await file.read()))
                step_done("file")
        return JSONResponse({"files": [self._shown(request, identifier) for identifier in kept]})

    async def _get(self, request: Request) -> Response:
        identifier = request.path_params["id"]
        if self.files.read(identifier) is None:
            raise not_found(f"File with key {identifier} not found")
        return JSONResponse({"file": self._shown(request, identifier)})

    async def _delete(self, request: Request) -> Response:
        self.files.forget(request.path_params["id"])
        return deleted(request.path_params["id"], "file")

    async def _static(self, request: Request) -> Response:
        content = self.files.read(request.path_params["id"])
        if content is None:
            return no_route("GET", request.url.path)
        kind = mimetypes.guess_type(request.path_params["id"])[0] or "application/octet-stream"
        return Response(content, media_type=kind)

    def _shown(self, request: Request, identifier: str) -> Document:
        base = (self.public_url or str(request.base_url)).rstrip("/")
        return {"id": identifier, "url": f"{base}/static/{quote(identifier, safe='')}"}


def _mojibake(name: str) -> str:
    """Medusa reads the UTF-8 of a file name as Latin-1."""
    return name.rsplit("/", 1)[-1].encode().decode("latin-1")
