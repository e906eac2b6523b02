"""Running commands as an operator does, against the servers of the test."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from erp_medusa_pipelines.cli.main import app


@dataclass(frozen=True)
class Told:
    """The output of a command with `--json`."""

    code: int
    data: dict[str, Any]

    def finding(self, area: str, name: str) -> dict[str, Any]:
        """The doctor's one finding of that name."""
        found = [row for row in self.data["findings"] if (row["area"], row["name"]) == (area, name)]
        assert len(found) == 1, [(row["area"], row["name"]) for row in self.data["findings"]]
        return found[0]


ROOT = Path(__file__).resolve().parents[3]
Command = Callable[..., Told]


@pytest.fixture
def erp_medusa(shop_env: pytest.MonkeyPatch) -> Command:
    """`erp-medusa ARGUMENTS --json` with the servers of `shop_env`."""

    def run(*arguments: str) -> Told:
        output = CliRunner().invoke(app, [*arguments, "--json"])
        assert output.exception is None or isinstance(output.exception, SystemExit), output.exception
        return Told(output.exit_code, json.loads(output.stdout))

    return run


@pytest.fixture
def home(shop_env: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A new installation's DAGSTER_HOME, with the project's dagster.yaml."""
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    shop_env.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path
