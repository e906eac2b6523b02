"""Switching over, second by second: a Frappe scheduler and a Dagster daemon with a clock of the test's, and every kill.

At whatever time the switch starts, wherever it is killed, and whichever command follows, every slot of every task is
run exactly once.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from erp_medusa_pipelines.cli.switch import Switch
from erp_medusa_pipelines.orchestration.schedules.crontab import times_after
from erp_medusa_pipelines.readiness.frappe_app import FrappeJob, cron_line, first_due, reason_to_leave
from erp_medusa_pipelines.tasks import CHANGES_SENSOR, RETRY_SENSOR, TASKS, task_named

MUSCAT = ZoneInfo("Asia/Muscat")
SECOND = timedelta(seconds=1)
MINUTELY = ("send_quotation_emails", "expire_otps")
OF_THE_APP = [task for task in TASKS if task.in_app]
TAKEN = {task.name for task in TASKS if not task.opt_in}
"""Tasks whose schedules a take-over turns on: nobody gets mails that were not wanted."""
NIGHTLY = tuple(task.name for task in TASKS if task.cron == "0 1 * * *")


class KilledError(Exception):
    """The process of the command is gone."""


def rows(before: datetime) -> dict[str, FrappeJob]:
    """The app's rows as a site has them that ran for long."""
    last = f"{before:%Y-%m-%d %H:%M:%S}"
    made = {}
    for task in OF_THE_APP:
        long = task.name == "update_webitem_stock"
        frequency, cron = ("Daily Long", "") if long else ("Cron", task.cron)
        name = f"api.{task.name}"
        made[name] = FrappeJob(name, task.name, False, frequency, cron, last, "2025-01-01 00:00:00")
    return made


@dataclass
class World:
    """Both schedulers, and the calls of the command; each call takes a second, in which either may act."""

    now: datetime
    chance: random.Random
    calls_left: int | None = None
    """Calls that change something before the command is killed; None: never."""

    jobs: dict[str, FrappeJob] = field(default_factory=dict)
    on_since: dict[str, datetime] = field(default_factory=dict)
    ticks: dict[str, datetime] = field(default_factory=dict)
    sensors_on: set[str] = field(default_factory=lambda: {CHANGES_SENSOR})
    daemon_alive: bool = True
    done: list[tuple[str, datetime, str]] = field(default_factory=list)
    """(task, slot, by whom)."""

    _queued: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    _busy: dict[tuple[str, str], datetime] = field(default_factory=dict)
    _due: list[tuple[datetime, str, datetime]] = field(default_factory=list)
    _evaluated: list[tuple[datetime, str, datetime, datetime]] = field(default_factory=list)
    """Ticks that have begun: when each ends, its task and slot, and since when its schedule was on."""

    _phase: int = 0

    def __post_init__(self) -> None:
        self.jobs = rows(self.now - timedelta(seconds=1))
        # A job that Frappe starts after the next minute began eats that minute: its own doing, with us or without.
        self._phase = self.chance.randrange(50)

    # -- time --------------------------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            self.now += SECOND
            self._frappe()
            self._dagster()

    def _frappe(self) -> None:
        if self.now.second == self._phase:
            for job in self.jobs.values():
                due = first_due(job, self.now, times_after)
                if not job.stopped and due <= self.now and job.name not in self._queued:
                    self._queued[job.name] = (self.now + self.chance.randrange(8) * SECOND, due)
        for name, (at, due) in list(self._queued.items()):
            if self.now >= at:
                del self._queued[name]
                job = self.jobs[name]
                self.jobs[name] = replace(job, last_execution=f"{self.now:%Y-%m-%d %H:%M:%S}")
                self._busy["frappe", job.task] = self.now + self.chance.randrange(12) * SECOND
                self.done.append((job.task, due, "frappe"))

    def _dagster(self) -> None:
        for task in TASKS:
            # A schedule's slots count from when it was turned on; each is looked at somewhat later.
            if task.name in self.on_since and self.now.second == 0:
                slot = next(iter(times_after(task.cron, self.now - SECOND)))
                if slot == self.now:
                    self._due.append((self.now + self.chance.randrange(25) * SECOND, task.name, slot))
        for at, task, slot in list(self._due):
            if self.now < at:
                continue
            self._due.remove((at, task, slot))
            if task not in self.on_since:
                continue
            ends = self.now + self.chance.randrange(4) * SECOND
            self._evaluated.append((ends, task, slot, self.on_since[task]))
        for ends, task, slot, since in list(self._evaluated):
            if self.now < ends:
                continue
            self._evaluated.remove((ends, task, slot, since))
            # As Dagster's does: it stores the schedule as it was when the tick began.
            self.on_since.setdefault(task, since)
            self.ticks[task] = slot
            # Tasks that the app does not have are left to nobody.
            job = self.jobs.get(f"api.{task}")
            if job is None or not reason_to_leave(job, slot.replace(tzinfo=None), scheduler_on=True):
                self.done.append((task, slot, "ours"))
                self._busy["ours", task] = self.now + self.chance.randrange(12) * SECOND

    def _call(self, *, changes: bool) -> None:
        self.advance(1)
        if changes and self.calls_left is not None:
            if not self.calls_left:
                raise KilledError
            self.calls_left -= 1

    def is_busy(self, side: str, task: str) -> bool:
        return self.now < self._busy.get((side, task), self.now)


@dataclass
class FrappeSide:
    world: World

    def jobs(self) -> list[FrappeJob]:
        self.world._call(changes=False)
        return list(self.world.jobs.values())

    def now(self) -> datetime:
        return self.world.now

    def scheduler_is_on(self) -> bool:
        return True

    def is_going_on(self, job: FrappeJob) -> bool:
        return self.world.is_busy("frappe", job.task)

    def stop(self, job: FrappeJob) -> None:
        self.world._call(changes=True)
        self.world.jobs[job.name] = replace(self.world.jobs[job.name], stopped=True)

    def start(self, job: FrappeJob, last_execution: datetime) -> None:
        self.world._call(changes=True)
        last = f"{last_execution:%Y-%m-%d %H:%M:%S}"
        self.world.jobs[job.name] = replace(self.world.jobs[job.name], stopped=False, last_execution=last)


@dataclass
class OurSide:
    world: World

    def is_alive(self) -> bool:
        return self.world.daemon_alive

    def is_on(self, task: str) -> bool:
        return task in self.world.on_since

    def turn(self, task: str, *, on: bool) -> None:
        self.world._call(changes=True)
        if on:
            self.world.on_since[task] = self.world.now
        else:
            self.world.on_since.pop(task, None)

    def turn_sensor(self, name: str, *, on: bool) -> bool:
        self.world._call(changes=True)
        before = name in self.world.sensors_on
        (self.world.sensors_on.add if on else self.world.sensors_on.discard)(name)
        return before != on

    def last_tick(self, task: str) -> datetime | None:
        return self.world.ticks.get(task)

    def is_going_on(self, task: str) -> bool:
        return self.world.is_busy("ours", task)


def switch(world: World) -> Switch:
    patience = timedelta(minutes=20)
    return Switch(FrappeSide(world), OurSide(world), TASKS, MUSCAT, times_after, world.advance, patience)


def carry_out(world: World, way: str, kill_after: int | None = None) -> bool:
    """Whether the command came to its end."""
    world.calls_left = kill_after
    try:
        list(switch(world).take_over() if way == "take_over" else switch(world).hand_back())
    except KilledError:
        return False
    finally:
        world.calls_left = None
    return True


def slots(task: str, begin: datetime, end: datetime) -> Iterator[datetime]:
    cron = task_named(task).cron
    for slot in times_after(cron, begin):
        if slot > end:
            return
        yield slot


def assert_once(world: World, begin: datetime, end: datetime, tasks: tuple[str, ...]) -> None:
    counted = Counter((task, slot) for task, slot, _ in world.done)
    wrong = {
        (task, f"{slot:%H:%M}"): [who for name, at, who in world.done if (name, at) == (task, slot)]
        for task in tasks
        for slot in slots(task, begin, end)
        if counted[task, slot] != 1
    }
    assert not wrong


def scenario(seed: int, start: datetime, steps: Callable[[World], None]) -> tuple[World, datetime]:
    world = World(start, random.Random(seed))  # noqa: S311  # a reproducible test, no secret
    world.advance(90)
    begin = world.now
    steps(world)
    end = world.now
    world.advance(90)  # What was due is done by now.
    return world, begin if end > begin else start


AFTERNOON = datetime(2026, 3, 2, 14, 7, 13, tzinfo=MUSCAT)
CHANGES = len(TAKEN) + len(OF_THE_APP) + 1
"""Calls of one switch that change something."""


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("way_on", ["take_over", "hand_back"])
@pytest.mark.long
def test_minute_tasks_are_done_once_a_minute_wherever_a_take_over_is_killed(seed: int, way_on: str) -> None:
    for kill_after in range(CHANGES):

        def steps(world: World, kill_after: int = kill_after) -> None:
            assert not carry_out(world, "take_over", kill_after)
            world.advance(150)  # Half a switch, for minutes.
            assert carry_out(world, way_on)
            world.advance(90)

        world, begin = scenario(seed, AFTERNOON, steps)
        assert_once(world, begin, world.now - timedelta(seconds=90), MINUTELY)
        ours, frappe = way_on == "take_over", way_on == "hand_back"
        assert {job.stopped for job in world.jobs.values()} == {ours}
        assert set(world.on_since) == (TAKEN if ours else set())
        assert (RETRY_SENSOR in world.sensors_on) is not frappe
        assert (CHANGES_SENSOR in world.sensors_on) is not frappe


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.long
def test_minute_tasks_are_done_once_a_minute_wherever_a_hand_back_is_killed(seed: int) -> None:
    for kill_after in range(CHANGES):

        def steps(world: World, kill_after: int = kill_after) -> None:
            assert carry_out(world, "take_over")
            world.advance(130)
            assert not carry_out(world, "hand_back", kill_after)
            world.advance(150)
            assert carry_out(world, "hand_back")
            world.advance(90)

        world, begin = scenario(seed, AFTERNOON, steps)
        assert_once(world, begin, world.now - timedelta(seconds=90), MINUTELY)
        assert not world.on_since, "the daemon turned it on again at the end of a tick"


@pytest.mark.parametrize("second", range(5, 11))
def test_no_schedule_is_turned_off_while_its_tick_is_being_evaluated(second: int) -> None:
    """A hand-back was killed when all rows were Frappe's again: nothing else makes the next one wait."""
    world = World(AFTERNOON, random.Random(second))  # noqa: S311
    assert carry_out(world, "take_over")
    world.advance(130)
    assert not carry_out(world, "hand_back", 1 + len(OF_THE_APP))
    world.advance(60 - world.now.second + second)
    assert carry_out(world, "hand_back")
    world.advance(90)
    assert not world.on_since


@pytest.mark.parametrize("seconds", range(-95, 200, 35))
@pytest.mark.parametrize("way", ["take_over", "hand_back"])
@pytest.mark.long
def test_the_night_is_done_once_whenever_the_switch_comes(seconds: int, way: str) -> None:
    one_o_clock = datetime(2026, 3, 3, 1, 0, tzinfo=MUSCAT)

    def steps(world: World) -> None:
        if way == "hand_back":
            # Long before: the row says that Frappe last ran it a week ago, and it must not make up for that.
            assert carry_out(world, "take_over")
            aged = f"{world.now - timedelta(days=7):%Y-%m-%d %H:%M:%S}"
            world.jobs = {name: replace(job, last_execution=aged) for name, job in world.jobs.items()}
        world.advance((one_o_clock + timedelta(seconds=seconds) - world.now).total_seconds())
        assert carry_out(world, way)
        world.advance(400)

    world, begin = scenario(seconds, one_o_clock - timedelta(minutes=15), steps)
    assert_once(world, begin, world.now - timedelta(seconds=90), NIGHTLY + MINUTELY)
    nights = [slot for task, slot, _ in world.done if task in NIGHTLY and slot >= begin]
    assert set(nights) == {one_o_clock}, "slots of other nights were made up for"


def test_a_job_that_frappe_is_running_is_waited_for_and_then_left() -> None:
    world = World(AFTERNOON, random.Random(1))  # noqa: S311
    world._busy["frappe", "export_items_and_images_custom"] = AFTERNOON + timedelta(hours=2)
    impatient = replace(switch(world), patience=timedelta(minutes=2))
    events = list(impatient.take_over())
    left = [event for event in events if not event.done and event.what.startswith("left")]
    assert [event.task for event in left] == ["export_items_and_images_custom"]
    assert not world.jobs["api.export_items_and_images_custom"].stopped
    assert sum(job.stopped for job in world.jobs.values()) == len(OF_THE_APP) - 1


def test_a_scheduler_of_frappe_that_stands_still_is_not_waited_for() -> None:
    world = World(AFTERNOON, random.Random(1))  # noqa: S311
    hours_ago = f"{AFTERNOON - timedelta(hours=3):%Y-%m-%d %H:%M:%S}"
    world.jobs = {name: replace(job, last_execution=hours_ago) for name, job in world.jobs.items()}
    world._phase = -1  # It never looks.
    begin = world.now
    list(switch(world).take_over())
    assert all(job.stopped for job in world.jobs.values())
    assert world.now - begin < timedelta(minutes=1)


def test_a_daemon_that_is_dead_keeps_nobody_from_handing_back() -> None:
    world = World(AFTERNOON, random.Random(1))  # noqa: S311
    list(switch(world).take_over())
    world.daemon_alive = False
    begin = world.now
    list(switch(world).hand_back())
    assert not any(job.stopped for job in world.jobs.values())
    assert world.now - begin < timedelta(minutes=2)


def test_rows_that_were_stopped_before_stay_stopped_when_handed_back() -> None:
    world = World(AFTERNOON, random.Random(1))  # noqa: S311
    kept = "api.sync_missing_prices_to_medusa"
    world.jobs[kept] = replace(world.jobs[kept], stopped=True)
    list(switch(world).take_over())
    list(switch(world).hand_back(frozenset({kept})))
    assert [job.name for job in world.jobs.values() if job.stopped] == [kept]
    assert not world.on_since


def test_the_cron_line_of_a_frequency_is_frappes() -> None:
    assert cron_line(rows(AFTERNOON)["api.update_webitem_stock"]) == "0 0 * * *"
