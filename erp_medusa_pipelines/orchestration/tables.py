"""Tables for the UI's metadata, and checks that fail for the rows of one."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import dagster as dg

ROWS_SHOWN = 500
"""A longer table is cut: an event that large would slow the UI down. The value itself holds all rows."""


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str] | Collection[str]) -> dg.TableMetadataValue:
    """Build a table; `columns` are names in order, of texts, or names with types (string, int, float, bool)."""
    kinds = columns if isinstance(columns, Mapping) else dict.fromkeys(columns, "string")
    records = [dg.TableRecord({name: _plain(row.get(name)) for name in kinds}) for row in rows[:ROWS_SHOWN]]
    schema = dg.TableSchema(columns=[dg.TableColumn(name, kind) for name, kind in kinds.items()])
    return dg.MetadataValue.table(records, schema)


def rows_check(
    name: str,
    problems: Sequence[Mapping[str, Any]],
    columns: Collection[str],
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
) -> dg.AssetCheckResult:
    """Build the result of a check that fails while there are problems, with their number and a table of them."""
    shown = {"problems": table(problems, columns)} if problems else {}
    metadata = {"number": len(problems), **shown}
    return dg.AssetCheckResult(passed=not problems, check_name=name, severity=severity, metadata=metadata)


def _plain(value: Any) -> str | int | float | bool | None:
    """Convert to a plain JSON value; table records hold nothing else."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
