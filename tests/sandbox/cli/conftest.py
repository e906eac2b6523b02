"""Running commands as an operator does, against the servers of the test."""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from typer.testing import CliRunner

from erp_medusa_pipelines.cli.main import app


@dataclass(frozen=True)
class Told:
    """What a command said with `--json`."""

    code: int
    data: dict[str, Any]

    def finding(self, area: str, name: str) -> dict[str, Any]:
        """The doctor's one finding of that name."""
        found = [row for row in self.data["findings"] if (row["area"], row["name"]) == (area, name)]
        assert len(found) == 1, [(row["area"], row["name"]) for row in self.data["findings"]]
        return found[0]


Command = Callable[..., Told]


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """A command sets up the log of its process; here the process goes on with other tests."""
    loggers = [logging.getLogger(name) for name in (None, "urllib3", "erp_medusa_pipelines.clients")]
    before = [(logger, logger.level, logger.handlers[:]) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers


@pytest.fixture
def erp_medusa(shop_env: pytest.MonkeyPatch, logging_as_before: None) -> Command:
    """`erp-medusa ARGUMENTS --json` with the servers of `shop_env`."""

    def run(*arguments: str) -> Told:
        told = CliRunner().invoke(app, [*arguments, "--json"])
        assert told.exception is None or isinstance(told.exception, SystemExit), told.exception
        return Told(told.exit_code, json.loads(told.stdout))

    return run
