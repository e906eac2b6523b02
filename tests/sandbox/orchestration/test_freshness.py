"""An asset is stale when its schedule was due and has not materialized it, by Dagster's own daemon."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import ScheduleInstigatorData
from dagster._core.test_utils import create_test_daemon_workspace_context, freeze_time
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.freshness import FreshnessDaemon

from erp_medusa_pipelines.orchestration.sensors.problems.found import problems
from erp_medusa_pipelines.settings import load_settings
from tests.support.operations import Daemon
from tests.support.runs import Runner

MINUTE, NIGHTLY = "expired_otps", "expiring_items"
CODE = ModuleTarget("erp_medusa_pipelines.definitions", "defs", working_directory=None, location_name="shop")


@pytest.fixture
def runner(shop_env: pytest.MonkeyPatch) -> Iterator[Runner]:
    shop_env.setenv("SCHEDULE_TIMEZONE", "UTC")
    with dg.instance_for_test() as instance:
        runner = Runner()
        runner.instance = instance
        yield runner


def states(workspace: WorkspaceProcessContext, moment: datetime) -> tuple[FreshnessState, ...]:
    """Of the task that runs every minute and of the nightly one, when the daemon looks at that moment."""
    keys = [dg.AssetKey(MINUTE), dg.AssetKey(NIGHTLY)]
    with freeze_time(moment):
        list(FreshnessDaemon().run_iteration(workspace))
        records = workspace.instance.get_freshness_state_records(keys)
    return tuple(records[key].freshness_state for key in keys)


def overdue(runner: Runner) -> list[str]:
    found = problems(runner.instance, load_settings())
    return [one.key.removeprefix("overdue/") for one in found if one.key.startswith("overdue/")]


@pytest.mark.long
def test_an_asset_is_red_once_its_delivery_is_overdue_and_green_after_the_next(runner: Runner) -> None:
    with create_test_daemon_workspace_context(CODE, runner.instance) as workspace:
        now = datetime.now(UTC)
        for asset in (MINUTE, NIGHTLY):
            assert runner.asset(asset).success
        assert states(workspace, now) == (FreshnessState.PASS, FreshnessState.PASS)
        assert states(workspace, now + timedelta(hours=3))[0] == FreshnessState.FAIL
        assert overdue(runner) == [], "its schedule is off, so nobody waits for it"
        Daemon(runner).turn_on_schedule("expire_otps_schedule", "* * * * *")
        assert overdue(runner) == [MINUTE]
        turned_on_now = ScheduleInstigatorData("* * * * *", datetime.now(UTC).timestamp())
        Daemon(runner)._turn_on("expire_otps_schedule", InstigatorType.SCHEDULE, turned_on_now)
        assert overdue(runner) == [], "tried by hand hours ago, and its schedule has been on for a moment"
        Daemon(runner).turn_on_schedule("expire_otps_schedule", "* * * * *")
        # The night after next has passed without it for sure, whatever the hour at which this test runs.
        assert states(workspace, now + timedelta(days=2))[1] == FreshnessState.FAIL
        assert runner.asset(MINUTE).success
        assert states(workspace, datetime.now(UTC))[0] == FreshnessState.PASS
