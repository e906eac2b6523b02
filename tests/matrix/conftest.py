"""The shop that all matrices work on, one for each process."""

from collections.abc import Iterator

import pytest

from tests.matrix.shop import Shop, Snapshot, small_shop


@pytest.fixture(scope="module")
def shop_and_states() -> Iterator[tuple[Shop, dict[str, Snapshot]]]:
    with small_shop() as found:
        yield found
