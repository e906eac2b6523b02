"""Small facts that must outlive runs, kept in Dagster's own storage.

Belongs here: a keyed store of JSON values. It lies in the instance's key-value table, so it needs no storage of its
own, works on SQLite and PostgreSQL alike, and is not touched when old runs or ticks are pruned.
"""

import json
from typing import Any

import dagster as dg

from erp_medusa_pipelines.orchestration.dagster_internals import read_values, write_values

_PREFIX = "erp_medusa_pipelines/"


def load(instance: dg.DagsterInstance, key: str) -> dict[str, Any]:
    """The value kept under `key`; empty when there is none."""
    stored = read_values(instance, {_PREFIX + key})
    return json.loads(stored.get(_PREFIX + key) or "{}")


def save(instance: dg.DagsterInstance, key: str, value: dict[str, Any]) -> None:
    """Keep a value under `key`. One writer per key: batches never run twice at once."""
    write_values(instance, {_PREFIX + key: json.dumps(value, ensure_ascii=False)})
