"""Documents that a server refused permanently, read from the asset checks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import dagster as dg

from erp_medusa_pipelines.orchestration.dagster_internals import verdicts
from erp_medusa_pipelines.orchestration.shops import asset_key, asset_name
from erp_medusa_pipelines.tasks import ALL_ASSETS

CHECK = "nothing_rejected"
TABLE = "rejects"
NUMBER = "rejected"
DOCUMENTS = "documents"
"""Metadata key: names of all refused documents, where the table does not show all of them."""

ALIKE = "refused_alike"
"""Metadata key: reasons for which so many documents are refused that it is no matter of single ones, one a line."""

KEPT_TABLE = "differences"
"""Metadata key: values in Medusa that differ from the ERP's and that a field policy keeps."""


def quarantine_key(asset: str, batch: str | None) -> str:
    """Return the key under which state.py stores an asset's held documents of a batch."""
    return f"quarantine/{asset}/{batch}" if batch else f"quarantine/{asset}"


@dataclass(frozen=True)
class Rejects:
    """The latest result of one asset's check. `lines` has a line of text for each refused document."""

    asset: str
    run_id: str
    at: datetime
    number: int
    lines: Mapping[str, str]
    alike: str = ""
    """Reasons for which many of them are refused, one a line, with the numbers."""


def read_rejects(instance: dg.DagsterInstance) -> list[Rejects]:
    """Return what is refused now, by asset. A check that is being evaluated keeps its last result."""
    keys = [dg.AssetCheckKey(asset_key(asset), CHECK) for asset in sorted(ALL_ASSETS)]
    found = []
    for key, verdict in verdicts(instance, keys).items():
        if verdict.evaluation:
            metadata = verdict.evaluation.metadata
            number, lines = metadata.get(NUMBER), _lines(metadata)
            count = number.value if isinstance(number, dg.IntMetadataValue) else len(lines)
            many = metadata.get(ALIKE)
            alike = str(many.value) if many else ""
            found.append(Rejects(asset_name(key.asset_key), verdict.run_id, verdict.at, count or 0, lines, alike))
    return found


def _lines(metadata: Mapping[str, dg.MetadataValue]) -> dict[str, str]:
    table, names = metadata.get(TABLE), metadata.get(DOCUMENTS)
    rows = [record.data for record in table.records] if isinstance(table, dg.TableMetadataValue) else []
    lines = {str(row["document"]): f"{row['document']}: {row['reason']} {row['link']}" for row in rows}
    beyond = names.data if isinstance(names, dg.JsonMetadataValue) and isinstance(names.data, list) else []
    return {**lines, **{name: name for name in beyond if name not in lines}}
