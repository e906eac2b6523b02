"""A mail server for tests: takes every message, counts, refuses nobody."""

from __future__ import annotations

import socketserver
import threading
from typing import Any


class SmtpSink:
    """Listens on a free loopback port; `messages` are the raw texts that arrived.

    `together`: hold the greeting back until that many connections are open, and the answer to MAIL until that many
    messages are offered, so that the calls overlap for sure.
    """

    def __init__(self, together: int = 1) -> None:
        self.messages: list[bytes] = []
        self._gate = threading.Barrier(together)
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> SmtpSink:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[socketserver.StreamRequestHandler]:
        sink = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                sink._gate.wait(timeout=10)
                self.wfile.write(b"220 sink\r\n")
                while line := self.rfile.readline():
                    verb = line[:4].upper()
                    if verb == b"MAIL":
                        sink._gate.wait(timeout=10)
                    if verb == b"DATA":
                        self.wfile.write(b"354 go on\r\n")
                        sink.messages.append(self._message())
                    self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                    if verb == b"QUIT":
                        return

            def _message(self) -> bytes:
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line)
                return b"".join(lines)

        return Handler
