"""A week of problems on a PostgreSQL whose own time zone is New York's. On SQLite: tests/sandbox."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psycopg2
import pytest

from dev.deployment import private_postgres
from erp_medusa_pipelines.orchestration.state import session_time_zone
from tests.suites.week import *  # noqa: F403
from tests.support.operations import ROOT, Daemon
from tests.support.runs import Runner

NEW_YORK = "America/New_York"


@pytest.fixture
def instance_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with private_postgres(tmp_path / "postgres") as url:
        connection = psycopg2.connect(url)
        connection.autocommit = True
        connection.cursor().execute(f"ALTER DATABASE dagster SET timezone = '{NEW_YORK}'")
        connection.close()
        monkeypatch.setenv("DAGSTER_POSTGRES_URL", url)
        shutil.copy(ROOT / "deploy" / "dagster.yaml", tmp_path)
        yield tmp_path


def test_times_are_read_as_they_were_written_whatever_the_zone_of_the_server(
    instance_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dg.DagsterInstance.from_config(str(instance_home)) as instance:
        runner = Runner()
        runner.instance = instance
        record = instance.get_run_record_by_id(Daemon(runner).queued("prune_runs").run_id)
        assert record
        assert datetime.now(UTC) - record.create_timestamp.replace(tzinfo=UTC) < timedelta(minutes=10)
        assert session_time_zone(instance) == "UTC"
    # What the doctor says where something keeps our sessions from asking for it.
    monkeypatch.setenv("PGTZ", NEW_YORK)
    with dg.DagsterInstance.from_config(str(instance_home)) as instance:
        assert session_time_zone(instance) == NEW_YORK
