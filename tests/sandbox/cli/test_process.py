"""The installed command as a process: Ctrl-C, shell completion, output that can be piped."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import dagster as dg
import pytest

from dev.deployment import wait_for
from erp_medusa_pipelines.sync.engine.batches import batch_of_name
from erp_medusa_pipelines.tasks import EXPORT
from erp_medusa_sandbox.faults import Fault
from tests.support.catalogue import Catalogue
from tests.support.servers import ErpServer, MedusaServer

pytestmark = pytest.mark.slow

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
    assert "continues from what is done" in " ".join(errors.split())
    assert "Traceback" not in errors


@pytest.mark.parametrize("command", ["plan", "apply", "sync"])
def test_ctrl_c_ends_what_runs_a_task_before_its_next_batch(
    shop_env: pytest.MonkeyPatch, erp: ErpServer, medusa: MedusaServer, home: Path, command: str
) -> None:
    """Dagster takes the interrupt for a failure of the run, and returns."""
    catalogue = Catalogue(erp.store)
    group = catalogue.group("Gloves")
    names = [catalogue.item(group) for _ in range(8)]
    file = home / "plan.json"
    shop_env.setenv("EXPORT_BATCHES", "2")
    assert {batch_of_name(name, 2) for name in names} == {"batch_0", "batch_1"}
    if command == "apply":
        subprocess.run([COMMAND, "plan", EXPORT.name, "--out", file], check=True, capture_output=True)
    faults, arguments, waits_for = {
        "plan": (erp.faults, [EXPORT.name], r"/api/resource/Website Item"),
        "apply": (medusa.faults, ["--plan", file], r"/admin/products/batch$"),
        "sync": (medusa.faults, names, r"/admin/products/batch$"),
    }[command]
    faults.forget_requests()
    faults.add(Fault("latency", "GET" if command == "plan" else "POST", waits_for, seconds=20))
    process = subprocess.Popen(
        [COMMAND, command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for("its question", lambda: any(re.search(waits_for, unquote(seen.path)) for seen in faults.requests))
    process.send_signal(signal.SIGINT)
    shown, errors = process.communicate(timeout=15)
    assert (process.returncode, shown) == (130, ""), errors
    assert "continues from what is done" in " ".join(errors.split())
    assert "Traceback" not in errors
    sent = [seen for seen in medusa.faults.requests if seen.path.endswith("/admin/products/batch")]
    assert len(sent) == (0 if command == "plan" else 1)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        # Not FAILURE: the sensor would retry what somebody stopped, and an alert tell of it.
        assert [run.status.value for run in instance.get_runs()] == ([] if command == "plan" else ["CANCELED"])


@pytest.mark.usefixtures("shop_env")
def test_json_alone_goes_to_stdout() -> None:
    output = subprocess.run([COMMAND, "doctor", "--json"], capture_output=True, text=True, check=False)
    assert json.loads(output.stdout)["findings"]
    assert "\x1b" not in output.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_know_the_commands(shell: str) -> None:
    name = "_ERP_MEDUSA_COMPLETE"
    variables = {"COMP_WORDS": "erp-medusa ", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "erp-medusa "}
    environment = {**os.environ, name: f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args", **variables}
    output = subprocess.run([COMMAND], env=environment, capture_output=True, text=True, check=False)
    for command in ("doctor", "setup", "take-over", "hand-back"):
        assert command in output.stdout, output.stderr


def test_shells_know_the_tasks() -> None:
    variables = {"COMP_WORDS": "erp-medusa plan sync_", "COMP_CWORD": "2"}
    environment = {**os.environ, "_ERP_MEDUSA_COMPLETE": "complete_bash", **variables}
    output = subprocess.run([COMMAND], env=environment, capture_output=True, text=True, check=False)
    assert output.stdout.split() == ["sync_missing_prices_to_medusa", "sync_customer_groups"]
