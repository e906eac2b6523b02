"""The installed command as a process: Ctrl-C, shell completion, output that can be piped."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dev.deployment import wait_for
from erp_medusa_sandbox.faults import Fault
from tests.support.servers import ErpServer

COMMAND = Path(sys.executable).with_name("erp-medusa")


@pytest.mark.usefixtures("shop_env")
def test_ctrl_c_ends_a_command_that_waits_with_one_sentence(erp: ErpServer) -> None:
    erp.faults.add(Fault("latency", path="has_permission", seconds=20))
    process = subprocess.Popen([COMMAND, "doctor"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for("its question", lambda: any("has_permission" in seen.path for seen in erp.faults.requests))
    process.send_signal(signal.SIGINT)
    shown, errors = process.communicate(timeout=15)
    assert process.returncode == 130
    assert shown == ""
    assert "goes on from what is done" in " ".join(errors.split())
    assert "Traceback" not in errors


@pytest.mark.usefixtures("shop_env")
def test_json_alone_goes_to_stdout() -> None:
    told = subprocess.run([COMMAND, "doctor", "--json"], capture_output=True, text=True, check=False)
    assert json.loads(told.stdout)["findings"]
    assert "\x1b" not in told.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_told_the_commands(shell: str) -> None:
    name = "_ERP_MEDUSA_COMPLETE"
    variables = {"COMP_WORDS": "erp-medusa ", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "erp-medusa "}
    environment = {**os.environ, name: f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args", **variables}
    told = subprocess.run([COMMAND], env=environment, capture_output=True, text=True, check=False)
    for command in ("doctor", "setup", "take-over", "hand-back"):
        assert command in told.stdout, told.stderr
