"""Documents that a server refused permanently, read from the asset checks.

Belongs here: the check's name and reading its newest result. Does not belong here: evaluating it (assets/reporting.py),
or alerts (alert_sensor.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from erp_medusa_pipelines.orchestration.dagster_internals import latest_check_results
from erp_medusa_pipelines.orchestration.shops import asset_key, asset_name
from erp_medusa_pipelines.tasks import TASKS

CHECK = "nothing_rejected"
TABLE = "rejects"
NUMBER = "rejected"
KEPT_TABLE = "differences"
"""Metadata key: values in Medusa that differ from the ERP's and that a field policy keeps."""


def quarantine_key(asset: str, batch: str | None) -> str:
    """Return the key under which state.py stores an asset's held documents of a batch."""
    return f"quarantine/{asset}/{batch}" if batch else f"quarantine/{asset}"


@dataclass(frozen=True)
class Rejects:
    """The latest result of one asset's check. `rows` have document, field, reason and link, up to a limit."""

    asset: str
    run_id: str
    number: int
    rows: Sequence[Mapping[str, Any]]

    @property
    def documents(self) -> list[str]:
        """Return the documents of the rows."""
        return [row["document"] for row in self.rows]


def read_rejects(instance: dg.DagsterInstance) -> list[Rejects]:
    """Return what is refused now, by asset, without checks that are being evaluated or never were."""
    assets = sorted({asset for task in TASKS for asset in task.assets})
    keys = [dg.AssetCheckKey(asset_key(asset), CHECK) for asset in assets]
    found = []
    for key, result, run_id in latest_check_results(instance, keys):
        metadata = result.metadata
        number, table = metadata.get(NUMBER), metadata.get(TABLE)
        rows = [record.data for record in table.value.records] if isinstance(table, dg.TableMetadataValue) else []
        count = number.value if isinstance(number, dg.IntMetadataValue) else len(rows)
        found.append(Rejects(asset_name(key.asset_key), run_id, count or 0, rows))
    return found
