"""Small values that must outlive runs, stored in Dagster's own storage, and where that storage lies.

A store of JSON values by key, which lies in the instance's key-value table, so it needs no storage of its own, works on
SQLite and PostgreSQL alike, and is not touched when old runs or ticks are pruned.

Like dagster_internals.py it reaches beyond Dagster's public API: each function for that has a test against an instance.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from erp_medusa_pipelines.orchestration.dagster_internals import in_groups, index_of
from erp_medusa_pipelines.orchestration.shops import shop_name

_PREFIX = "erp_medusa_pipelines/"


def load(instance: dg.DagsterInstance, key: str, *, shop: str | None = None) -> dict[str, Any]:
    """The value kept under `key`; empty when there is none. `shop` is whose, where it is not this process's own."""
    place = _place(key, shop)
    return json.loads(read_values(instance, {place}).get(place) or "{}")


def save(instance: dg.DagsterInstance, key: str, value: dict[str, Any], *, shop: str | None = None) -> None:
    """Keep a value under `key`. One writer per key: batches never run twice at once."""
    write_values(instance, {_place(key, shop): json.dumps(value, ensure_ascii=False)})


class Values:
    """Values by key on an instance, for work that knows no Dagster: of brakes, and of mails that were sent."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance

    def load(self, keys: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
        """Return the values of those keys that have one, read in one query."""
        places = {_place(key, None): key for key in keys}
        return {places[place]: json.loads(value) for place, value in read_values(self._instance, {*places}).items()}

    def save(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep a value."""
        save(self._instance, key, dict(value))

    def below(self, prefix: str) -> list[str]:
        """Return the keys that begin so."""
        cut = len(_place("", None))
        return [place[cut:] for place in keys_below(self._instance, _place(prefix, None))]

    def delete(self, keys: Collection[str]) -> None:
        """Forget values."""
        delete_values(self._instance, {_place(key, None) for key in keys})


def _place(key: str, shop: str | None) -> str:
    shop = shop or shop_name()
    return f"{_PREFIX}{shop}/{key}" if shop else _PREFIX + key


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
