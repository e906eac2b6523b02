"""Dagster on this machine for as long as a command lives: `make dev`, and what the demo starts.

A home that one such Dagster works in at a time, a free port, and an end that leaves no process behind, whatever signal
asked for it.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

HOST = "127.0.0.1"
FIRST_PORT = 3000
PORTS = 50
"""So many ports from the first one on are tried."""

END_SECONDS = 30
KILL_SECONDS = 5


class LocalDagsterError(Exception):
    """It cannot be started; the text says why and what to do."""


def main() -> int:
    """Serve the UI of the installation in DAGSTER_HOME until a signal comes. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_port(parser)
    options = parser.parse_args()
    home = Path(os.environ["DAGSTER_HOME"]).resolve()
    try:
        with ending_by_signal(), alone_in(home):
            port = free_port(options.port)
            print(f"The Dagster UI: http://{HOST}:{port}  (Ctrl+C ends it; its history stays in {home})", flush=True)
            with ended_sandbox(), started(port, cwd=Path.cwd()) as process:
                return process.wait()
    except LocalDagsterError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def add_port(parser: argparse.ArgumentParser) -> None:
    """The option that both commands have."""
    parser.add_argument(
        "--port", type=int, help=f"port of the UI on {HOST} (default: {FIRST_PORT}, or the next one that is free)"
    )


def ending_by_signal() -> AbstractContextManager[None]:
    """SIGTERM and SIGHUP end the command as Ctrl-C does, by KeyboardInterrupt; their default would leave the others."""
    return _signals_go_to(signal.default_int_handler)


@contextmanager
def _signals_go_to(handler: Any) -> Iterator[None]:
    """The signals that end a command go to this handler inside the context."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def alone_in(home: Path) -> Iterator[None]:
    """Only one such Dagster works in a home at a time: two daemons would start every run twice."""
    home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home / "running.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise LocalDagsterError(
            f"A Dagster that was started here works in {home} already: end that one first"
        ) from None
    try:
        yield
    finally:
        lock.release()


def free_port(wanted: int | None, *, after: int = FIRST_PORT - 1) -> int:
    """The wanted port, or the first free one above `after`. Raises LocalDagsterError if the wanted one is taken."""
    if wanted is not None:
        if not _is_free(wanted):
            raise LocalDagsterError(
                f"Port {wanted} is taken: choose another with PORT=, or leave PORT out for a free one"
            )
        return wanted
    ports = range(after + 1, after + 1 + PORTS)
    found = next((port for port in ports if _is_free(port)), None)
    if found is None:
        raise LocalDagsterError(f"The ports {ports[0]} to {ports[-1]} are all taken: choose one with PORT=")
    return found


def _is_free(port: int) -> bool:
    """Whether nobody listens on the port now."""
    with socket.socket() as probe:
        # As the webserver itself: connections of the last one that are not quite over do not matter.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


@contextmanager
def started(
    port: int, *arguments: str, cwd: Path, output: IO[bytes] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Webserver, daemon and code server as `dg dev` starts them; every process of theirs ends with the context."""
    command = [str(Path(sys.executable).with_name("dg")), "dev", "--host", HOST, "--port", str(port), *arguments]
    # A group of its own: the terminal's Ctrl-C reaches this process alone, and what stays behind can be found.
    process = subprocess.Popen(  # noqa: S603  # our own program
        command, cwd=cwd, stdout=output, stderr=output and subprocess.STDOUT, start_new_session=True
    )
    try:
        yield process
    finally:
        with _deaf():
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask as Ctrl-C does, which lets Dagster end its services; then end what is left of its group."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=END_SECONDS)
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not _signal_group(process, number):
            break
        deadline = time.monotonic() + KILL_SECONDS
        while _signal_group(process, 0) and time.monotonic() < deadline:
            process.poll()
            time.sleep(0.1)
    process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: int) -> bool:
    """Return whether the group has a process left."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _deaf() -> AbstractContextManager[None]:
    """A second Ctrl-C must not stop the end half-way."""
    return _signals_go_to(signal.SIG_IGN)


@contextmanager
def ended_sandbox() -> Iterator[None]:
    """The embedded shop ends with the context, if the settings name it; its data stays."""
    from erp_medusa_pipelines.connections import sandbox_directory
    from erp_medusa_pipelines.settings import SettingsError, load_settings
    from erp_medusa_sandbox.server import stop

    try:
        yield
    finally:
        with _deaf(), suppress(SettingsError):
            settings = load_settings()
            if settings.uses_sandbox:
                stop(sandbox_directory(settings))


if __name__ == "__main__":
    sys.exit(main())
