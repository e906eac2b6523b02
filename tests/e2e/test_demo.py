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
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from dev.deployment import ROOT, Deployment, free_port, wait_for

DEMO = (sys.executable, "-m", "erp_medusa_pipelines.demo")
TIMEOUT = 600


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
def answering_on(port: int, deployment: Deployment) -> Iterator[None]:
    """Another installation's webserver on this port: every connection is passed on to it."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        threading.Thread(target=_pass_all_on, args=(listener, deployment), daemon=True).start()
        yield
        listener.shutdown(socket.SHUT_RDWR)


def _pass_all_on(listener: socket.socket, deployment: Deployment) -> None:
    target = ("127.0.0.1", int(deployment.url.rsplit(":", 1)[1]))
    with suppress(OSError):
        while True:
            near, _ = listener.accept()
            far = socket.create_connection(target)
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
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
    command = [sys.executable, "-m", "erp_medusa_pipelines.local_dagster"]
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
