"""As many machines as there are runs: each is a process with a folder and a DAGSTER_HOME of its own.

They share the database, as those of a real installation do, and nothing else. The settings come from the environment.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from erp_medusa_pipelines.orchestration.run_failures import RunFailure, read_failure

ROOT = Path(__file__).resolve().parents[2]
MATERIALIZE = """
import sys
import dagster as dg
from erp_medusa_pipelines.definitions import defs

batch, *assets = sys.argv[1:]
job = defs.resolve_implicit_global_asset_job_def()
with dg.DagsterInstance.get() as instance:
    result = job.execute_in_process(
        asset_selection=[dg.AssetKey(asset) for asset in assets],
        partition_key=batch or None,
        instance=instance,
        raise_on_error=False,
    )
print(result.run_id)
sys.exit(not result.success)
"""


@dataclass(frozen=True)
class Done:
    """A run that has ended."""

    success: bool
    run_id: str
    left: list[str]
    """Names of what the process left in its working folder."""

    told: str
    """The end of its log."""


class Machines:
    """Each call is a new machine, which is gone afterwards."""

    def __init__(self, folder: Path, database: str, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.count = 0
        patch.setenv("DAGSTER_POSTGRES_URL", database)

    def _machine(self) -> Path:
        self.count += 1
        machine = self.folder / f"machine_{self.count}"
        (machine / "work").mkdir(parents=True)
        (machine / "home").mkdir()
        shutil.copy(ROOT / "deploy" / "dagster.yaml", machine / "home" / "dagster.yaml")
        return machine

    def materialize(self, *assets: str, batch: str = "") -> Done:
        """Run these assets on the next machine."""
        machine = self._machine()
        environment = {**os.environ, "DAGSTER_HOME": str(machine / "home"), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", MATERIALIZE, batch, *assets],
            cwd=machine / "work", env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stdout, done.stderr
        left = [path.name for path in (machine / "work").iterdir()]
        shutil.rmtree(machine)
        return Done(done.returncode == 0, done.stdout.strip(), left, done.stderr[-4000:])

    def failure(self, run_id: str) -> RunFailure:
        """Return why the run failed."""
        with dg.DagsterInstance.from_config(str(self._machine() / "home")) as instance:
            return read_failure(instance, run_id)

    def metadata(self, asset: str) -> dict[str, Any]:
        """What the asset's newest materialization says."""
        with dg.DagsterInstance.from_config(str(self._machine() / "home")) as instance:
            event = instance.get_latest_materialization_event(dg.AssetKey(asset))
        assert event
        assert event.asset_materialization
        return {key: entry.value for key, entry in event.asset_materialization.metadata.items()}
