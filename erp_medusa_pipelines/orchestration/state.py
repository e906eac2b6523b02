"""Small values that must outlive runs, stored in Dagster's own storage.

A store of JSON values by key, which lies in the instance's key-value table, so it needs no storage of its own, works on
SQLite and PostgreSQL alike, and is not touched when old runs or ticks are pruned.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

import dagster as dg

from erp_medusa_pipelines.orchestration.dagster_storage import delete_values, keys_below, read_values, write_values
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
