"""In this directory `medusa` is the embedded one, fresh for every test."""

from collections.abc import Iterator

import pytest

from tests.support.servers import MedusaServer, embedded_medusa


@pytest.fixture
def medusa() -> Iterator[MedusaServer]:
    """A fresh embedded Medusa behind a fault injector."""
    with embedded_medusa() as server:
        yield server
