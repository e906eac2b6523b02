"""A real nginx in front of a server, with the limits that it has where nobody configured it."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dev.postgres import free_port

STARTS_WITHIN = 10.0
# No limit is set here: what counts are nginx's own, such as 8 KiB for a request line and 1 MiB for a body.
CONFIGURATION = """
daemon off;
master_process off;
pid {home}/pid;
error_log {home}/error.log info;
events {{}}
http {{
    access_log {home}/access.log;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass {target};
        }}
    }}
}}
"""


def find_nginx() -> str:
    """Return the program; Debian keeps it out of the PATH of users. Fails the test where there is none."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.fail("nginx is needed: apt-get install nginx (nothing of it has to run)", pytrace=False)
    return found


@contextmanager
def behind_nginx(target: str, home: Path) -> Iterator[str]:
    """Run nginx in front of the server at `target`; yields its address. `home` is an empty folder of its own."""
    program, port = find_nginx(), free_port()
    configuration = home / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(home=home, port=port, target=target.rstrip("/")))
    command = [program, "-p", str(home), "-c", str(configuration), "-e", str(home / "error.log")]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        _wait(process, port, home)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(STARTS_WITHIN)


def refusals(home: Path) -> list[str]:
    """Return the requests that this nginx refused itself, as its error log names them."""
    log = (home / "error.log").read_text()
    return [line for line in log.splitlines() if re.search("client (intended to send|sent) too", line)]


def longest_line(home: Path) -> int:
    """Return the bytes of the longest request line that came through."""
    return max(len(line.split('"')[1]) for line in (home / "access.log").read_text().splitlines())


def _wait(process: "subprocess.Popen[bytes]", port: int, home: Path) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    pytest.fail(f"nginx did not start: {(home / 'error.log').read_text()}", pytrace=False)
