"""As many machines as there are runs: each is a process with a folder and a DAGSTER_HOME of its own.

They share the database, as those of a real installation do, and nothing else. The settings come from the environment.
"""

import multiprocessing
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from erp_medusa_pipelines.orchestration.runs.failures import RunFailure, read_failure

ROOT = Path(__file__).resolve().parents[2]
# Each process is forked from one that has imported everything and opened nothing: most of a start is imports.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["erp_medusa_pipelines.definitions"])


def _materialize(
    answer: Connection, folder: Path, environment: dict[str, str], batch: str, assets: Sequence[str]
) -> None:
    """The process of one run: everything relative and everything in DAGSTER_HOME is its own."""
    os.chdir(folder / "work")
    os.environ.clear()
    os.environ.update(environment)
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 2)
    from erp_medusa_pipelines.definitions import build_defs

    job = build_defs().resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.get() as instance:
        result = job.execute_in_process(
            asset_selection=[dg.AssetKey(asset) for asset in assets],
            partition_key=batch or None,
            instance=instance,
            raise_on_error=False,
        )
    answer.send((result.success, result.run_id))


@dataclass(frozen=True)
class Done:
    """A run that has ended."""

    success: bool
    run_id: str
    left: list[str]
    """Names of what the process left in its working folder."""

    output: str
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
        environment = {**os.environ, "DAGSTER_HOME": str(machine / "home")}
        ours, theirs = PROCESSES.Pipe(duplex=False)
        process = PROCESSES.Process(target=_materialize, args=(theirs, machine, environment, batch, assets))
        process.start()
        theirs.close()
        try:
            success, run_id = ours.recv()
        except EOFError:
            raise AssertionError((machine / "log").read_text()) from None
        finally:
            process.join()
        left = [path.name for path in (machine / "work").iterdir()]
        log = (machine / "log").read_text()[-4000:]
        shutil.rmtree(machine)
        return Done(success, run_id, left, log)

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
