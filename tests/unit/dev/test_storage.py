"""What an installation on SQLite is said to keep."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dev.storage import storage_numbers


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name, table in (("history/runs.db", "runs"), ("schedules/schedules.db", "job_ticks")):
        path = tmp_path / name
        path.parent.mkdir()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"CREATE TABLE {table} (body TEXT)")
    (tmp_path / "history/runs").mkdir()
    return tmp_path


def test_a_log_that_is_written_again_and_again_is_no_growth(home: Path) -> None:
    """Dagster keeps SQLite's write-ahead log, which grows to some megabytes and is used anew from then on."""
    with closing(sqlite3.connect(home / "schedules/schedules.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("INSERT INTO job_ticks VALUES (?)", ("x" * 20_000,))
        before = storage_numbers(home, None)["bytes"]
        for number in range(50):
            connection.execute("UPDATE job_ticks SET body = ?", (str(number % 10) * 20_000,))
        assert (home / "schedules/schedules.db-wal").stat().st_size > 500_000
        assert storage_numbers(home, None)["bytes"] - before < 50_000
        # What only the log has so far counts.
        connection.execute("INSERT INTO job_ticks VALUES (?)", ("y" * 200_000,))
        found = storage_numbers(home, None)
        assert found["bytes"] - before > 190_000
        assert found["ticks"] == 2
