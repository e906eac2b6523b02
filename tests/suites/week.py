"""A week on one instance, in fast time: each problem is reported once, its end once, and nothing that is not so.

The instance is real and so are receivers and deliveries; the clock is the test's, Dagster's own included. What goes
wrong is written down as Dagster, a tick or a run writes it: runs, ticks, checks, a gate's trouble. In between the code
server is started anew, the daemon gives ticks up, whose cursor is then lost, and the sensors do not tick for a night.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import TickData, TickStatus
from dagster_shared.error import SerializableErrorInfo

from dev.webhook import Webhook, webhook
from erp_medusa_pipelines.orchestration.checks import installation
from erp_medusa_pipelines.orchestration.runs import failures as run_failures
from erp_medusa_pipelines.orchestration.runs.work import ATTEMPT_TAG
from erp_medusa_pipelines.orchestration.schedules import gates
from erp_medusa_pipelines.orchestration.sensors import retries
from erp_medusa_pipelines.orchestration.sensors.problems import found, outbox, sensor
from erp_medusa_pipelines.tasks import ALERT_SENSOR, RETRY_SENSOR, task_named
from tests.support.operations import Daemon
from tests.support.runs import Runner

STOCK, OTPS = "update_webitem_stock", task_named("expire_otps")
SCHEDULE = "product_prices_schedule"
BEGIN = datetime(2026, 11, 2, tzinfo=UTC)
SLOW_SECONDS = 0.3

FAILED = f"{STOCK}[batch_0] failed"
GATE = "expire_otps does not start"
TICK = f"The schedule {SCHEDULE} fails"
ORPHANS = "orphaned_products: the check products_are_owned fails"
REFUSED = "medusa_products: documents refused"
HOUSEKEEPING = "prune_runs failed"
DEAD = "Alerts do not reach receiver 2 of 3 in ALERT_URLS"

EXPECTED = [
    (2, FAILED),
    (6, f"Over: {FAILED}"),
    (27, GATE),
    (29, f"Over: {GATE}"),
    (31, GATE),
    (32, f"Over: {GATE}"),
    (34, TICK),
    (36, f"Over: {TICK}"),
    (49, ORPHANS),
    (50, REFUSED),
    (74, REFUSED),
    (78, HOUSEKEEPING),
    (84, DEAD),
    (84, f"Over: {HOUSEKEEPING}"),
    (92, f"Over: {DEAD}"),
    (98, f"Over: {REFUSED}"),
    (121, f"Over: {ORPHANS}"),
    (145, FAILED),
    (150, f"Over: {FAILED}"),
]
"""The hour of the week at which each message is due, in the order of time. Whether a receiver takes messages is known
with the next one."""


class Now:
    """The one clock: of Dagster, of the sensors, of gates and deliveries."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.moment = BEGIN

        class Datetime(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:  # pyright: ignore[reportIncompatibleMethodOverride]
                return now.moment.astimezone(tz)

        now = self
        patch.setattr("dagster._time._mockable_get_current_datetime", lambda: self.moment)
        patch.setattr("dagster._time._mockable_get_current_timestamp", lambda: self.moment.timestamp())  # noqa: PLW0108 - it moves
        for module in (retries, found, sensor):
            patch.setattr(module, "_now", lambda: self.moment)
        for module in (gates, outbox, installation):
            patch.setattr(module, "datetime", Datetime)

    @property
    def hour(self) -> float:
        return (self.moment - BEGIN) / timedelta(hours=1)


class Week:
    """The installation of this week, and the log of what its receivers got."""

    def __init__(self, folder: Path, now: Now, receivers: Sequence[Webhook], patch: pytest.MonkeyPatch) -> None:
        self.folder, self.now, self.receivers, self.patch = folder, now, receivers, patch
        self.cursors: dict[str, str | None] = {}
        self.log: list[tuple[float, int, str]] = []
        self._stack = ExitStack()
        self.start()

    def start(self) -> None:
        """Start the code server, anew: nothing is remembered but what the storage has, and the code."""
        code = vars(self.daemon).get("repository") if self.log else None
        self._stack.close()
        run_failures._known.clear()
        self.patch.setattr(outbox, "_PROCESS", f"process at {self.now.hour}")
        runner = Runner()
        runner.instance = self._stack.enter_context(dg.DagsterInstance.from_config(str(self.folder)))
        runner.cursors = self.cursors
        self.daemon = Daemon(runner)
        if code:
            self.daemon.repository = code

    def close(self) -> None:
        self._stack.close()

    @property
    def instance(self) -> dg.DagsterInstance:
        return self.daemon.instance

    def tick(self, *, lost: bool = False) -> None:
        """One tick of the sensor `alerts`. The cursor of one that took too long is `lost`, not what it sent."""
        before = dict(self.cursors)
        self.daemon.sensor(ALERT_SENSOR)
        if lost:
            self.cursors.update(before)
            self.cursors.setdefault(ALERT_SENSOR, None)
        for number, receiver in enumerate(self.receivers, 1):
            known = sum(1 for _, who, _ in self.log if who == number)
            self.log += [(self.now.hour, number, title) for title in receiver.titles[known:]]

    def drain(self) -> None:
        """Tick until the slow receiver has got everything."""
        until = time.monotonic() + 60
        while time.monotonic() < until and "still wait" in self.daemon.sensor(ALERT_SENSOR)[1]:
            time.sleep(SLOW_SECONDS)
        self.tick()

    # --- what happens ---------------------------------------------------------------------------------------------

    def run(self, job: str, partition: str | None = None, **tags: Any) -> dg.DagsterRun:
        """A run at work."""
        return self.daemon.created(job, partition, status=dg.DagsterRunStatus.STARTED, **tags)

    def fail(self, run: dg.DagsterRun) -> None:
        self.instance.report_run_failed(run, "the process is gone")

    def retried(self) -> dg.DagsterRun:
        """The run that the sensor for retries asks for."""
        ((request,), _) = self.daemon.sensor(RETRY_SENSOR)
        assert request.job_name
        tags = {key: value for key, value in request.tags.items() if key != "dagster/partition"}
        return self.run(request.job_name, request.partition_key, **tags)

    def succeed(self, run: dg.DagsterRun, asset: str, partition: str | None = None) -> None:
        self.instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=partition))
        self.instance.report_dagster_event(
            dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name), run.run_id
        )

    def check(self, asset: str, name: str, *, passed: bool, **metadata: Any) -> None:
        result = {"asset_key": dg.AssetKey(asset), "check_name": name, "passed": passed, "metadata": metadata}
        self.instance.report_runless_asset_event(dg.AssetCheckEvaluation(**result))

    def refused(self, *documents: str) -> None:
        names = dg.MetadataValue.json(list(documents))
        found_now = {"rejected": len(documents), "documents": names}
        self.check("medusa_products", "nothing_rejected", passed=not documents, **found_now)

    def gate(self, why: str, *, heals: bool = True) -> None:
        gates._note(OTPS, self.instance, why, heals=heals)

    def gate_answers(self) -> None:
        gates.state.save(self.instance, f"gate_trouble/{OTPS.name}", {})

    def schedule_tick(self, status: TickStatus) -> None:
        stored = next(one for one in self.instance.all_instigator_state() if one.instigator_name == SCHEDULE)
        ids = stored.instigator_origin_id, SCHEDULE, stored.instigator_type
        at = self.now.moment.timestamp()
        error = SerializableErrorInfo("it broke", [], "E") if status == TickStatus.FAILURE else None
        self.instance.create_tick(TickData(*ids, status, at, run_ids=[], error=error, selector_id=stored.selector_id))


def plan(week: Week) -> Iterator[tuple[float, Callable[[], object]]]:
    """What happens at which hour, in the order of time. Each is followed by a tick."""
    runs: dict[str, dg.DagsterRun] = {}

    def begin(name: str, job: str, partition: str | None = None) -> None:
        runs[name] = week.run(job, partition)

    def again(name: str) -> None:
        runs[name] = week.retried()

    def nothing() -> None:
        """A quiet tick."""

    # Tried to the end: nothing is said while a retry is due or at work.
    yield 1, lambda: begin("stock", STOCK, "batch_0")
    yield 1.1, lambda: week.fail(runs["stock"])
    for hour in (1.2, 1.5):
        yield hour, lambda: again("stock")
        yield hour + 0.1, lambda: week.fail(runs["stock"])
    yield 2, nothing
    yield 2.2, week.start
    yield 5, lambda: begin("stock", STOCK, "batch_0")
    yield 6, lambda: week.succeed(runs["stock"], "medusa_stock", "batch_0")
    # The retry heals it: nobody hears of it.
    yield 8, lambda: begin("other", STOCK, "batch_1")
    yield 8.1, lambda: week.fail(runs["other"])
    yield 8.3, lambda: again("other")
    yield 8.4, lambda: week.succeed(runs["other"], "medusa_stock", "batch_1")
    # A gate without an answer: for ten minutes, for hours, and with a wrong key.
    yield 20, lambda: week.gate("no answer")
    yield 20.15, lambda: week.gate("no answer")
    yield 20.2, week.gate_answers
    yield 26.5, lambda: week.gate("no answer")
    yield 27, lambda: week.gate("still no answer")
    yield 28, week.start
    yield 29, week.gate_answers
    yield 31, lambda: week.gate("key or secret not accepted", heals=False)
    yield 32, week.gate_answers
    # A schedule whose ticks fail, one that is just being evaluated among them.
    yield 33, lambda: week.daemon.turn_on_schedule(SCHEDULE, "0 0 * * *")
    yield 34, lambda: week.schedule_tick(TickStatus.FAILURE)
    yield 35, lambda: week.schedule_tick(TickStatus.STARTED)
    yield 36, lambda: week.schedule_tick(TickStatus.SUCCESS)
    # A check that fails for three nights, each time with a run that waits, works and then says so.
    for hour in (48, 72, 96, 120):
        yield hour, lambda: begin("orphans", "find_orphaned_products")
        good = hour == 120
        yield hour + 1, lambda good=good: week.check("orphaned_products", "products_are_owned", passed=good)
        yield hour + 1.1, lambda: week.succeed(runs["orphans"], "orphaned_products")
        # Documents that are refused; in the second night one more.
        documents = {48: "AB", 72: "ABC"}.get(hour, "")
        yield hour + 2, lambda documents=documents: week.refused(*documents)
    # A receiver is dead, and the daemon too for a part of it: what came and went meanwhile, nobody hears.
    yield 75, lambda: setattr(week.receivers[1], "status", 500)
    yield 75.1, lambda: begin("pruning", "prune_runs")
    yield 78, lambda: week.fail(runs["pruning"])
    yield 84, lambda: week.succeed(week.run("prune_runs"), "installation")
    yield 92, lambda: setattr(week.receivers[1], "status", 200)
    yield 92.1, nothing
    # The same problem again is a new one.
    yield 145, lambda: week.fail(week.run(STOCK, "batch_0", **{ATTEMPT_TAG: "2"}))
    yield 146, week.start
    yield 150, lambda: week.succeed(week.run(STOCK, "batch_0"), "medusa_stock", "batch_0")
    yield 167, nothing


def test_a_week_of_failures_recoveries_and_restarts_is_reported_once_each(
    instance_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with webhook() as good, webhook() as dead, webhook() as slow:
        slow.seconds = SLOW_SECONDS
        monkeypatch.setattr(outbox, "WAIT_SECONDS", SLOW_SECONDS / 2)
        monkeypatch.setenv("ALERT_URLS", f"{good.url} {dead.url} {slow.url}")
        monkeypatch.setenv("EXPORT_BATCHES", "2")
        monkeypatch.setenv("RETRY_ATTEMPTS", "2")
        monkeypatch.setenv("RETRY_DELAY_SECONDS", "60")
        now = Now(monkeypatch)
        week = Week(instance_home, now, (good, dead, slow), monkeypatch)
        try:
            week.daemon.turn_on_sensor(RETRY_SENSOR)
            week.daemon.turn_on_sensor(ALERT_SENSOR)
            steps = sorted(plan(week), key=lambda step: step[0])
            for number, (hour, happens) in enumerate(steps):
                now.moment = BEGIN + timedelta(hours=hour)
                happens()
                if number % 6 == 0:
                    week.tick(lost=True)
                week.tick()
            week.drain()
        finally:
            week.close()
    print(*(f"{hour:6.1f} h  receiver {number}  {title}" for hour, number, title in week.log), sep="\n")
    assert [(round(hour), title) for hour, number, title in week.log if number == 1] == EXPECTED
    titles = [title for _, title in EXPECTED]
    assert sorted(slow.titles) == sorted(titles)
    assert sorted(dead.titles) == sorted(title for title in titles if DEAD not in title)
    for receiver in (dead, slow):
        for title in set(titles):
            order = [one for one in receiver.titles if one.removeprefix("Over: ") == title.removeprefix("Over: ")]
            assert order == [one for one in titles if one in order], "an end never comes before its beginning"
