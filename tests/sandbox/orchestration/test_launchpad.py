"""The jobs that people start in the launchpad refuse names that do not exist, instead of a green run without work."""

import pytest

from tests.support.catalogue import Catalogue
from tests.support.runs import JobRun, Runner
from tests.support.servers import ErpServer


def started(runner: Runner, job: str, op: str, **config: object) -> JobRun:
    return runner.job(job, run_config={"ops": {op: {"config": config}}})


def why(run: JobRun, op: str) -> str:
    (failure,) = [event for event in run.result.all_events if event.is_step_failure]
    assert failure.step_key == op
    data = failure.step_failure_data.user_failure_data
    assert data
    return data.description or ""


def test_a_plan_of_a_batch_that_does_not_exist(runner: Runner) -> None:
    run = started(runner, "plan", "make_plan", batches=["1"])
    assert "there is no batch 1; the batches: batch_0" in why(run, "make_plan")


@pytest.mark.parametrize(("job", "op"), [("plan", "make_plan"), ("sync_items", "export_items")])
def test_an_item_that_does_not_exist(runner: Runner, job: str, op: str) -> None:
    run = started(runner, job, op, items=["WEB-ITM-9999"])
    assert "no Website Item with this name or item_code: WEB-ITM-9999" in why(run, op)


@pytest.mark.long
def test_an_item_is_found_by_its_code_too(runner: Runner, erp: ErpServer) -> None:
    catalogue = Catalogue(erp.store)
    name = catalogue.item(catalogue.group("Gloves"))
    code = catalogue.row(name)["item_code"]
    assert started(runner, "sync_items", "export_items", items=[code]).success
    assert catalogue.row(name)["medusa_id"]
