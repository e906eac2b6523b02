"""Every measurement of bench/ can be loaded; running them takes minutes and real servers."""

import importlib
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

BENCH = Path(__file__).parents[2] / "bench"


@pytest.mark.parametrize("name", sorted(file.stem for file in BENCH.glob("[!_]*.py")))
def test_a_measurement_can_be_loaded(name: str) -> None:
    assert importlib.import_module(f"bench.{name}").__doc__
