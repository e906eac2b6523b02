"""Here tasks run without Dagster: sync/ knows none."""

import pytest

from tests.support.plain_runs import quick_runner
from tests.support.runs import Runner


@pytest.fixture
def runner(shop_env: pytest.MonkeyPatch) -> Runner:
    """Runs tasks against the servers of `shop_env`, without Dagster."""
    return quick_runner()
