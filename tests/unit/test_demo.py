"""The end of `make demo`: nothing of the installation that it started is left."""

import signal
import subprocess
import sys

import pytest

from erp_medusa_pipelines import demo

DEAF = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"


def test_an_installation_that_does_not_hear_ctrl_c_is_ended_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "END_SECONDS", 0.1)
    with subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        demo._end(process)
        assert process.returncode == -signal.SIGTERM
