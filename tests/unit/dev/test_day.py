"""The parts of `make day` that can be wrong without a server: whom it kills, and that it does not outlive a thread."""

from contextlib import suppress

import pytest

from dev.background import Background
from erp_medusa_pipelines.orchestration.runs.plan_jobs import SYNC_JOB
from erp_medusa_pipelines.tasks import EXPORT
from tests.day.killer import may_be_killed


def run(run_id: str, job: str = SYNC_JOB, status: str = "STARTED") -> dict[str, str]:
    return {"runId": run_id, "jobName": job, "status": status}


def test_only_runs_at_work_are_killed() -> None:
    runs = [run("4", status="QUEUED"), run("3"), run("2", EXPORT.name), run("1", status="SUCCESS")]
    assert may_be_killed(runs, ()) == ["3", "2"]


def test_the_run_of_changes_after_a_killed_one_is_left_alone() -> None:
    runs = [run("4"), run("3", EXPORT.name), run("2", EXPORT.name, "FAILURE"), run("1", status="FAILURE")]
    assert may_be_killed(runs, {"1", "2"}) == ["3"]
    assert may_be_killed([run("5"), run("4", status="SUCCESS"), *runs[1:]], {"1", "2"}) == ["5", "3"]


class Broken(Background):
    def work(self) -> None:
        raise KeyError("price")


def test_a_block_learns_that_its_thread_has_died() -> None:
    thread = Broken()
    with suppress(KeyError), thread:
        pass
    with pytest.raises(KeyError, match="price"):
        thread.check()
