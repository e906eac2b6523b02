"""What a process loads: the code location, and the modules that webserver and daemon import.

No network, no secrets, and no work modules in processes that do no work.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]

LOAD = """
import socket, sys

def refuse(*arguments, **options):
    raise AssertionError("the network was used while loading")

socket.socket.connect = socket.socket.connect_ex = socket.socket.bind = refuse
socket.getaddrinfo = socket.create_connection = refuse

from erp_medusa_pipelines.definitions import defs

repository = defs.get_repository_def()
print(len(repository.job_names))
print(*sorted(name for name in sys.modules if name in ("apprise", "uvicorn", "pandas", "lxml", "PIL", "typer",
              "sqlalchemy")
              or name.startswith("erp_medusa_sandbox") or name.startswith("dagster._daemon.controller")))
"""

DOORS = (
    "erp_medusa_pipelines.orchestration.run_coordinator",
    "erp_medusa_pipelines.orchestration.run_launcher",
    "erp_medusa_pipelines.tasks",
)
"""What dagster.yaml names, so that webserver and daemon import it; and the crontab."""

OF_THE_WORK = (
    "erp_medusa_pipelines.assets",
    "erp_medusa_pipelines.clients",
    "erp_medusa_pipelines.connections",
    "erp_medusa_pipelines.settings",
    "erp_medusa_pipelines.sync",
    "pandas",
    "pydantic_settings",
    "requests",
)


def run(program: str, directory: Path) -> list[str]:
    """Lines printed by a fresh process with an empty environment."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(directory)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_it_loads_without_network_and_without_any_setting(tmp_path: Path) -> None:
    jobs, loaded = run(LOAD, tmp_path)
    assert int(jobs) > 1
    assert not loaded, "loading it starts or loads what only a run or an alert needs"


def test_loading_leaves_nothing_behind(tmp_path: Path) -> None:
    run(LOAD, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("door", DOORS)
def test_webserver_and_daemon_load_nothing_of_the_work(door: str, tmp_path: Path) -> None:
    (loaded,) = run(f"import sys, {door}; print(*sys.modules)", tmp_path)
    found = [name for name in loaded.split() if any(f"{name}.".startswith(f"{work}.") for work in OF_THE_WORK)]
    assert not found


def test_the_runs_that_work_on_batches_load_no_pandas(tmp_path: Path) -> None:
    """It would add 50 MB to each, and half a second to the runs that follow a single change."""
    modules = "sync.stock.stock_sync, erp_medusa_pipelines.sync.prices.price_sync, erp_medusa_pipelines.plan.reasons"
    (loaded,) = run(f"import sys, erp_medusa_pipelines.{modules}; print(*sys.modules)", tmp_path)
    assert not {"pandas", "numpy"} & set(loaded.split())
