"""Fault injection and a request log for the embedded servers.

The ASGI middleware that both embedded servers are wrapped in, the description of a fault, and the HTTP control routes
under `/__sandbox__/`. What the servers themselves answer belongs to their own modules; how they are started belongs to
`server.py`.

Faults that cut a connection need the transport below ASGI. `server.py` serves with a protocol class that puts it into
the request's state (`TRANSPORT`); under another server those faults refuse with a clear error.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from erp_medusa_sandbox.steps import WALK, ServerKilledError

TRANSPORT = "sandbox_transport"
CONTROL_PREFIX = "/__sandbox__/"
SANDBOX_HEADER: tuple[bytes, bytes] = (b"x-sandbox", b"1")
KEPT_REQUESTS = 20_000
DRIPS = 10

Action = Literal["status", "latency", "drop_after", "drop_before", "truncate", "header", "kill", "drip", "replace"]


@dataclass
class Fault:
    """What goes wrong, for which requests, and how often."""

    action: Action
    method: str | None = None
    path: str | None = None  # regular expression, searched in the path and in path?query
    body: str | None = None  # regular expression, searched in the request body
    times: int | None = None  # None: until healed
    line_over: int | None = None  # only request lines of more bytes than these
    body_over: int | None = None  # only request bodies of more bytes than these
    skip: int = 0  # let the first matching requests pass
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    json: Any = None
    text: str | None = None
    seconds: float = 0.5  # latency: before the request; drip: between the pieces of the answer
    steps: int = 1  # kill: the server ends after so many steps of its workflows, counted over all matching requests
    id: int = 0
    matched: int = 0
    fired: int = 0
    walked: int = 0

    def __post_init__(self) -> None:
        """Refuse an unknown action and a broken pattern."""
        if self.action not in get_args(Action):
            raise ValueError(f"unknown action {self.action!r}; known: {', '.join(get_args(Action))}")
        for pattern in (self.path, self.body):
            if pattern is not None:
                re.compile(pattern)

    def matches(self, method: str, path: str, query: str, body: bytes) -> bool:
        """Return whether the fault is meant for this request."""
        if self.method is not None and self.method.upper() != method:
            return False
        line = f"{method} {path}?{query} HTTP/1.1" if query else f"{method} {path} HTTP/1.1"
        if self.line_over is not None and len(line) <= self.line_over:
            return False
        if self.body_over is not None and len(body) <= self.body_over:
            return False
        if self.path is not None and not any(re.search(self.path, text) for text in (path, f"{path}?{query}")):
            return False
        return self.body is None or re.search(self.body, body.decode("utf-8", "replace")) is not None


@dataclass
class SeenRequest:
    """One line of the request log. `bytes` is the size of the request body; `status` None: no answer went out."""

    n: int
    method: str
    path: str
    query: str
    status: int | None = None
    bytes: int = 0


class FaultInjector:
    """ASGI middleware: logs every request and lets chosen ones fail."""

    def __init__(self, app: ASGIApp, name: str = "sandbox") -> None:
        """Wrap `app`; `name` is its name in the health route."""
        self.app = app
        self.name = name
        self.last_request = time.monotonic()
        self._faults: list[Fault] = []
        self._requests: deque[SeenRequest] = deque(maxlen=KEPT_REQUESTS)
        self._steps: deque[str] = deque(maxlen=KEPT_REQUESTS)
        self._open: set[asyncio.Transport] = set()
        self._fault_ids = itertools.count(1)
        self._request_numbers = itertools.count(1)
        self._lock = threading.Lock()

    # -- control from Python ------------------------------------------------------------------------------------

    def add(self, fault: Fault) -> int:
        """Arm a fault and return its id."""
        with self._lock:
            fault.id = next(self._fault_ids)
            self._faults.append(fault)
            return fault.id

    def heal(self) -> None:
        """Disarm all faults."""
        with self._lock:
            self._faults.clear()

    @property
    def faults(self) -> list[Fault]:
        """The faults that are armed."""
        with self._lock:
            return list(self._faults)

    @property
    def requests(self) -> list[SeenRequest]:
        """The newest requests, oldest first."""
        with self._lock:
            return list(self._requests)

    @property
    def steps(self) -> list[str]:
        """The newest steps of the server's workflows, each with its request, oldest first."""
        with self._lock:
            return list(self._steps)

    def forget_requests(self) -> None:
        """Empty the logs of requests and of steps."""
        with self._lock:
            self._requests.clear()
            self._steps.clear()

    # -- ASGI ---------------------------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Log a request and answer it, or let it fail."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["path"].startswith(CONTROL_PREFIX):
            await self._control(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.last_request = time.monotonic()
        query = scope["query_string"].decode("latin-1")
        with self._lock:
            seen = SeenRequest(next(self._request_numbers), scope["method"], scope["path"], query)
            self._requests.append(seen)
            armed = bool(self._faults)
        receive = _counting(receive, seen)
        chosen: list[Fault] = []
        if armed:
            body = await _read_body(receive)
            receive = _replaying(body, receive)
            chosen = self._choose(seen, body)
        extra_headers = [SANDBOX_HEADER]
        final: Fault | None = None
        for fault in chosen:
            if fault.action == "latency":
                await asyncio.sleep(fault.seconds)
            elif fault.action == "header":
                extra_headers += [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in fault.headers.items()]
            else:
                final = fault
        WALK.set(lambda name: self._walk(f"{seen.method} {seen.path}: {name}", final))
        transport: asyncio.Transport | None = scope.get("state", {}).get(TRANSPORT)
        self._open |= {transport} if transport else set()
        try:
            await self._end(final, scope, receive, _answering(send, seen, extra_headers))
        except ServerKilledError:
            for connection in [*self._open]:
                connection.abort()
            await _cut(scope, receive)
        finally:
            self._open -= {transport} if transport else set()

    def _walk(self, step: str, fault: Fault | None) -> None:
        """Note a finished step of a workflow, after which the server may end."""
        with self._lock:
            self._steps.append(step)
            if fault is None or fault.action != "kill":
                return
            fault.walked += 1
            if fault.walked < fault.steps:
                return
            fault.walked = 0
            fault.fired += 1
        raise ServerKilledError(step)

    async def _end(self, final: Fault | None, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, or do what the deciding fault says."""
        if final is None or final.action == "kill":
            await self.app(scope, receive, send)
        elif final.action == "status":
            await _answer(send, final.status, final.headers, final.json, final.text)
        elif final.action == "replace":
            await self.app(scope, receive, _discard)
            await _answer(send, final.status, final.headers, final.json, final.text)
        elif final.action == "truncate":
            await self._truncate(scope, receive, send)
        elif final.action == "drip":
            await self.app(scope, receive, _dripping(send, final.seconds))
        else:
            if final.action != "drop_before":
                await self.app(scope, receive, _discard)
            await _cut(scope, receive)

    def _choose(self, seen: SeenRequest, body: bytes) -> list[Fault]:
        """The faults that fire now: every latency and header, and the first of those that decide the answer."""
        chosen: list[Fault] = []
        decided = False
        with self._lock:
            for fault in self._faults:
                deciding = fault.action not in ("latency", "header")
                exhausted = fault.times is not None and fault.fired >= fault.times
                if exhausted or (deciding and decided) or not fault.matches(seen.method, seen.path, seen.query, body):
                    continue
                fault.matched += 1
                if fault.matched <= fault.skip:
                    continue
                fault.fired += fault.action != "kill"
                decided = decided or deciding
                chosen.append(fault)
        return chosen

    async def _truncate(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Announce the whole body, send half of it and close the connection."""
        transport = _transport(scope)
        start: Message = {}
        chunks: list[bytes] = []

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            elif message["type"] == "http.response.body":
                chunks.append(message.get("body", b""))

        await self.app(scope, receive, collect)
        body = b"".join(chunks)
        headers = [(k, v) for k, v in start["headers"] if k.lower() not in (b"content-length", b"transfer-encoding")]
        # An empty body still has to be shorter than announced.
        headers.append((b"content-length", str(max(len(body), 1)).encode()))
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        transport.close()
        await _until_disconnected(receive)

    # -- control over HTTP --------------------------------------------------------------------------------------

    async def _control(self, scope: Scope, receive: Receive, send: Send) -> None:
        send = _answering(send, None, [SANDBOX_HEADER])
        method, path = scope["method"], scope["path"].removeprefix(CONTROL_PREFIX)
        if (method, path) == ("GET", "health"):
            await _answer(send, 200, {}, {"sandbox": True, "name": self.name, "pid": os.getpid()})
        elif (method, path) == ("POST", "faults"):
            await self._control_add(receive, send)
        elif (method, path) == ("GET", "faults"):
            await _answer(send, 200, {}, [asdict(fault) for fault in self.faults])
        elif (method, path) == ("DELETE", "faults"):
            self.heal()
            await _answer(send, 200, {}, {"healed": True})
        elif (method, path) == ("GET", "requests"):
            since = re.search(rb"(?:^|&)since=(\d+)", scope["query_string"])
            first = int(since.group(1)) if since else 0
            await _answer(send, 200, {}, [asdict(seen) for seen in self.requests if seen.n > first])
        elif (method, path) == ("DELETE", "requests"):
            self.forget_requests()
            await _answer(send, 200, {}, {"forgotten": True})
        else:  # the server behind may have control routes of its own
            await self.app(scope, receive, send)

    async def _control_add(self, receive: Receive, send: Send) -> None:
        settable = {f.name for f in fields(Fault)} - {"id", "matched", "fired", "walked"}
        try:
            given = json.loads(await _read_body(receive))
            unknown = set(given) - settable
            if unknown:
                raise ValueError(f"unknown fields {sorted(unknown)}; known: {sorted(settable)}")
            fault = Fault(**given)
        except (ValueError, TypeError, re.error) as error:
            await _answer(send, 400, {}, {"message": f"SANDBOX: this is no fault: {error}"})
            return
        await _answer(send, 200, {}, {"id": self.add(fault)})


# -- ASGI plumbing ----------------------------------------------------------------------------------------------


def _counting(receive: Receive, seen: SeenRequest) -> Receive:
    async def counted() -> Message:
        message = await receive()
        seen.bytes += len(message.get("body", b""))
        return message

    return counted


def _answering(send: Send, seen: SeenRequest | None, extra_headers: list[tuple[bytes, bytes]]) -> Send:
    names = {name for name, _ in extra_headers}

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            if seen is not None:
                seen.status = message["status"]
            kept = [(k, v) for k, v in message.get("headers", []) if k.lower() not in names]
            message = {**message, "headers": kept + extra_headers}
        await send(message)

    return answer


def _dripping(send: Send, seconds: float) -> Send:
    """Send each body in a few small pieces, with a pause before each."""

    async def drip(message: Message) -> None:
        body = message.get("body", b"")
        if message["type"] != "http.response.body" or not body:
            await send(message)
            return
        size = -(-len(body) // DRIPS)
        for start in range(0, len(body), size):
            await asyncio.sleep(seconds)
            more = message.get("more_body", False) or start + size < len(body)
            await send({**message, "body": body[start : start + size], "more_body": more})

    return drip


async def _discard(message: Message) -> None:
    """A send for answers that are dropped."""


async def _read_body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(chunks)
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


def _replaying(body: bytes, receive: Receive) -> Receive:
    replayed = False

    async def replay() -> Message:
        nonlocal replayed
        if replayed:
            return await receive()
        replayed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _answer(send: Send, status: int, headers: dict[str, str], payload: Any, text: str | None = None) -> None:
    body = text.encode() if text is not None else json.dumps(payload if payload is not None else {}).encode()
    content_type = "text/html; charset=utf-8" if text is not None else "application/json; charset=utf-8"
    sent = {
        "content-type": content_type,
        **{k.lower(): v for k, v in headers.items()},
        "content-length": str(len(body)),
    }
    raw = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in sent.items() if v]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _transport(scope: Scope) -> asyncio.Transport:
    transport = scope.get("state", {}).get(TRANSPORT)
    if transport is None:
        raise RuntimeError("cutting connections needs the sandbox's own server: serve with sandbox.server.running()")
    return transport


async def _cut(scope: Scope, receive: Receive) -> None:
    _transport(scope).abort()
    await _until_disconnected(receive)


async def _until_disconnected(receive: Receive) -> None:
    """The server answers 500 for an application that returns before it noticed the hang-up."""
    while (await receive())["type"] != "http.disconnect":
        pass
