"""What one asset passes to the next arrives wherever that one runs: another process, folder and home each time."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from sqlalchemy import create_engine, text

from dev.deployment import private_postgres
from erp_medusa_pipelines.orchestration.frames import COLUMN_SCHEMA, PostgresFrames, frame_schema, frame_type
from tests.support.bucket import Bucket, private_bucket
from tests.support.machines import Machines
from tests.support.servers import ErpServer
from tests.support.trade import Trade

pytestmark = pytest.mark.slow

JOB = ("sales_by_item", "top_selling_items", "product_collection")


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    with private_bucket(tmp_path_factory.mktemp("s3") / "server") as found:
        yield found


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with private_postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture
def shop(erp: ErpServer, shop_env: pytest.MonkeyPatch) -> Trade:
    trade = Trade(erp.store)
    for number in range(3):
        trade.item(f"item-{number}")
        trade.invoice((f"item-{number}", 10.0 - number))
    return trade


@pytest.fixture
def machines(tmp_path: Path, database: str, shop: Trade, shop_env: pytest.MonkeyPatch) -> Machines:
    return Machines(tmp_path, database, shop_env)


@pytest.mark.timeout(400)
def test_frames_in_a_bucket_are_there_on_every_machine(
    machines: Machines, bucket: Bucket, shop: Trade, shop_env: pytest.MonkeyPatch
) -> None:
    for name, value in bucket.environment.items():
        shop_env.setenv(name, value)
    shop_env.setenv("FRAMES_URL", f"{bucket.url}/frames")
    assert [machines.materialize(asset).success for asset in JOB] == [True, True, True]
    assert {"frames/sales_by_item", "frames/top_selling_items"} <= set(bucket.stored())
    assert shop.collection()
    bucket.empty()
    failed = machines.materialize("product_collection")
    assert not failed.success
    assert machines.failure(failed.run_id).lost_input, "the retry begins with the first asset"


@pytest.mark.timeout(400)
def test_frames_in_postgresql_are_there_on_every_machine(
    machines: Machines, database: str, shop: Trade, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("FRAMES_URL", database)
    assert [machines.materialize(asset).success for asset in JOB] == [True, True, True]
    assert shop.collection()
    engine = create_engine(database)
    with engine.begin() as connection:
        stored = pd.read_sql_table("top_selling_items", connection, schema="erp_medusa_pipelines")
        connection.execute(text("DROP TABLE erp_medusa_pipelines.top_selling_items"))
    assert list(stored["rank"])[:3] == [1, 2, 3]
    failed = machines.materialize("product_collection")
    assert not failed.success
    assert machines.failure(failed.run_id).lost_input, "the retry begins with the first asset"
    engine.dispose()


COLUMNS = {"name": "str", "number": "int64", "share": "float64"}


@dg.asset(metadata={COLUMN_SCHEMA: frame_schema(COLUMNS, {})}, dagster_type=frame_type("Frame", COLUMNS))
def frame() -> pd.DataFrame:
    return pd.DataFrame({"name": ["b", None, "a"], "number": [2, 3, 1], "share": [0.5, None, -1]}).astype(COLUMNS)


@dg.asset
def reader(frame: pd.DataFrame) -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"rows": frame.astype(object).to_json(), "types": str(dict(frame.dtypes))})


def test_a_table_gives_back_the_frame_with_its_order_types_and_gaps(
    database: str, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("FRAMES_URL", database)
    # A second time in its place: the newest frame alone counts.
    first = dg.materialize([frame, reader], resources={"io_manager": PostgresFrames()})
    result = dg.materialize([frame, reader], resources={"io_manager": PostgresFrames()})
    assert first.success
    found = {key: entry.value for key, entry in result.asset_materializations_for_node("reader")[0].metadata.items()}
    expected = frame()
    assert isinstance(expected, pd.DataFrame)
    assert found == {"rows": expected.astype(object).to_json(), "types": str(dict(expected.dtypes))}


def test_a_database_that_is_away_is_reported_without_its_password(shop_env: pytest.MonkeyPatch) -> None:
    shop_env.setenv("FRAMES_URL", "postgresql://frames:very-secret@127.0.0.1:1/frames")  # pragma: allowlist secret
    result = dg.materialize([frame], resources={"io_manager": PostgresFrames()}, raise_on_error=False)
    output = "\n".join(str(event.step_failure_data.error) for event in result.all_events if event.is_step_failure)
    assert "127.0.0.1" in output
    assert "very-secret" not in output
