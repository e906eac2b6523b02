"""Loading the code location: no network, no secrets, nothing that belongs to the work or the sandbox."""

import os
import subprocess
import sys
from pathlib import Path

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
print(*sorted(name for name in sys.modules if name in ("apprise", "uvicorn")
              or name.startswith("erp_medusa_sandbox")))
"""


def load(directory: Path) -> list[str]:
    """Lines printed by a fresh process with an empty environment."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(directory)}
    done = subprocess.run(
        [sys.executable, "-c", LOAD], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_it_loads_without_network_and_without_any_setting(tmp_path: Path) -> None:
    jobs, loaded = load(tmp_path)
    assert int(jobs) > 1
    assert not loaded, "loading it starts or loads what only a run or an alert needs"


def test_loading_leaves_nothing_behind(tmp_path: Path) -> None:
    load(tmp_path)
    assert list(tmp_path.iterdir()) == []
