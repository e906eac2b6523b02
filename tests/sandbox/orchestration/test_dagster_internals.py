"""Everything used of Dagster outside its public API works as expected: an upgrade fails here first."""

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.scheduler.instigation import InstigatorTick, TickData, TickStatus
from dagster_shared.error import SerializableErrorInfo

from erp_medusa_pipelines.orchestration import dagster_internals as internals
from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.run_coordinator import TaskRunCoordinator
from erp_medusa_pipelines.orchestration.run_launcher import WatchingRunLauncher
from tests.support.operations import Daemon, our_daemon

PACKAGE = Path(internals.__file__).parents[1]
SCHEDULE = "update_webitem_stock_schedule"


@pytest.fixture
def daemon(shop_env: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Daemon]:
    with our_daemon(tmp_path) as made:
        yield made


def tick_of(daemon: Daemon, status: TickStatus, at: float) -> InstigatorTick:
    (stored,) = daemon.instance.all_instigator_state()
    ids = stored.instigator_origin_id, stored.instigator_name, stored.instigator_type
    # As Dagster keeps what a schedule or sensor raised.
    cause = SerializableErrorInfo("it broke", [], "E")
    wrapped = SerializableErrorInfo("Error occurred during the evaluation", [], "ScheduleExecutionError", cause)
    error = wrapped if status == TickStatus.FAILURE else None
    return daemon.instance.create_tick(
        TickData(*ids, status, at, run_ids=[], error=error, selector_id=stored.selector_id)
    )


@pytest.mark.long
def test_no_other_module_reaches_into_dagster() -> None:
    reaching = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(name.startswith(("dagster._", "dagster_shared")) for name in names):
                reaching.add(path.name)
    assert reaching == {"dagster_internals.py", "state.py"}


def test_instigators_are_named_and_turned_off(daemon: Daemon) -> None:
    assert internals.instigators(daemon.instance) == []
    daemon.turn_on_schedule(SCHEDULE, "0 0 * * *")
    daemon.turn_on_sensor("alerts")
    found = {stored.name: stored for stored in internals.instigators(daemon.instance)}
    assert {name: (stored.kind, stored.on) for name, stored in found.items()} == {
        SCHEDULE: ("schedule", True),
        "alerts": ("sensor", True),
    }
    found[SCHEDULE].turn_off(daemon.instance)
    assert {stored.name for stored in internals.instigators(daemon.instance) if stored.on} == {"alerts"}


def test_the_newest_tick_tells_whether_it_failed(daemon: Daemon) -> None:
    daemon.turn_on_schedule(SCHEDULE, "0 0 * * *")
    (stored,) = internals.instigators(daemon.instance)
    assert stored.failed_tick(daemon.instance) is None
    tick_of(daemon, TickStatus.FAILURE, 1000.0)
    tick = stored.failed_tick(daemon.instance)
    assert tick == internals.FailedTick(datetime.fromtimestamp(1000.0, UTC), "it broke")
    tick_of(daemon, TickStatus.SUCCESS, 2000.0)
    assert stored.failed_tick(daemon.instance) is None


@pytest.mark.long
def test_attempts_that_made_nothing_are_found_by_batch(daemon: Daemon) -> None:
    assets = ["medusa_stock", "expired_otps", "medusa_prices"]
    assert internals.unfinished_attempts(daemon.instance, assets) == []
    of_batch = daemon.created("update_webitem_stock", "batch_0", status=dg.DagsterRunStatus.STARTED)
    alone = daemon.created("expire_otps", status=dg.DagsterRunStatus.STARTED)
    left = ("medusa_stock", "batch_0", of_batch.run_id)
    assert internals.unfinished_attempts(daemon.instance, assets) == [left, ("expired_otps", None, alone.run_id)]
    assert daemon.runner.job("expire_otps").success
    assert internals.unfinished_attempts(daemon.instance, assets) == [left]
    daemon.instance.wipe_assets([dg.AssetKey("medusa_stock")])
    assert internals.unfinished_attempts(daemon.instance, assets) == []


def test_the_runs_that_were_to_make_a_batch_are_found_newest_first(daemon: Daemon) -> None:
    runs = [daemon.created("update_webitem_stock", batch).run_id for batch in ("batch_0", "batch_1", "batch_0")]
    newest = internals.attempts(daemon.instance, "medusa_stock", ["batch_0", "batch_2"], limit=5)
    assert newest == {"batch_0": [runs[2], runs[0]], "batch_2": []}
    assert internals.attempts(daemon.instance, "medusa_stock", ["batch_0"], limit=1) == {"batch_0": [runs[2]]}
    run = daemon.created("expire_otps")
    assert internals.attempts(daemon.instance, "expired_otps", [None], limit=5) == {None: [run.run_id]}


@pytest.mark.long
def test_what_runs_were_to_make_and_have_made(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(internals, "IDS_IN_A_QUERY", 1)
    waiting = daemon.created("update_webitem_stock", "batch_0").run_id
    done = daemon.runner.job("expire_otps").result.run_id
    runs = [waiting, done, "no such run"]
    assets = {waiting: {"medusa_stock"}, done: {"expired_otps"}}
    assert internals.assets_of_runs(daemon.instance, runs, made=False) == assets
    assert internals.assets_of_runs(daemon.instance, runs, made=True) == {done: {"expired_otps"}}


def test_the_file_of_a_run_that_has_ended_is_read_without_a_look_at_its_migrations(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = daemon.created("expire_otps", status=dg.DagsterRunStatus.STARTED)
    daemon.instance.report_run_failed(run, "because of this")
    with dg.DagsterInstance.from_ref(daemon.instance.get_ref()) as instance:
        storage: Any = instance.event_log_storage
        assert run.run_id not in storage._initialized_dbs
        monkeypatch.setattr(type(storage), "_initdb", lambda *_, **__: pytest.fail("it was looked at"))
        kinds = [dg.DagsterEventType.RUN_FAILURE]
        (event,) = internals.events_of_ended_run(instance, run.run_id, kinds)
        assert "because of this" in (event.message or "")


@pytest.mark.long
def test_the_newest_result_of_each_check_also_while_the_next_is_awaited(daemon: Daemon) -> None:
    keys = internals.check_keys(daemon.repository)
    key = dg.AssetCheckKey(dg.AssetKey("expired_otps"), "nothing_rejected")
    assert key in keys
    assert internals.verdicts(daemon.instance, keys) == {}
    run = daemon.runner.job("expire_otps")
    waiting = daemon.created("expire_otps")
    verdict = internals.verdicts(daemon.instance, keys)[key]
    assert verdict.evaluation
    assert verdict.evaluation.passed
    assert (verdict.run_id, verdict.unevaluated) == (run.result.run_id, waiting.run_id)


def test_values_survive_and_are_read_back(daemon: Daemon) -> None:
    assert state.read_values(daemon.instance, {"a"}) == {}
    state.write_values(daemon.instance, {"a": "1", "b": "2"})
    assert state.read_values(daemon.instance, {"a", "b", "c"}) == {"a": "1", "b": "2"}


def test_sections_and_classes_of_dagster_yaml(daemon: Daemon) -> None:
    assert internals.classes_in_force(daemon.instance) == (TaskRunCoordinator, WatchingRunLauncher)
    assert internals.instance_setting(daemon.instance, "run_monitoring")["enabled"] is True
    assert internals.instance_setting(daemon.instance, "retention")["schedule"]
    with dg.instance_for_test() as default:
        assert internals.instance_setting(default, "retention") == {}


def test_daemons_that_never_ran_are_silent(daemon: Daemon) -> None:
    assert {"SCHEDULER", "SENSOR"} <= set(internals.silent_daemons(daemon.instance))


def test_runs_are_ended_with_a_reason(daemon: Daemon) -> None:
    for end, status in (
        (internals.report_failed, dg.DagsterRunStatus.FAILURE),
        (internals.report_canceled, dg.DagsterRunStatus.CANCELED),
    ):
        run = daemon.queued("expire_otps")
        end(daemon.instance, run, "because of this")
        stored = daemon.instance.get_run_by_id(run.run_id)
        assert stored is not None
        assert stored.status == status
        texts = [entry.dagster_event.message for entry in daemon.instance.all_logs(run.run_id) if entry.dagster_event]
        assert any("because of this" in (text or "") for text in texts)


@pytest.mark.long
def test_ctrl_c_in_a_run_of_this_process_is_raised_and_a_failure_is_not() -> None:
    @dg.op(config_schema=str)
    def stop(context: dg.OpExecutionContext) -> None:
        raise KeyboardInterrupt if context.op_config == "ctrl-c" else ValueError

    @dg.job
    def stopped() -> None:
        stop()

    def run(how: str) -> dg.ExecuteInProcessResult:
        return stopped.execute_in_process({"ops": {"stop": {"config": how}}}, raise_on_error=False)

    internals.raise_if_interrupted(run("fails"))
    with pytest.raises(KeyboardInterrupt):
        internals.raise_if_interrupted(run("ctrl-c"))


def test_captured_output_is_deleted(daemon: Daemon) -> None:
    with daemon.instance.compute_log_manager.capture_logs(["run1", "compute_logs", "step"]):
        print("a word")
    folder = Path(daemon.instance.storage_directory()) / "run1"
    assert list(folder.rglob("*.out"))
    internals.delete_output(daemon.instance, "run1")
    assert not list(folder.rglob("*.out"))


def test_no_backfill_and_nothing_overdue_on_a_new_instance(daemon: Daemon) -> None:
    assert internals.backfilled_assets(daemon.instance) == frozenset()
    assert internals.overdue_assets(daemon.instance, ["medusa_stock"]) == {}
    assert FreshnessState.FAIL.value == "FAIL"


def test_cron_lines_are_checked_and_iterated() -> None:
    assert internals.is_valid_cron_string("0 1 * * *")
    assert not internals.is_valid_cron_string("0 25 * * *")
    ticks = internals.cron_string_iterator(datetime(2026, 1, 1, tzinfo=UTC).timestamp(), "0 1 * * *", "Asia/Muscat")
    assert next(ticks).isoformat() == "2026-01-02T01:00:00+04:00"


def test_a_mark_is_known_to_its_instance_alone_and_gone_afterwards(daemon: Daemon, tmp_path: Path) -> None:
    pools = daemon.instance.event_log_storage.get_concurrency_keys
    (tmp_path / "other").mkdir()
    with internals.marked(daemon.instance) as mark, our_daemon(tmp_path / "other") as other:
        assert mark in pools()
        assert mark not in other.instance.event_log_storage.get_concurrency_keys()
    assert mark not in pools()


def test_values_are_found_by_their_beginning_and_deleted() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        state.write_values(instance, {f"a_b/{number}": "1" for number in range(1200)})
        state.write_values(instance, {"A_B/0": "1", "axb/0": "1"})
        assert sorted(state.keys_below(instance, "a_b/119")) == [
            f"a_b/{number}" for number in (119, *range(1190, 1200))
        ]
        assert len(state.keys_below(instance, "a_b/")) == 1200
        state.delete_values(instance, set(state.keys_below(instance, "a_b/")))
        assert state.keys_below(instance, "a_b/") == []
        assert set(state.read_values(instance, {"A_B/0", "axb/0"})) == {"A_B/0", "axb/0"}
