"""Where a run keeps the lists that it reads whole."""

from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterRun

from erp_medusa_pipelines.clients.reading import Reading
from erp_medusa_pipelines.orchestration.dagster_internals import SCHEDULED_EXECUTION_TIME_TAG
from erp_medusa_pipelines.orchestration.resources import FOLDER, reading_of
from erp_medusa_pipelines.orchestration.runs.work import ATTEMPT_TAG
from erp_medusa_pipelines.settings import load_settings

DUE = "2026-12-01T01:00:00+04:00"


@pytest.fixture
def home(tmp_path: Path, shop_env: pytest.MonkeyPatch) -> Path:
    return tmp_path


def kept_by(home: Path, **tags: str) -> tuple[Reading, set[str]]:
    """A reading of a run with these tags, and the folders that it has made once something was read."""
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        run = DagsterRun(job_name="export_items_and_images_custom", tags=tags)
        reading = reading_of(run, instance, load_settings())
        assert reading
        reading.kept("list", "name", lambda: [(0, "a", {"name": "a"})])
        return reading, {folder.name for folder in (home / FOLDER).iterdir()}


def test_the_runs_of_one_tick_share_theirs_and_those_of_another_do_not(home: Path) -> None:
    first, folders = kept_by(home, **{SCHEDULED_EXECUTION_TIME_TAG: DUE})
    second, same = kept_by(home, **{SCHEDULED_EXECUTION_TIME_TAG: DUE})
    third, more = kept_by(home, **{SCHEDULED_EXECUTION_TIME_TAG: "2026-12-02T01:00:00+04:00"})
    assert (len(folders), same, len(more)) == (1, folders, 2)
    for reading in (first, second, third):
        reading.close()


@pytest.mark.parametrize("tags", [{}, {SCHEDULED_EXECUTION_TIME_TAG: DUE, ATTEMPT_TAG: "1"}])
def test_a_run_by_hand_or_a_retry_reads_by_itself_beside_them_and_leaves_nothing(
    home: Path, tags: dict[str, str]
) -> None:
    reading, folders = kept_by(home, **tags)
    assert not reading.shared
    assert [name.partition("-")[0] for name in folders] == ["run"]
    reading.close()
    assert not list((home / FOLDER).iterdir())
