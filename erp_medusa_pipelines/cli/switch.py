"""Taking the seven tasks over from Frappe's scheduler, and handing them back.

Belongs here: the order, and what is waited for. The `stopped` flag of Frappe's row decides whose turn it is
(readiness/turns.py), so the order makes every moment safe: our schedule is on before Frappe's row is stopped, and off
only after the row runs again. A switch that is killed leaves each task with exactly one side, and is finished, or taken
back, by the next command. Does not belong here: GraphQL, REST, and how progress is shown.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from erp_medusa_pipelines.readiness.frappe_app import FrappeJob
from erp_medusa_pipelines.readiness.turns import CronTimes, cron_line, first_due, grace, slots_around
from erp_medusa_pipelines.tasks import Task

MARGIN = timedelta(seconds=5)
"""No switch so shortly before a slot: both sides must see it before the slot comes."""

TICK_GRACE = timedelta(minutes=3)
"""So long after a slot our daemon may still evaluate it."""


class Frappe(Protocol):
    """Frappe's side."""

    def jobs(self) -> Sequence[FrappeJob]: ...
    def now(self) -> datetime: ...
    def scheduler_is_on(self) -> bool: ...
    def is_going_on(self, job: FrappeJob) -> bool: ...
    def stop(self, job: FrappeJob) -> None: ...
    def start(self, job: FrappeJob, last_execution: datetime) -> None: ...


class Ours(Protocol):
    """Our side. `last_tick` is aware, None where there was none; dead is a daemon that evaluates no tick."""

    def is_alive(self) -> bool: ...
    def is_on(self, task: str) -> bool: ...
    def turn(self, task: str, *, on: bool) -> None: ...
    def turn_retries(self, *, on: bool) -> None: ...
    def last_tick(self, task: str) -> datetime | None: ...
    def is_going_on(self, task: str) -> bool: ...


@dataclass(frozen=True)
class Event:
    """One thing that was done, or not: `task`, and what became of it. `done` is False where the task did not change."""

    task: str
    what: str
    done: bool = True


@dataclass(frozen=True)
class Switch:
    """Both sides, the tasks in force, how time passes, and for how long a task that is busy is waited for."""

    frappe: Frappe
    ours: Ours
    tasks: Sequence[Task]
    zone_of_ours: Callable[[datetime], datetime]
    """The same moment, in the zone of our schedules."""

    times: CronTimes
    sleep: Callable[[float], None]
    patience: timedelta = timedelta(minutes=3)

    # --- to us ------------------------------------------------------------------------------------------------

    def take_over(self) -> Iterator[Event]:
        """Our schedules on first, where their ticks are skipped; then Frappe's rows stop, each in a quiet moment."""
        for task in self.tasks:
            if not self.ours.is_on(task.name):
                self.ours.turn(task.name, on=True)
                yield Event(task.name, "schedule turned on")
        yield from self._one_by_one(lambda job: not job.stopped, self._frappe_is_busy, self._stop)
        self.ours.turn_retries(on=True)
        yield Event("", "sensor retry_failed_partitions turned on")

    def _stop(self, job: FrappeJob) -> str:
        self.frappe.stop(job)
        return f"Frappe's {job.name} stopped"

    def _frappe_is_busy(self, job: FrappeJob) -> str:
        """Why Frappe's job is not stopped right now; "" in a quiet moment."""
        if not self.frappe.scheduler_is_on():
            return ""
        now = self.frappe.now()
        _, following = slots_around(cron_line(job), now, self.times)
        if following - now < MARGIN:
            return "its next slot is seconds away"
        if self.frappe.is_going_on(job):
            return "Frappe is running it"
        due = first_due(job, now, self.times)
        # One that was missed for longer is not coming: Frappe's scheduler stands still.
        if due <= now < due + grace(job):
            return f"Frappe has not yet run its slot of {due:%H:%M}"
        return ""

    # --- back -------------------------------------------------------------------------------------------------

    def hand_back(self, keep_stopped: frozenset[str] = frozenset()) -> Iterator[Event]:
        """Frappe's rows start first, which makes our ticks skip; then our schedules go off.

        Frappe would make up for every slot since it was stopped, so each row is told that it ran just now. Rows of
        `keep_stopped` were stopped before we came, and stay so.
        """
        self.ours.turn_retries(on=False)
        yield Event("", "sensor retry_failed_partitions turned off")
        wanted = lambda job: job.stopped and job.name not in keep_stopped  # noqa: E731
        yield from self._one_by_one(wanted, self._we_are_busy, self._start)
        still_ours = {job.task for job in self.frappe.jobs() if wanted(job)}
        for task in self.tasks:
            if task.name not in still_ours and self.ours.is_on(task.name):
                self.ours.turn(task.name, on=False)
                yield Event(task.name, "schedule turned off")

    def _start(self, job: FrappeJob) -> str:
        self.frappe.start(job, self.frappe.now())
        return f"Frappe's {job.name} runs again"

    def _we_are_busy(self, job: FrappeJob) -> str:
        """Why Frappe's job is not started right now: our run goes on, or our tick of the last slot is still to come."""
        task = next(task for task in self.tasks if task.name == job.task)
        now = self.frappe.now()
        _, following = slots_around(cron_line(job), now, self.times)
        last, our_next = slots_around(task.cron, self.zone_of_ours(now), self.times)
        if following - now < MARGIN or our_next - now < MARGIN:
            return "its next slot is seconds away"
        if self.ours.is_going_on(task.name):
            return "our run goes on"
        tick = self.ours.last_tick(task.name)
        awaited = self.ours.is_alive() and self.ours.is_on(task.name) and now - last < TICK_GRACE
        if awaited and (tick is None or tick < last):
            return f"our slot of {last:%H:%M} has not been looked at yet"
        return ""

    # --- both -------------------------------------------------------------------------------------------------

    def _one_by_one(
        self, wanted: Callable[[FrappeJob], bool], busy: Callable[[FrappeJob], str], turn: Callable[[FrappeJob], str]
    ) -> Iterator[Event]:
        """Turn each row in a quiet moment; one that stays busy is left as it is, and told."""
        until = self.frappe.now() + self.patience
        told: dict[str, str] = {}
        while True:
            waiting = [job for job in self.frappe.jobs() if wanted(job)]
            if not waiting:
                return
            reasons = {job.name: busy(job) for job in waiting}
            ready = [job for job in waiting if not reasons[job.name]]
            for job in ready:
                yield Event(job.task, turn(job))
            if len(ready) == len(waiting):
                continue  # Read once more: that it was turned counts when the row says so.
            over = self.frappe.now() >= until
            for job in (job for job in waiting if reasons[job.name]):
                if over or told.get(job.name) != reasons[job.name]:
                    told[job.name] = reasons[job.name]
                    yield Event(job.task, ("left: " if over else "waiting: ") + reasons[job.name], done=False)
            if over:
                return
            self.sleep(1.0)
