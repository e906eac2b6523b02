"""What one asset hands to the next reaches it wherever that one runs: another process, folder and home each time."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from sqlalchemy import create_engine, text

from dev.deployment import private_postgres
from erp_medusa_pipelines.assets.tables import frame_schema, frame_type
from erp_medusa_pipelines.orchestration.frames import COLUMN_SCHEMA, PostgresFrames
from erp_medusa_pipelines.orchestration.run_failures import RunFailure, read_failure
from tests.support.bucket import Bucket, private_bucket
from tests.support.servers import ErpServer
from tests.support.trade import Trade

ROOT = Path(__file__).resolve().parents[3]
JOB = ("sales_by_item", "top_selling_items", "product_collection")
MATERIALIZE = """
import sys
import dagster as dg
from erp_medusa_pipelines.definitions import defs

job = defs.resolve_implicit_global_asset_job_def()
with dg.DagsterInstance.get() as instance:
    result = job.execute_in_process(
        asset_selection=[dg.AssetKey(sys.argv[1])], instance=instance, raise_on_error=False
    )
print(result.run_id)
sys.exit(not result.success)
"""


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


class Machines:
    """As many machines as there are runs: each has a folder and a DAGSTER_HOME of its own; the database is shared."""

    def __init__(self, folder: Path, database: str, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.database, self.patch = folder, database, patch
        self.count = 0
        patch.setenv("DAGSTER_POSTGRES_URL", database)

    def home(self) -> Path:
        self.count += 1
        home = self.folder / f"machine_{self.count}"
        home.mkdir()
        shutil.copy(ROOT / "deploy" / "dagster.yaml", home / "dagster.yaml")
        return home

    def materialize(self, asset: str) -> tuple[bool, str]:
        """Success, and the run's id."""
        home = self.home()
        environment = {**os.environ, "DAGSTER_HOME": str(home), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", MATERIALIZE, asset],
            cwd=home, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stdout, done.stderr
        return done.returncode == 0, done.stdout.strip()

    def failure(self, run_id: str) -> RunFailure:
        with dg.DagsterInstance.from_config(str(self.home())) as instance:
            return read_failure(instance, run_id)


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
    assert [machines.materialize(asset)[0] for asset in JOB] == [True, True, True]
    assert {"frames/sales_by_item", "frames/top_selling_items"} <= set(bucket.stored())
    assert shop.collection()
    bucket.empty()
    success, run_id = machines.materialize("product_collection")
    assert not success
    assert machines.failure(run_id).lost_input, "the retry begins with the first asset"


@pytest.mark.timeout(400)
def test_frames_in_postgresql_are_there_on_every_machine(
    machines: Machines, database: str, shop: Trade, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("FRAMES_URL", database)
    assert [machines.materialize(asset)[0] for asset in JOB] == [True, True, True]
    assert shop.collection()
    engine = create_engine(database)
    with engine.begin() as connection:
        stored = pd.read_sql_table("top_selling_items", connection, schema="erp_medusa_pipelines")
        connection.execute(text("DROP TABLE erp_medusa_pipelines.top_selling_items"))
    assert list(stored["rank"])[:3] == [1, 2, 3]
    success, run_id = machines.materialize("product_collection")
    assert not success
    assert machines.failure(run_id).lost_input, "the retry begins with the first asset"
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


def test_a_database_that_is_away_is_told_without_its_password(shop_env: pytest.MonkeyPatch) -> None:
    shop_env.setenv("FRAMES_URL", "postgresql://frames:very-secret@127.0.0.1:1/frames")  # pragma: allowlist secret
    result = dg.materialize([frame], resources={"io_manager": PostgresFrames()}, raise_on_error=False)
    told = "\n".join(str(event.step_failure_data.error) for event in result.all_events if event.is_step_failure)
    assert "127.0.0.1" in told
    assert "very-secret" not in told
