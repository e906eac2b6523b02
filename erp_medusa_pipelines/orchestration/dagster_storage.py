"""Dagster's storage, as far as it is used beyond the public API: its key-value table, and where it lies.

Like dagster_internals.py: nothing else reaches into the storage, and each function has a test against an instance.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from erp_medusa_pipelines.orchestration.dagster_internals import in_groups, index_of


def read_values(instance: dg.DagsterInstance, keys: set[str]) -> Mapping[str, str]:
    """Values of the instance's key-value table."""
    return instance.daemon_cursor_storage.get_cursor_values(keys)


def write_values(instance: dg.DagsterInstance, values: Mapping[str, str]) -> None:
    """Set values of the instance's key-value table."""
    instance.daemon_cursor_storage.set_cursor_values(dict(values))


def keys_below(instance: dg.DagsterInstance, prefix: str) -> list[str]:
    """Keys of the instance's key-value table that begin so."""
    import sqlalchemy as sa
    from dagster._core.storage.runs.schema import KeyValueStoreTable

    key = KeyValueStoreTable.c.key
    storage: Any = instance.daemon_cursor_storage
    with storage.connect() as connection:
        found = connection.execute(sa.select(key).where(key.startswith(prefix, autoescape=True)))
        # SQLite compares without regard to capitals.
        return [row[0] for row in found if row[0].startswith(prefix)]


def delete_values(instance: dg.DagsterInstance, keys: Collection[str]) -> None:
    """Delete values of the instance's key-value table."""
    from dagster._core.storage.runs.schema import KeyValueStoreTable

    storage: Any = instance.daemon_cursor_storage
    for some in in_groups(keys):
        with storage.connect() as connection:
            connection.execute(KeyValueStoreTable.delete().where(KeyValueStoreTable.c.key.in_(some)))


def storage_url(instance: dg.DagsterInstance) -> str | None:
    """Where a table of ours lies beside Dagster's: its PostgreSQL, else a SQLite file; None where nothing is kept."""
    if instance.is_ephemeral:
        return None
    postgres = getattr(instance.event_log_storage, "postgres_url", None)
    return postgres or f"sqlite:///{instance.root_directory}/erp_medusa_history.db"


def session_time_zone(instance: dg.DagsterInstance) -> str | None:
    """Time zone of our sessions in the instance's PostgreSQL; None where the storage is another."""
    if not getattr(instance.event_log_storage, "postgres_url", None):
        return None
    import sqlalchemy as sa

    with index_of(instance) as connection:
        return str(connection.execute(sa.text("SHOW timezone")).scalar())


def storage_place(instance: dg.DagsterInstance) -> str | None:
    """What tells the instance's storage from every copy of it; None where nothing does.

    Of a database its server's own number and its name, of SQLite the file's number, which moving it does not change.
    """
    import sqlalchemy as sa

    storage: Any = instance.run_storage
    if getattr(instance.event_log_storage, "postgres_url", None):
        with index_of(instance) as connection:
            number = "SELECT system_identifier || '/' || current_database() FROM pg_control_system()"
            return str(connection.execute(sa.text(number)).scalar())
    file = sa.make_url(getattr(storage, "_conn_string", None) or "sqlite://").database
    return f"file/{Path(file).stat().st_ino}" if file and Path(file).is_file() else None
