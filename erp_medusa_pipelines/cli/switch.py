"""Taking the seven tasks over from Frappe's scheduler, and handing them back.

The `stopped` flag of Frappe's row decides which side runs a task (readiness/frappe_app.py), so the order is safe at
every point: our schedule is on before Frappe's row is stopped, and off only after the row is active again. A killed
switch leaves each task with exactly one side; the next command finishes or reverses it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Protocol

from erp_medusa_pipelines.readiness.frappe_app import CronTimes, FrappeJob, cron_line, first_due, grace, slots_around
from erp_medusa_pipelines.tasks import CHANGES_SENSOR, RETRY_SENSOR, Task

MARGIN = timedelta(seconds=5)
"""No switch this shortly before a scheduled time: both sides must see the switch before it."""

SECONDS_AWAY = "its next slot is seconds away"

TICK_GRACE = timedelta(minutes=3)
"""For this long after a scheduled time our daemon may still evaluate its tick."""


class Frappe(Protocol):
    """Frappe's side."""

    def jobs(self) -> Sequence[FrappeJob]: ...
    def now(self) -> datetime: ...
    def scheduler_is_on(self) -> bool: ...
    def is_going_on(self, job: FrappeJob) -> bool: ...
    def stop(self, job: FrappeJob) -> None: ...
    def start(self, job: FrappeJob, last_execution: datetime) -> None: ...


class Ours(Protocol):
    """Our side. `last_tick` is aware, or None; a dead daemon evaluates no ticks.

    `turn_sensor` returns whether there was something to turn.
    """

    def is_alive(self) -> bool: ...
    def is_on(self, task: str) -> bool: ...
    def turn(self, task: str, *, on: bool) -> None: ...
    def turn_sensor(self, name: str, *, on: bool) -> bool: ...
    def last_tick(self, task: str) -> datetime | None: ...
    def is_going_on(self, task: str) -> bool: ...


@dataclass(frozen=True)
class Event:
    """One step: `task`, and what happened. `done` is False if the task was not switched."""

    task: str
    what: str
    done: bool = True


@dataclass(frozen=True)
class Switch:
    """Both sides, the tasks in force, the clock, and how long to wait for a busy task."""

    frappe: Frappe
    ours: Ours
    tasks: Sequence[Task]
    zone: tzinfo
    """Of our schedules."""

    times: CronTimes
    sleep: Callable[[float], None]
    patience: timedelta = timedelta(minutes=3)

    # --- to us ------------------------------------------------------------------------------------------------

    def take_over(self) -> Iterator[Event]:
        """Turn our schedules on, whose ticks are skipped; then stop each of Frappe's rows between two executions."""
        for task in self.tasks:
            if not task.opt_in and not self.ours.is_on(task.name):
                self.ours.turn(task.name, on=True)
                yield Event(task.name, "schedule turned on")
        yield from self._one_by_one(lambda job: not job.stopped, self._frappe_is_busy, self._stop)
        if self.ours.turn_sensor(RETRY_SENSOR, on=True):
            yield Event("", f"sensor {RETRY_SENSOR} turned on")

    def _stop(self, job: FrappeJob) -> str:
        self.frappe.stop(job)
        return f"Frappe's {job.name} stopped"

    def _frappe_is_busy(self, job: FrappeJob) -> str:
        """Return why Frappe's job cannot be stopped now, or "" if it can."""
        if not self.frappe.scheduler_is_on():
            return ""
        now = self.frappe.now()
        _, following = slots_around(cron_line(job), now, self.times)
        if following - now < MARGIN:
            return "its next slot is seconds away"
        if self.frappe.is_going_on(job):
            return "Frappe is running it"
        due = first_due(job, now, self.times)
        # Frappe's scheduler is not running if the execution has been due for longer.
        if due <= now < due + grace(job):
            return f"Frappe has not yet run its slot of {due:%H:%M}"
        return ""

    # --- back -------------------------------------------------------------------------------------------------

    def hand_back(self, keep_stopped: frozenset[str] = frozenset()) -> Iterator[Event]:
        """Start Frappe's rows, which makes our ticks skip; then turn our schedules off.

        Frappe would catch up on missed executions, so each row's last execution is set to now. Rows of `keep_stopped`
        were stopped before the take-over, and stay stopped.
        """
        for sensor in (CHANGES_SENSOR, RETRY_SENSOR):
            if self.ours.turn_sensor(sensor, on=False):
                yield Event("", f"sensor {sensor} turned off")
        wanted = lambda job: job.stopped and job.name not in keep_stopped  # noqa: E731
        yield from self._one_by_one(wanted, self._we_are_busy, self._start)
        still_ours = {job.task for job in self.frappe.jobs() if wanted(job)}
        for task in self.tasks:
            if task.name not in still_ours and self.ours.is_on(task.name):
                self._wait_for_our_tick(task)
                self.ours.turn(task.name, on=False)
                yield Event(task.name, "schedule turned off")

    def _start(self, job: FrappeJob) -> str:
        self.frappe.start(job, self.frappe.now())
        return f"Frappe's {job.name} runs again"

    def _we_are_busy(self, job: FrappeJob) -> str:
        """Return why Frappe's job cannot be started now: our run is active, or our last tick is still to come."""
        task = next(task for task in self.tasks if task.name == job.task)
        now = self.frappe.now()
        _, following = slots_around(cron_line(job), now, self.times)
        if following - now < MARGIN:
            return SECONDS_AWAY
        if self.ours.is_going_on(task.name):
            return "our run is still going"
        return self._our_tick_is_near(task)

    def _our_tick_is_near(self, task: Task) -> str:
        """Return why our schedule cannot be turned off now: a tick is to come or being evaluated."""
        now = self.frappe.now()
        last, following = slots_around(task.cron, now.astimezone(self.zone), self.times)
        if following - now < MARGIN:
            return SECONDS_AWAY
        tick = self.ours.last_tick(task.name)
        awaited = self.ours.is_alive() and self.ours.is_on(task.name) and now - last < TICK_GRACE
        if awaited and (tick is None or tick < last):
            return f"our slot of {last:%H:%M} has not been evaluated yet"
        return ""

    def _wait_for_our_tick(self, task: Task) -> None:
        """Wait, but not for ever. The daemon turns a schedule on again that was turned off in the middle of a tick."""
        until = self.frappe.now() + self.patience
        while self._our_tick_is_near(task) and self.frappe.now() < until:
            self.sleep(1.0)

    # --- both -------------------------------------------------------------------------------------------------

    def _one_by_one(
        self, wanted: Callable[[FrappeJob], bool], busy: Callable[[FrappeJob], str], turn: Callable[[FrappeJob], str]
    ) -> Iterator[Event]:
        """Switch each row when it is not busy; one that stays busy is left unchanged and reported."""
        until = self.frappe.now() + self.patience
        reported: dict[str, str] = {}
        while True:
            waiting = [job for job in self.frappe.jobs() if wanted(job)]
            if not waiting:
                return
            reasons = {job.name: busy(job) for job in waiting}
            ready = [job for job in waiting if not reasons[job.name]]
            for job in ready:
                yield Event(job.task, turn(job))
            if len(ready) == len(waiting):
                continue  # Read again: the switch counts only if the row has changed.
            over = self.frappe.now() >= until
            for job in (job for job in waiting if reasons[job.name]):
                if over or reported.get(job.name) != reasons[job.name]:
                    reported[job.name] = reasons[job.name]
                    yield Event(job.task, ("left: " if over else "waiting: ") + reasons[job.name], done=False)
            if over:
                return
            self.sleep(1.0)
