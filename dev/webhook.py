"""A receiver of webhooks on the loopback."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Webhook:
    """Keeps what is posted to it; answers with `status`, after `seconds`."""

    def __init__(self) -> None:
        self.status = 200
        self.seconds = 0.0
        self.received: list[dict[str, Any]] = []
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if webhook.status < 300:
                    webhook.received.append(json.loads(body))
                time.sleep(webhook.seconds)
                self.send_response(webhook.status)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Not into the test's output."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """In the form of ALERT_URLS."""
        return f"json://127.0.0.1:{self.server.server_port}/"

    @property
    def titles(self) -> list[str]:
        """Titles of the messages in the order of their arrival."""
        return [message["title"] for message in self.received]


@contextmanager
def webhook() -> Iterator[Webhook]:
    """A webhook that listens while the context lasts."""
    receiver = Webhook()
    thread = threading.Thread(target=receiver.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()


@contextmanager
def hanging() -> Iterator[str]:
    """Yield the address of a webhook that takes the connection and never answers."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(50)
        yield f"json://127.0.0.1:{deaf.getsockname()[1]}/?rto=600"
