"""A server that answers what a test says, and a client that does not sleep."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_pipelines.clients.http import HttpClient, HttpOptions
from erp_medusa_sandbox.faults import FaultInjector
from erp_medusa_sandbox.server import running

SECRET = "s3cr3t/with+signs"
KEY = "sk_" + "ab" * 32
Answer = Callable[[Request], Response]


class Server:
    """Answers with what the test gives; notes every request and how many connections were opened."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.answer = answer or (lambda _request: JSONResponse({"ok": True}))
        self.seen: list[Request] = []
        self.connections: set[Any] = set()
        app = Starlette(routes=[Route("/{path:path}", self._handle, methods=["GET", "POST", "PUT", "DELETE"])])
        app.add_middleware(GZipMiddleware, minimum_size=500)
        self.faults = FaultInjector(app)
        self.url = ""

    async def _handle(self, request: Request) -> Response:
        self.seen.append(request)
        self.connections.add(request.client)
        await request.body()
        return self.answer(request)


@contextmanager
def served(answer: Answer | None = None, *, keep_alive: int = 5) -> Iterator[Server]:
    server = Server(answer)
    with running(server.faults, keep_alive=keep_alive) as url:
        server.url = url
        yield server


@contextmanager
def raw_server(act: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server for one connection that says exactly what the test says."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    act(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(5)


class Client(HttpClient):
    """A client that does not sleep, but notes for how long it would have."""

    def __init__(self, url: str, *, attempts: int = 4, **options: Any) -> None:
        self.slept: list[float] = []
        super().__init__(
            "ERPNext",
            url,
            {"Authorization": f"token key:{SECRET}"},
            secrets=(SECRET, KEY),
            options=HttpOptions(attempts=attempts, connect_timeout=2, read_timeout=5, **options),
            sleep=self.slept.append,
        )
