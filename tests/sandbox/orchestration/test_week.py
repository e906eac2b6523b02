"""A week of problems, on SQLite. On PostgreSQL: tests/live."""

import shutil
from pathlib import Path

import pytest

from tests.suites.week import *  # noqa: F403
from tests.support.operations import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture
def instance_home(tmp_path: Path, shop_env: pytest.MonkeyPatch) -> Path:
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    return tmp_path
