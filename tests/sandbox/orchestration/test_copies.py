"""A copy of an installation starts with everything off, and says that it is one."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from erp_medusa_pipelines.orchestration.copies import copy_of
from erp_medusa_pipelines.orchestration.dagster_internals import switched_on
from tests.sandbox.cli.conftest import Command, erp_medusa  # noqa: F401  # a fixture
from tests.support.operations import our_daemon

SCHEDULE, RETRIES = "expire_otps_schedule", "retry_failed_partitions"


def started(home: Path) -> dg.DagsterInstance:
    """The instance, as daemon and webserver open it."""
    instance = dg.DagsterInstance.from_config(str(home))
    assert instance.run_coordinator
    return instance


def at_work(home: Path) -> None:
    """An installation with a schedule and a sensor that are on, a run that waits and one at work."""
    home.mkdir()
    with our_daemon(home) as daemon:
        assert daemon.instance.run_coordinator
        daemon.turn_on_schedule(SCHEDULE, "* * * * *")
        daemon.turn_on_sensor(RETRIES)
        daemon.created("expire_otps", status=dg.DagsterRunStatus.QUEUED)
        daemon.created("expire_otps", status=dg.DagsterRunStatus.STARTED)


@pytest.mark.long
def test_a_copy_of_the_folder_starts_with_everything_off_until_somebody_turns_it_on(
    shop_env: pytest.MonkeyPatch,
    erp_medusa: Command,  # noqa: F811
    tmp_path: Path,
) -> None:
    original, home = tmp_path / "original", tmp_path / "copy"
    at_work(original)
    with started(original) as instance:
        assert (switched_on(instance), copy_of(instance)) == ([SCHEDULE, RETRIES], None)
    shutil.copytree(original, home)
    with started(home) as instance:
        assert switched_on(instance) == []
        states = sorted(run.status.value for run in instance.get_runs())
        assert states == ["CANCELED", "STARTED"], "the daemon ends the other one for want of a heartbeat"
    shop_env.setenv("DAGSTER_HOME", str(home))
    said = erp_medusa("status")
    assert said.code == 1
    assert said.data["copy"].startswith("this is a copy of another installation, or its storage was moved")
    assert f"turn on again what was on ({SCHEDULE}, {RETRIES})" in said.data["copy"]
    finding = erp_medusa("doctor").finding("Dagster", "copy")
    assert (finding["level"], "1 waiting runs" in finding["found"]) == ("fail", True)
    with started(original) as instance:
        assert switched_on(instance) == [SCHEDULE, RETRIES], "the original is as it was"
    with our_daemon(home) as daemon:
        daemon.turn_on_sensor(RETRIES)
        assert copy_of(daemon.instance) is None, "it is an installation of its own now"


def test_an_installation_that_is_moved_within_its_disk_or_started_again_stays_as_it_was(
    shop_env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    at_work(tmp_path / "before")
    (tmp_path / "before").rename(tmp_path / "after")
    with started(tmp_path / "after") as instance:
        assert switched_on(instance) == [SCHEDULE, RETRIES]


def test_what_was_interrupted_half_way_is_finished_by_the_next_start(
    shop_env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    at_work(tmp_path / "original")
    shutil.copytree(tmp_path / "original", tmp_path / "copy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dg.DagsterInstance, "report_run_canceled", lambda *_, **__: 1 / 0)
        started(tmp_path / "copy").dispose()
    with started(tmp_path / "copy") as instance:
        copy = copy_of(instance)
        assert copy
        assert (copy.was_on, copy.canceled) == ([SCHEDULE, RETRIES], 1)
