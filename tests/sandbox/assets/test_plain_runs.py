"""Every task once through Dagster and once as plain functions: the same is reported, and both servers end up alike."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pprint import pformat
from typing import Any

import pytest

from dev.mail_sink import mail_sink
from erp_medusa_pipelines.tasks import TASKS
from erp_medusa_sandbox.faults import Fault
from tests.machine.servers import open_world
from tests.machine.world import BATCHES, EXPORT
from tests.matrix.projection import state
from tests.matrix.shop import SETTINGS, Shop
from tests.support.plain_runs import PlainRunner
from tests.support.runs import JobRun, Runner

pytestmark = pytest.mark.slow

OF_THE_TASK = [task for task in TASKS if task.assets]
# Whose turn it is, Frappe's or ours, is asked by Dagster's runs alone.
RANDOM = re.compile(r"\b[0-9a-f]{8,12}\b")
NOT_COMPARED = ("requests", "seconds", "items_per_second", "oldest_seconds", "target")


@pytest.fixture
def open_shop() -> Iterator[Any]:
    with ExitStack() as stack:

        def opened() -> Shop:
            shop = Shop(stack.enter_context(open_world(SETTINGS)), stack.enter_context(mail_sink()))
            shop.open()
            return shop

        yield opened


def reported(run: JobRun, assets: tuple[str, ...]) -> dict[str, Any]:
    """What people read of a run, without what differs from run to run."""
    found: dict[str, Any] = {"success": run.success, "reasons": sorted(run.reasons())}
    found["checks"] = {(each.check_name, each.passed): True for each in run.checks() if each.check_name}
    for asset in assets:
        try:
            values = run.metadata(asset)
        except AssertionError:
            found[asset] = "skipped"
            continue
        plain = {key: value for key, value in values.items() if isinstance(value, str | int | float)}
        found[asset] = {key: value for key, value in plain.items() if key not in NOT_COMPARED}
    return found


def lines(found: Mapping[str, Any] | Sequence[Any]) -> list[str]:
    """Each entry as text, without names that are made at random."""
    entries = found.items() if isinstance(found, Mapping) else found
    return sorted(RANDOM.sub("random", pformat(each)) for each in entries)


def nights(shop: Shop, runner: Runner) -> dict[str, dict[str, Any]]:
    """Two nights with all tasks, of which the second meets refusals and a server that is out of order."""
    output: dict[str, Any] = {}
    for night in ("first", "second"):
        for task in OF_THE_TASK:
            for batch in BATCHES if task.partitioned else (None,):
                if night == "second" and task.name == EXPORT:
                    refusal = {"type": "invalid_data", "message": "Invalid request: Expected something else"}
                    for fault in (
                        Fault("status", method="POST", body="77.125", status=400, json=refusal),
                        Fault("status", method="POST", body='"Title ', status=503),
                    ):
                        shop.world.medusa.faults.add(fault)
                run = runner.job(task.name, batch)
                shop.world.medusa.faults.heal()
                output[f"{night} {task.name} {batch}"] = reported(run, task.assets)
        shop.change()
    output["state"] = {what: lines(found) for what, found in state(shop).items()}
    return output


def test_every_task_does_and_reports_the_same_with_and_without_dagster(open_shop: Any) -> None:
    plain, through_dagster = nights(open_shop(), PlainRunner()), nights(open_shop(), Runner())
    for where, found in plain.items():
        for what, value in found.items():
            expected = through_dagster[where][what]
            if isinstance(value, dict) and isinstance(expected, dict):
                # Dagster's IO managers and its own checks come on top.
                expected = {key: entry for key, entry in expected.items() if key in value}
            assert value == expected, f"{where}: {what}"
    assert {each["success"] for where, each in plain.items() if where != "state"} == {True, False}
