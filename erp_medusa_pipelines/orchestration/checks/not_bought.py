"""Published items that a customer cannot buy, read from the check of medusa_publication."""

from dataclasses import dataclass

import dagster as dg

from erp_medusa_pipelines.orchestration.dagster_internals import verdicts
from erp_medusa_pipelines.orchestration.shops import asset_key

ASSET, CHECK = "medusa_publication", "can_be_bought"
NUMBER, BROKEN, TABLE = "cannot_be_bought", "broken", "items"
"""Metadata keys: how many there are, how many of them because something is broken, and the first with their reasons."""


@dataclass(frozen=True)
class NotBought:
    """The latest result. `items` are (Website Item, reason), what is broken first."""

    number: int
    broken: int
    items: list[tuple[str, str]]


def read_not_bought(instance: dg.DagsterInstance) -> NotBought | None:
    """Return the latest result over all batches; None before the first."""
    key = dg.AssetCheckKey(asset_key(ASSET), CHECK)
    verdict = verdicts(instance, [key]).get(key)
    if verdict is None or verdict.evaluation is None:
        return None
    metadata = verdict.evaluation.metadata
    table = metadata.get(TABLE)
    rows = [record.data for record in table.records] if isinstance(table, dg.TableMetadataValue) else []
    number, broken = (int(str(getattr(metadata.get(name), "value", 0) or 0)) for name in (NUMBER, BROKEN))
    return NotBought(number, broken, [(str(row["website_item"]), str(row["reason"])) for row in rows])
