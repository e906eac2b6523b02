"""DataFrames that one asset passes to the next: their columns and type for the UI, and where they are stored.

Dagster's IO manager, by the setting FRAMES_URL, and one for PostgreSQL, which Dagster does not have. Only assets that
pass a frame require this resource, so that an unavailable bucket stops no quotation mail.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import dagster as dg

from erp_medusa_pipelines.orchestration.tables import ROWS_SHOWN, table
from erp_medusa_pipelines.settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    # Only runs of assets that pass a frame load both.
    import pandas as pd
    from pandas import DataFrame as Frame
    from sqlalchemy import Connection
else:
    # Dagster resolves the annotations of assets when it loads them.
    Frame = Any

FRAMES = "frames"
"""Name of the resource."""

DEFAULT_SCHEMA = "erp_medusa_pipelines"
"""PostgreSQL schema of assets whose key has one part; the schema of others is named by the part before the last."""

ROW = "row_number"
"""The column that keeps the rows' order."""

ROWS_PER_INSERT = 5000
COLUMN_SCHEMA = "dagster/column_schema"


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


def build_frames(settings: Settings) -> Any:
    """Build the IO manager for FRAMES_URL. Raises SettingsError when a package that it needs is not installed."""
    if settings.frames_url is None:
        return dg.FilesystemIOManager()
    address = urlsplit(settings.frames_url.get_secret_value())
    return _bucket(address.netloc, address.path.strip("/")) if address.scheme == "s3" else PostgresFrames()


def _bucket(name: str, prefix: str) -> dg.ConfigurableIOManager:
    try:
        from dagster_aws.s3 import S3PickleIOManager, S3Resource
    except ImportError as error:
        raise SettingsError(
            f"FRAMES_URL: a bucket needs an extra: pip install 'erp-medusa-pipelines[s3]' ({error})"
        ) from error
    # boto3 reads keys and the address of another server from AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL and others.
    return S3PickleIOManager(s3_resource=S3Resource(), s3_bucket=name, s3_prefix=prefix or "frames")


class PostgresFrames(dg.IOManager):
    """A table per asset, replaced as a whole in one transaction; other tools can read it. Holds no secret itself."""

    def handle_output(self, context: dg.OutputContext, obj: "pd.DataFrame") -> None:
        """Replace the asset's table."""
        from sqlalchemy.schema import CreateSchema

        schema, table = _place(context.asset_key)
        with _connection() as connection:
            connection.execute(CreateSchema(schema, if_not_exists=True))
            numbered = obj.reset_index(drop=True)
            numbered.to_sql(
                table, connection, schema=schema, if_exists="replace", index_label=ROW, chunksize=ROWS_PER_INSERT
            )
        context.add_output_metadata({"table": f"{schema}.{table}"})

    def load_input(self, context: dg.InputContext) -> "pd.DataFrame":
        """Return the asset's table with its documented dtypes. Raises ValueError if there is no table."""
        import pandas as pd

        schema, table = _place(context.asset_key)
        with _connection() as connection:
            frame = pd.read_sql_table(table, connection, schema=schema, index_col=ROW)
        # A table has no order.
        return frame.sort_index().reset_index(drop=True).astype(_dtypes(context))


def _place(key: dg.AssetKey) -> tuple[str, str]:
    *before, table = key.path
    return (before[-1] if before else DEFAULT_SCHEMA), table


def _dtypes(context: dg.InputContext) -> dict[str, str]:
    """Return dtypes from the asset's documented columns: a database has fewer types than pandas."""
    metadata = (context.upstream_output.definition_metadata if context.upstream_output else None) or {}
    schema = metadata.get(COLUMN_SCHEMA)
    if isinstance(schema, dg.TableSchemaMetadataValue):
        schema = schema.schema
    return {column.name: column.type for column in schema.columns} if isinstance(schema, dg.TableSchema) else {}


@contextmanager
def _connection() -> Iterator["Connection"]:
    from sqlalchemy import create_engine, make_url

    url = load_settings().frames_url
    if url is None:
        raise SettingsError("FRAMES_URL was taken away while the code was loaded: restart the code server")
    engine = create_engine(make_url(url.get_secret_value()))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()
