"""What an installation keeps: bytes and rows of its storage, on PostgreSQL or in SQLite files."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2

SIZE = "select coalesce(sum(pg_total_relation_size(oid)), 0) from pg_class where relkind = 'r' and relnamespace = 2200"
TABLES = {"events": "event_logs", "ticks": "job_ticks", "runs": "runs"}


def storage_numbers(home: Path, database: str | None) -> dict[str, int]:
    """Return the bytes of all tables with their indexes and of the output of runs, and the events, ticks and runs.

    `database` is the address of a PostgreSQL; None for SQLite, whose files lie below `home`.
    """
    if database:
        with psycopg2.connect(database) as connection, connection.cursor() as cursor:
            rows = {kind: _one(cursor, _count(table)) for kind, table in TABLES.items()}
        return {"bytes": database_bytes(database) + _size(home / "storage"), **rows}
    return {"bytes": sum(_size(home / part) for part in ("history", "schedules", "storage")), **_sqlite_rows(home)}


def database_bytes(database: str) -> int:
    """Return the bytes of all tables of a PostgreSQL with their indexes."""
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        return _one(cursor, SIZE)


def _one(cursor: Any, query: str) -> int:
    cursor.execute(query)
    row = cursor.fetchone()
    return int(row[0])


def _count(table: str) -> str:
    return f"select count(*) from {table}"  # noqa: S608 - names from the table above


def _size(folder: Path) -> int:
    logs = ("-wal", "-shm")
    return sum(_bytes(path) for path in folder.rglob("*") if path.is_file() and not path.name.endswith(logs))


def _bytes(path: Path) -> int:
    """Return a file's size; for SQLite the pages, with those that are still in its log. The log itself is used anew."""
    if path.suffix != ".db":
        return path.stat().st_size
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        cursor = connection.cursor()
        return _one(cursor, "pragma page_count") * _one(cursor, "pragma page_size")


def _sqlite_rows(home: Path) -> dict[str, int]:
    """Every run has an events file of its own; runs and ticks are one file each."""
    files = {
        "events": [*(home / "history" / "runs").glob("*.db")],
        "ticks": [home / "schedules" / "schedules.db"],
        "runs": [home / "history" / "runs.db"],
    }
    return {kind: sum(_rows_in(path, TABLES[kind]) for path in paths) for kind, paths in files.items()}


def _rows_in(path: Path, table: str) -> int:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        try:
            return _one(connection.cursor(), _count(table))
        except sqlite3.OperationalError:
            return 0
