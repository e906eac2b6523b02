"""Connections that another thread can close while a call waits on them.

Belongs here: the transport adapter. A read time-out restarts with every byte, so a server that sends one now and
then keeps a call waiting for ever; whoever has a deadline closes the sockets instead.
"""

import contextlib
import socket
import weakref
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class AbortableAdapter(HTTPAdapter):
    """An HTTPAdapter with `abort`."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Create pools whose connections register their sockets here."""
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = _pools(self._sockets)

    def abort(self) -> None:
        """Close every connection now. Waiting calls raise a connection error; later ones connect again."""
        for each in list(self._sockets):
            # It may be closed already.
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def _pools(sockets: "weakref.WeakSet[socket.socket]") -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            sockets.add(self.sock)

    class Secure(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            sockets.add(self.sock)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain  # pyright: ignore[reportAssignmentType]  # as urllib3 documents it

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure  # pyright: ignore[reportAssignmentType]

    return {"http": PlainPool, "https": SecurePool}
