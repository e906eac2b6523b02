"""A server that sends a byte now and then is given up in the end: its read time-out alone would never be over."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from erp_medusa_pipelines.clients.failures import TransientError
from erp_medusa_pipelines.clients.http import LONGEST_CALL, HttpClient, HttpOptions

READ_TIMEOUT = 0.3
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"


@contextmanager
def dripping(first: bytes, drop: bytes) -> Iterator[str]:
    """Answer each connection with `first`, then with a drop ten times in a read time-out. Yields the address."""
    ended = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def drip(connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            try:
                connection.sendall(first)
                while not ended.wait(READ_TIMEOUT / 10):
                    connection.sendall(drop)
            except OSError:
                return

    def accept() -> None:
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=drip, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        ended.set()
        listener.close()


@pytest.mark.parametrize(("first", "drop"), [(HEAD, b" "), (b"HTTP/1.1 200 OK\r\n", b"X-Filler: 1\r\n")])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.long
def test_an_answer_that_never_ends_is_given_up(first: bytes, drop: bytes, streamed: bool) -> None:
    with dripping(first, drop) as address:
        client = HttpClient("Medusa", address, {}, options=HttpOptions(read_timeout=READ_TIMEOUT, attempts=1))
        began = time.monotonic()
        ask = client.download if streamed else client.request
        arguments = {"path": "/files/x.png", "limit": 10_000} if streamed else {"method": "GET", "path": "/admin"}
        with pytest.raises(TransientError, match="was not there whole") as caught:
            ask(**arguments)  # pyright: ignore[reportArgumentType]
        assert caught.value.ambiguous
        assert READ_TIMEOUT * LONGEST_CALL * 0.9 < time.monotonic() - began < READ_TIMEOUT * LONGEST_CALL + 5
        client.close()
