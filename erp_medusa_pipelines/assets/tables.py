"""Tables for the UI's metadata."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from pandas import DataFrame as Frame
else:
    # Dagster resolves the annotations of assets when it loads them; pandas itself is loaded by the runs that use it.
    Frame = Any

ROWS_SHOWN = 500
"""A longer table is cut: an event that large would slow the UI down. The value itself holds all rows."""


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> dg.TableMetadataValue:
    """Build a table of rows; `columns` maps names to types (string, int, float, bool), in order."""
    records = [dg.TableRecord({name: _plain(row.get(name)) for name in columns}) for row in rows[:ROWS_SHOWN]]
    schema = dg.TableSchema(columns=[dg.TableColumn(name, kind) for name, kind in columns.items()])
    return dg.MetadataValue.table(records, schema)


def frame_schema(dtypes: Mapping[str, str], descriptions: Mapping[str, str]) -> dg.TableSchema:
    """Return the column schema of an asset whose value is a DataFrame."""
    return dg.TableSchema(
        columns=[dg.TableColumn(name, kind, description=descriptions.get(name)) for name, kind in dtypes.items()]
    )


def frame_type(name: str, dtypes: Mapping[str, str]) -> dg.DagsterType:
    """Return the Dagster type of such an asset: exactly these columns and dtypes."""

    def check(_context: dg.TypeCheckContext, value: object) -> dg.TypeCheck:
        import pandas as pd

        if not isinstance(value, pd.DataFrame):
            return dg.TypeCheck(False, description=f"is a {type(value).__name__}, not a DataFrame")
        found = {str(column): str(kind) for column, kind in value.dtypes.items()}
        if found != dict(dtypes):
            return dg.TypeCheck(False, description=f"has the columns {found} instead of {dict(dtypes)}")
        return dg.TypeCheck(True)

    return dg.DagsterType(check, name=name)


def frame_table(frame: Frame) -> dg.TableMetadataValue:
    """Build a table from a DataFrame."""
    columns = {str(name): str(kind) for name, kind in frame.dtypes.items()}
    return table(frame.head(ROWS_SHOWN).to_dict("records"), columns)  # pyright: ignore[reportArgumentType]


def _plain(value: Any) -> str | int | float | bool | None:
    """Convert to a plain JSON value; table records hold nothing else."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
