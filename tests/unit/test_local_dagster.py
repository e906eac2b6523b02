"""Dagster for as long as a command lives: ports, one at a time in a home, ends that leave nothing. Whole: tests/e2e."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dev import local_dagster
from dev.local_dagster import LocalDagsterError, alone_in, end, free_port

DEAF = """\
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid, flush=True)
time.sleep(60)
"""
"""A Dagster that does not hear Ctrl-C and has a child."""


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False


@pytest.mark.long
def test_one_that_does_not_hear_ctrl_c_is_ended_with_its_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_dagster, "END_SECONDS", 0.1)
    monkeypatch.setattr(local_dagster, "KILL_SECONDS", 1)
    with subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout
        child = int(process.stdout.readline())
        end(process)
        assert process.returncode == -signal.SIGTERM
    assert not is_alive(child)


def test_the_first_free_port_is_taken() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        assert free_port(None, after=taken - 1) > taken
        with pytest.raises(LocalDagsterError, match=f"Port {taken} is taken"):
            free_port(taken)
    assert free_port(taken) == taken


def test_two_never_work_in_one_home(tmp_path: Path) -> None:
    code = "import sys, pathlib; from dev.local_dagster import alone_in\nwith alone_in(pathlib.Path(sys.argv[1])): pass"
    with alone_in(tmp_path):
        second = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
        )
    assert second.returncode != 0
    assert "already: end that one first" in second.stderr
    with alone_in(tmp_path):
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_ends_the_command_like_ctrl_c(number: signal.Signals) -> None:
    with local_dagster.ending_by_signal(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
