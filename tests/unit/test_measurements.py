"""Every measurement of bench/ can be loaded; running them takes minutes and real servers."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [*ROOT.glob("bench/[!_]*.py"), *ROOT.glob("bench/*/__main__.py")]


@pytest.mark.parametrize("name", sorted(".".join(file.relative_to(ROOT).with_suffix("").parts) for file in FILES))
def test_a_measurement_can_be_loaded(name: str) -> None:
    assert importlib.import_module(name).__doc__
