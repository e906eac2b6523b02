"""The private PostgreSQL of tests and of the Medusa for development."""

import shutil
from pathlib import Path

import pytest

from dev.deployment import private_postgres
from dev.postgres import Cluster

pytestmark = pytest.mark.slow


@pytest.mark.timeout(120)
def test_a_folder_that_was_deleted_and_made_again_has_an_empty_postgres(tmp_path: Path) -> None:
    """A run that was killed leaves its data outside the folder, if the server's account cannot reach the folder."""
    home = tmp_path / "postgres"
    killed = Cluster(home, password="another")
    killed.start()
    killed.create_database("dagster")
    killed.stop()
    shutil.rmtree(home, ignore_errors=True)
    with private_postgres(home) as url:
        assert url.endswith("/dagster")
    assert not killed.home.exists()


@pytest.mark.timeout(120)
def test_data_outlive_the_process_that_made_them(tmp_path: Path) -> None:
    home = tmp_path / "postgres"
    before = Cluster(home, password="ours")
    before.start()
    try:
        before.create_database("kept")
        before.stop()
        after = Cluster(home, password="ours")
        after.start()
        assert after.has_database("kept")
    finally:
        before.remove()
