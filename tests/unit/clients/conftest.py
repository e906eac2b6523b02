"""A plain server for each test that asks for one."""

from collections.abc import Iterator

import pytest

from tests.support.plain_server import Server, served


@pytest.fixture
def server() -> Iterator[Server]:
    with served() as found:
        yield found
