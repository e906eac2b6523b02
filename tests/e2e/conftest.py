"""Whole installations: one as in production, one as on a single machine. Started once, shared by the tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.deployment import ROOT, Deployment, deployed, private_postgres
from tests.support.browser import Operator, operator

HERE = Path(__file__).parent
SCREENSHOTS = ROOT / "artifacts" / "e2e"
TEST_SECONDS = 300
# Waiting for a retry is the sensor's matter and tested with its clock in hand; here it should only be short.
QUICK = {"RETRY_DELAY_SECONDS": "5", "HTTP_ATTEMPTS": "1", "EXPORT_BATCHES": "4"}


LONGEST = ("test_alerts", "test_schedules", "test_operating")
"""Files that start first where several run at once, or one would be left at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))
    for item in items:
        if item.path.is_relative_to(HERE) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(TEST_SECONDS))


@pytest.fixture(scope="session")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Code server, webserver and daemon on PostgreSQL."""
    home = tmp_path_factory.mktemp("production")
    with (
        private_postgres(home / "postgres") as url,
        deployed(home, postgres_url=url, **QUICK) as deployment,
    ):
        yield deployment


@pytest.fixture(scope="session")
def one_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Webserver and daemon on SQLite, as `make dev` has them. Their runs log in at Medusa."""
    home, settings = tmp_path_factory.mktemp("one_machine"), {**QUICK, "CHANGES_INTERVAL": "5"}
    with deployed(home, None, False, True, **settings) as deployment:
        yield deployment


@pytest.fixture(scope="session")
def ui(production: Deployment) -> Iterator[Operator]:
    """The production's UI in a browser."""
    with operator(production.url, SCREENSHOTS) as person:
        yield person
