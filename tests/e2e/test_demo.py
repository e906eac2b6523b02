"""`make demo` as a newcomer sees it: a full night in the UI's history, and a terminal that can be read.

On a machine where another installation runs: whatever happens to the ports, none of its runs is the demo's doing.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import dagster as dg
import psutil
import pytest
import requests

from dev.deployment import ROOT, free_port, wait_for
from dev.local_dagster import FIRST_PORT

DEMO = (sys.executable, "-m", "dev.demo")


@contextmanager
def started(home: Path, *arguments: str, port: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """The demo's command, in a checkout whose environment names somebody's servers."""
    command = [*DEMO, "--home", str(home), *(["--port", str(port)] if port else []), *arguments]
    environment = {**os.environ, "ERPNEXT_URL": "http://127.0.0.1:9", "USE_SANDBOX": "false"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()


@contextmanager
def somebodys_dagster(home: Path) -> Iterator[int]:
    """The webserver of another installation, which has run nothing yet. Yields its port."""
    home.mkdir()
    (home / "dagster.yaml").touch()
    port = free_port()
    command = [sys.executable, "-m", "dagster_webserver", "--empty-workspace", "-p", str(port)]
    with subprocess.Popen(
        command,
        cwd=home,
        env={**os.environ, "DAGSTER_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            wait_for("somebody's webserver", lambda: _answers(port))
            yield port
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    with suppress(requests.RequestException):
        return requests.get(f"http://127.0.0.1:{port}/server_info", timeout=10).ok
    return False


@contextmanager
def answering_on(port: int, other: int) -> Iterator[None]:
    """What listens on the `other` port on this one too: every connection is passed on to it."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        threading.Thread(target=_pass_all_on, args=(listener, other), daemon=True).start()
        yield
        listener.shutdown(socket.SHUT_RDWR)


def _pass_all_on(listener: socket.socket, other: int) -> None:
    with suppress(OSError):
        while True:
            near, _ = listener.accept()
            far = socket.create_connection(("127.0.0.1", other))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=_pass_on, args=(source, sink), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def processes_of(home: Path) -> list[psutil.Process]:
    """Those that were started with this DAGSTER_HOME."""
    return [
        process
        for process in psutil.process_iter(["environ", "status"])
        if (process.info["environ"] or {}).get("DAGSTER_HOME") == str(home)
        and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def words_of(home: Path) -> set[str]:
    """What stands in their command lines."""
    words: set[str] = set()
    for process in processes_of(home):
        with suppress(psutil.NoSuchProcess):
            words.update(process.cmdline())
    return words


@pytest.mark.slow
@pytest.mark.timeout(600)  # On a busy machine: Dagster starts three times, and the night of the demo begins.
def test_the_demo_launches_its_runs_in_an_installation_of_its_own(tmp_path: Path) -> None:
    """The first port is somebody else's, and so is the second one as soon as the demo has chosen it."""
    home, others = tmp_path / "demo", tmp_path / "other"
    with ExitStack() as stack:
        other = stack.enter_context(somebodys_dagster(others))
        with suppress(OSError):  # Then somebody else has it already.
            stack.enter_context(answering_on(FIRST_PORT, other))
        process = stack.enter_context(started(home))
        assert process.stdout
        starts = (line for line in process.stdout if line.startswith(("Starting", "Port")))
        port = int(next(starts).split()[4].rstrip(";"))
        assert port != FIRST_PORT
        stack.enter_context(answering_on(port, other))
        assert next(starts) == f"Port {port} was taken meanwhile.\n"
        own = int(next(starts).split()[4].rstrip(";"))
        assert own not in (FIRST_PORT, port)
        next(line for line in process.stdout if " of 6 runs" in line)
        assert [len(runs_of(each)) for each in (home, others)] == [7, 0]
        process.terminate()
        assert process.wait(timeout=60) == 0
    wait_for("the end of all processes", lambda: not processes_of(home), seconds=10)


def runs_of(home: Path) -> list[dg.DagsterRun]:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        return list(instance.get_runs())


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])  # SIGTERM: the test above.
def test_a_demo_that_is_ended_half_way_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    home = tmp_path / "demo"
    with started(home, port=free_port()) as process:
        assert process.stdout
        next(line for line in process.stdout if " of 6 runs" in line)
        wait_for("webserver and shop", lambda: {"dagster_webserver", "erp_medusa_sandbox"} <= words_of(home))
        process.send_signal(number)
        assert process.wait(timeout=60) == 0
        wait_for("the end of all processes", lambda: not processes_of(home), seconds=10)


def test_make_dev_that_is_ended_leaves_no_process_and_takes_another_port(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path), "USE_SANDBOX": "true", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "dev.local_dagster"]
    log = tmp_path / "dev.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output) as process,
    ):
        try:
            wait_for("its webserver", lambda: b"Serving dagster-webserver" in log.read_bytes())
            second = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
            assert second.returncode == 1
            assert "end that one first" in second.stderr
        finally:
            process.terminate()
        assert process.wait(timeout=60) == 0
    wait_for("the end of all processes", lambda: not processes_of(tmp_path), seconds=10)
