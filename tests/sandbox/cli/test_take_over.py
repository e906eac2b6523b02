"""`take-over` and `hand-back` against real calls: the embedded ERPNext, and Dagster's own webserver in this process.

What both commands switch and say, and when they refuse. Not here: that each slot is done once
(tests/unit/cli/test_switch.py), and a kill half-way on a whole installation (tests/e2e).
"""

import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickData, TickStatus
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.types import DaemonHeartbeat
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from erp_medusa_pipelines.cli.dagster_api import DagsterApi
from erp_medusa_pipelines.cli.frame import CommandError
from erp_medusa_pipelines.cli.sides import FrappeSide
from erp_medusa_pipelines.cli.take_over import EARLIER_FILE, KEY, Journal
from erp_medusa_pipelines.connections import open_shop
from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.readiness.frappe_app import APP, frappe_jobs
from erp_medusa_pipelines.settings import load_settings
from erp_medusa_pipelines.tasks import HOUSEKEEPING, TASKS
from erp_medusa_sandbox.server import running
from tests.sandbox.cli.conftest import ROOT, Command
from tests.support.operations import our_instance
from tests.support.servers import ErpServer

CODE = ModuleTarget("erp_medusa_pipelines.definitions", "defs", working_directory=None, location_name="shop")
OF_THE_APP = sorted(task.name for task in TASKS if task.in_app)
TAKEN_OVER = sorted(task.name for task in (*TASKS, *HOUSEKEEPING) if not task.opt_in)
RETRIES = "retry_failed_partitions"
JOB = "Scheduled Job Type"


class Dagster:
    """A webserver over the project's code, and the instance behind it."""

    def __init__(self, url: str, instance: dg.DagsterInstance) -> None:
        self.url = url
        self.instance = instance

    def daemon_reports(self) -> None:
        """As every daemon does while it is alive."""
        for kind in self.instance.get_required_daemon_types():
            self.instance.add_daemon_heartbeat(DaemonHeartbeat(time.time(), kind, "the daemon's id"))

    def on(self) -> list[str]:
        """Return the tasks whose schedule is on, and the retry sensor."""
        state = DagsterApi(self.url).installation()
        tasks = [name.removesuffix("_schedule") for name, one in state.schedules.items() if one.on]
        return sorted(tasks) + [name for name, one in state.sensors.items() if one.on]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dagster]:
    with (
        our_instance(tmp_path_factory.mktemp("dagster")) as instance,
        WorkspaceProcessContext(instance, CODE) as workspace,
        running(create_app_from_workspace_process_context(workspace)) as url,
    ):
        yield Dagster(url, instance)


@pytest.fixture
def dagster(served: Dagster, shop_env: pytest.MonkeyPatch) -> Iterator[Dagster]:
    """The webserver, everything off and without a daemon, named by DAGSTER_UI_URL."""
    shop_env.setenv("DAGSTER_UI_URL", served.url)
    shop_env.setenv("DAGSTER_HOME", served.instance.root_directory)
    yield served
    state.save(served.instance, KEY, {})
    api = DagsterApi(served.url)
    now = api.installation()
    for name, one in now.schedules.items():
        if one.on:
            api.turn(now, "schedule", name, on=False)
    if now.sensors[RETRIES].on:
        api.turn(now, "sensor", RETRIES, on=False)
    served.instance.wipe_daemon_heartbeats()
    for run in served.instance.get_runs():
        served.instance.delete_run(run.run_id)


@pytest.fixture
def app_jobs(erp: ErpServer) -> list[str]:
    """The app's seven rows, none stopped. Frappe's scheduler is off, so that no slot of its own is waited for."""
    erp.store.set("System Settings", "", time_zone="Asia/Muscat", enable_scheduler=0)
    for task in OF_THE_APP:
        job = {"method": f"{APP}.api.{task}", "frequency": "Cron", "cron_format": "0 1 * * *", "stopped": 0}
        erp.store.insert(JOB, name=f"api.{task}", **job)
    return [f"api.{task}" for task in OF_THE_APP]


def stopped(erp: ErpServer) -> list[str]:
    return sorted(row["name"] for row in erp.store.sql('SELECT name FROM "tabScheduled Job Type" WHERE stopped = 1'))


def use_a_key_that_only_reads(erp: ErpServer, environment: pytest.MonkeyPatch) -> None:
    """A key for the jobs and the settings of the site, and for no logs."""
    erp.add_user("reader", "Reader")
    for doctype in (JOB, "System Settings"):
        erp.store.insert("Custom DocPerm", parent=doctype, role="Reader", read=1)
    environment.setenv("ERPNEXT_API_KEY", "reader")


@pytest.mark.long
def test_the_tasks_go_over_and_come_back(
    dagster: Dagster, erp: ErpServer, app_jobs: list[str], erp_medusa: Command
) -> None:
    erp.store.set(JOB, "api.expire_otps", stopped=1)
    dagster.daemon_reports()
    over = erp_medusa("take-over")
    assert over.code == 0
    assert over.data["tasks"] == dict.fromkeys(OF_THE_APP, "dagster")
    assert stopped(erp) == app_jobs
    assert dagster.on() == [*TAKEN_OVER, RETRIES]
    again = erp_medusa("take-over")
    assert again.data["events"] == []

    # No daemon looks at the slots of this test, so none is waited for.
    dagster.instance.wipe_daemon_heartbeats()
    back = erp_medusa("hand-back")
    assert back.code == 0
    assert stopped(erp) == ["api.expire_otps"], "it was stopped before the take-over"
    assert dagster.on() == []
    row = erp.store.get(JOB, "api.fetch_clearance_items")
    assert row
    assert row["last_execution"], "or Frappe catches up on missed nights"


@pytest.mark.long
def test_a_task_that_is_at_work_is_left_and_reported(
    dagster: Dagster, erp: ErpServer, app_jobs: list[str], erp_medusa: Command
) -> None:
    for name in app_jobs:
        erp.store.set(JOB, name, stopped=1)
    dagster.instance.create_run_for_job(_job("fetch_clearance_items"), status=dg.DagsterRunStatus.STARTED)
    back = erp_medusa("hand-back", "--wait", "0")
    assert back.code == 1
    assert back.data["left"]["fetch_clearance_items"] == "left: our run is still going"
    assert "api.fetch_clearance_items" in stopped(erp)


def test_a_tick_is_waited_for_until_it_has_ended(dagster: Dagster) -> None:
    """At its end the daemon stores the schedule as it was at its beginning: one turned off meanwhile was on again."""
    api = DagsterApi(dagster.url)
    schedule = next(one for one in api.installation().schedules.values() if one.name == "expire_otps_schedule")
    api.turn(api.installation(), "schedule", schedule.name, on=True)
    state = next(one for one in dagster.instance.all_instigator_state() if one.instigator_name == schedule.name)
    looked_at = {"instigator_origin_id": state.instigator_origin_id, "instigator_name": schedule.name,
                 "instigator_type": InstigatorType.SCHEDULE, "selector_id": state.selector_id}  # fmt: skip
    earlier, now = time.time() - 60, time.time()
    dagster.instance.create_tick(TickData(**looked_at, status=TickStatus.SKIPPED, timestamp=earlier))
    tick = dagster.instance.create_tick(TickData(**looked_at, status=TickStatus.STARTED, timestamp=now))
    assert _last_tick(api, schedule.name) == pytest.approx(earlier)
    dagster.instance.update_tick(tick.with_status(TickStatus.SKIPPED))
    assert _last_tick(api, schedule.name) == pytest.approx(now)


def _last_tick(api: DagsterApi, schedule: str) -> float:
    last = api.installation().schedules[schedule].last_tick
    assert last
    return last.timestamp()


def test_nothing_is_switched_for_a_daemon_that_does_not_run(
    dagster: Dagster, erp: ErpServer, app_jobs: list[str], erp_medusa: Command
) -> None:
    refused = erp_medusa("take-over")
    assert refused.code == 2
    assert "start dagster-daemon run first" in refused.data["error"]
    assert stopped(erp) == []
    assert dagster.on() == []


def test_nothing_is_switched_with_a_key_that_may_not_write_the_jobs(
    dagster: Dagster, erp: ErpServer, app_jobs: list[str], erp_medusa: Command, shop_env: pytest.MonkeyPatch
) -> None:
    use_a_key_that_only_reads(erp, shop_env)
    dagster.daemon_reports()
    refused = erp_medusa("take-over")
    assert refused.code == 2
    assert "may not write Scheduled Job Type: set ADMIN_API_KEY" in refused.data["error"]
    assert dagster.on() == []


def test_nothing_is_switched_where_the_app_has_other_jobs(
    dagster: Dagster, erp: ErpServer, app_jobs: list[str], erp_medusa: Command
) -> None:
    erp.store.delete(JOB, "api.expire_otps")
    refused = erp_medusa("take-over")
    assert refused.code == 2
    assert "for expire_otps: run bench migrate" in refused.data["error"]


def test_without_the_app_only_our_schedules_are_turned(dagster: Dagster, erp: ErpServer, erp_medusa: Command) -> None:
    dagster.daemon_reports()
    over = erp_medusa("take-over")
    assert (over.code, over.data["tasks"]) == (0, {})
    assert dagster.on() == [*TAKEN_OVER, RETRIES]


def test_frappes_jobs_start_again_where_dagster_is_gone(
    erp: ErpServer, app_jobs: list[str], erp_medusa: Command, home: Path
) -> None:
    for name in app_jobs:
        erp.store.set(JOB, name, stopped=1)
    gone = erp_medusa("hand-back", "--dagster-url", "http://127.0.0.1:9")
    assert gone.code == 2
    assert "no Dagster webserver answers at http://127.0.0.1:9" in gone.data["error"]
    assert stopped(erp) == app_jobs
    output = erp_medusa("hand-back", "--only-frappe")
    assert output.data["tasks"] == dict.fromkeys(OF_THE_APP, "frappe")
    assert {event["task"] for event in output.data["events"]} == set(OF_THE_APP)
    assert stopped(erp) == []


@pytest.mark.parametrize("command", ["take-over", "hand-back"])
def test_another_installation_that_answers_is_not_touched(
    dagster: Dagster, erp: ErpServer, app_jobs: list[str], erp_medusa: Command, home: Path, command: str
) -> None:
    dagster.daemon_reports()
    refused = erp_medusa(command)
    assert refused.code == 2
    assert f"{dagster.url} is another installation than that of DAGSTER_HOME={home}" in refused.data["error"]
    assert stopped(erp) == []
    assert dagster.on() == []


def test_without_a_home_nothing_is_switched(
    dagster: Dagster, erp: ErpServer, app_jobs: list[str], erp_medusa: Command, shop_env: pytest.MonkeyPatch
) -> None:
    dagster.daemon_reports()
    shop_env.delenv("DAGSTER_HOME")
    refused = erp_medusa("take-over")
    assert (refused.code, stopped(erp), dagster.on()) == (2, [], [])
    assert "set DAGSTER_HOME" in refused.data["error"]


def test_an_installation_of_another_shop_is_not_touched(
    dagster: Dagster, erp: ErpServer, app_jobs: list[str], erp_medusa: Command, shop_env: pytest.MonkeyPatch
) -> None:
    """Its assets link to the ERPNext that it works on."""
    dagster.daemon_reports()
    shop_env.setattr(DagsterApi, "erpnext_url", lambda *_: "https://erp.other.example")
    refused = erp_medusa("take-over")
    assert (refused.code, stopped(erp), dagster.on()) == (2, [], [])
    assert f"works on https://erp.other.example, and this command was to switch {erp.url}" in refused.data["error"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [([1], "no data"), ({"errors": [{"message": "Cannot query field"}], "data": None}, "Cannot query field")],
)
def test_a_server_that_is_no_dagster_is_named(answer: object, said: str) -> None:
    app = Starlette(routes=[Route("/graphql", lambda _: JSONResponse(answer), methods=["POST"])])
    with running(app) as url, pytest.raises(CommandError, match=rf"{url} is not a Dagster webserver .*: {said}"):
        DagsterApi(url).installation()


def test_a_dagster_without_the_shops_code_location_is_named(served: Dagster) -> None:
    assert DagsterApi(served.url, shop="shop").installation().location == "shop"
    with pytest.raises(CommandError, match=r"has not loaded this project .* as the code location muscat"):
        DagsterApi(served.url, shop="muscat").installation()


def test_what_dagster_refuses_to_switch_is_named(served: Dagster) -> None:
    api = DagsterApi(served.url)
    with pytest.raises(CommandError, match="Dagster would not switch nobody_schedule"):
        api.turn(api.installation(), "schedule", "nobody_schedule", on=True)


def test_runs_of_another_shop_are_not_waited_for(dagster: Dagster) -> None:
    tags = {"shop": "salalah"}
    dagster.instance.create_run_for_job(_job("expire_otps"), status=dg.DagsterRunStatus.STARTED, tags=tags)
    assert DagsterApi(dagster.url, shop="salalah").is_going_on("expire_otps")
    assert not DagsterApi(dagster.url, shop="muscat").is_going_on("expire_otps")


def _job(name: str) -> dg.JobDefinition:
    @dg.job(name=name)
    def empty() -> None: ...

    return empty


@pytest.mark.parametrize(
    ("logs", "going_on"),
    [
        ([], False),
        ([("Start", "2000-01-01 00:00:00")], False),
        ([("Start", None)], True),
        ([("Start", None), ("Complete", None)], False),
    ],
    ids=["no log", "killed long ago", "started", "ended"],
)
def test_whether_frappe_is_running_a_job_is_read_from_its_newest_log(
    erp: ErpServer,
    app_jobs: list[str],
    shop_env: pytest.MonkeyPatch,
    logs: list[tuple[str, str | None]],
    going_on: bool,
) -> None:
    with open_shop(load_settings()) as shop:
        (job,) = frappe_jobs(shop.erp, "expire_otps")
        side = FrappeSide(shop.erp)
        for second, (status, creation) in enumerate(logs):
            began = creation or f"{side.now():%Y-%m-%d %H:%M}:{second:02}"
            erp.store.insert("Scheduled Job Log", scheduled_job_type=job.name, status=status, creation=began)
        assert side.is_going_on(job) is going_on


def test_a_key_that_may_not_read_logs_waits_for_nothing(
    erp: ErpServer, app_jobs: list[str], shop_env: pytest.MonkeyPatch
) -> None:
    with open_shop(load_settings()) as shop:
        (job,) = frappe_jobs(shop.erp, "expire_otps")
        now = f"{shop.erp.clock():%Y-%m-%d %H:%M:%S}"
        erp.store.insert("Scheduled Job Log", scheduled_job_type=job.name, status="Start", creation=now)
        assert FrappeSide(shop.erp).is_going_on(job)
    use_a_key_that_only_reads(erp, shop_env)
    with open_shop(load_settings()) as shop:
        assert not FrappeSide(shop.erp).is_going_on(job)


def test_an_earlier_versions_journal_counts_and_one_that_was_cut_off_too(
    dagster: Dagster, erp: ErpServer, app_jobs: list[str], erp_medusa: Command
) -> None:
    """The file in DAGSTER_HOME. Nothing is written there any more: in the image it is read-only."""
    home = Path(dagster.instance.root_directory)
    file = home / EARLIER_FILE
    assert Journal(dagster.instance).stopped_before() == frozenset()
    file.write_text('{"event": "take-over", "stopped_before": ["api.expire_otps"]}\n{"at": "2026-', encoding="utf-8")
    before = file.read_text(encoding="utf-8"), sorted(path.name for path in home.iterdir())
    for name in app_jobs:
        erp.store.set(JOB, name, stopped=1)
    try:
        assert erp_medusa("hand-back").code == 0
        assert (file.read_text(encoding="utf-8"), sorted(path.name for path in home.iterdir())) == before
    finally:
        file.unlink()
    assert stopped(erp) == ["api.expire_otps"]
    assert [entry["event"] for entry in state.load(dagster.instance, KEY)["entries"]][-1] == "handed back"


def test_an_app_that_never_ran_is_handed_back_whole(dagster: Dagster, app_jobs: list[str]) -> None:
    journal = Journal(dagster.instance)
    journal.note(event="take-over", stopped_before=app_jobs)
    assert journal.stopped_before() == frozenset()


def test_frappes_jobs_start_again_where_the_storage_is_gone(
    erp: ErpServer, app_jobs: list[str], erp_medusa: Command, home: Path, shop_env: pytest.MonkeyPatch
) -> None:
    for name in app_jobs:
        erp.store.set(JOB, name, stopped=1)
    (home / "dagster.yaml").write_bytes((ROOT / "deploy" / "dagster.yaml").read_bytes())
    output = erp_medusa("hand-back", "--only-frappe")
    assert (output.code, stopped(erp)) == (0, [])
