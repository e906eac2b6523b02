"""Connections that another thread can close while a call waits on them.

A read time-out restarts with every byte, so a server that sends one now and then keeps a call waiting for ever; whoever
has a deadline closes the sockets instead.
"""

import contextlib
import socket
import threading
import weakref
from collections.abc import Iterator
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_CALL = threading.local()


class Deadline:
    """The end of the calls that a thread makes within `limited`."""

    def __init__(self) -> None:
        self.is_over = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def uses(self, used: socket.socket) -> None:
        """Note the socket that the call uses now."""
        with self._lock:
            self._socket = used
            if self.is_over:
                _close(used)

    def end(self) -> None:
        """Close the call's socket: it fails with a connection error."""
        with self._lock:
            self.is_over = True
            if self._socket is not None:
                _close(self._socket)


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[Deadline]:
    """Close the connection of a call of this thread that takes longer, however often its server sends a byte."""
    deadline = Deadline()
    timer = threading.Timer(seconds, deadline.end)
    timer.daemon = True
    timer.start()
    _CALL.deadline = deadline
    try:
        yield deadline
    finally:
        _CALL.deadline = None
        timer.cancel()


def _close(used: socket.socket) -> None:
    # It may be closed already.
    with contextlib.suppress(OSError):
        used.shutdown(socket.SHUT_RDWR)


def _note_use(used: socket.socket | None) -> None:
    deadline: Deadline | None = getattr(_CALL, "deadline", None)
    if deadline is not None and used is not None:
        deadline.uses(used)


class AbortableAdapter(HTTPAdapter):
    """An HTTPAdapter with `abort`. Its calls within `limited` end in time."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Create pools whose connections register their sockets here."""
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = _pools(self._sockets)

    def abort(self) -> None:
        """Close every connection now. Waiting calls raise a connection error; later ones connect again."""
        for each in list(self._sockets):
            _close(each)


def _pools(sockets: "weakref.WeakSet[socket.socket]") -> dict[str, type[HTTPConnectionPool]]:
    class Noting(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            sockets.add(self.sock)
            _note_use(self.sock)

        def putrequest(self, *arguments: Any, **options: Any) -> None:
            _note_use(self.sock)
            super().putrequest(*arguments, **options)

    class NotingSecure(Noting, HTTPSConnection):
        pass

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Noting  # pyright: ignore[reportAssignmentType]  # as urllib3 documents it

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = NotingSecure  # pyright: ignore[reportAssignmentType]

    return {"http": PlainPool, "https": SecurePool}
