"""The shop that all matrices work on, one for each process and kind."""

from collections.abc import Iterator

import pytest

from tests.matrix.shop import Shop, Snapshot, small_shop


@pytest.fixture(scope="module")
def shop_and_states(request: pytest.FixtureRequest) -> Iterator[tuple[Shop, dict[str, Snapshot]]]:
    """The shop of the kind that a test is parametrized with, or the plain one."""
    with small_shop(getattr(request, "param", Shop)) as found:
        yield found
