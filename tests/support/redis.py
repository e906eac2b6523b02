"""A Redis of a test's own: Debian's redis-server, on the loopback, with a password, nothing on disk."""

import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from dev.deployment import wait_for
from dev.postgres import free_port


@contextmanager
def private_redis(home: Path) -> Iterator[str]:
    """Its address."""
    program = shutil.which("redis-server")
    assert program, "redis-server is missing: apt-get install redis-server"
    port, password = free_port(), secrets.token_hex(8)
    home.mkdir(parents=True, exist_ok=True)
    options = ["--bind", "127.0.0.1", "--port", str(port), "--requirepass", password, "--save", "", "--dir", str(home)]
    with (home / "redis.log").open("wb") as log:
        server = subprocess.Popen([program, *options], stdout=log, stderr=subprocess.STDOUT)
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    try:
        wait_for("redis", lambda: _answers(url))
        yield url
    finally:
        server.terminate()
        server.wait(10)


def _answers(url: str) -> bool:
    try:
        with redis.from_url(url) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False
