"""The crontab in force: the rows of tasks.py with the cron lines that the operator set."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

from erp_medusa_pipelines.orchestration.dagster_internals import cron_string_iterator, is_valid_cron_string
from erp_medusa_pipelines.settings import Settings, SettingsError
from erp_medusa_pipelines.tasks import HOUSEKEEPING, TASKS, Task

EVERY_MINUTE = "* * * * *"

_WEEK, _YEAR = timedelta(days=8), timedelta(days=366)


def tasks_in_force(settings: Settings) -> tuple[Task, ...]:
    """Return the shop's tasks with their cron lines. Raises SettingsError naming SCHEDULES when one is wrong."""
    return _with_cron_lines(TASKS, settings)


def housekeeping_in_force(settings: Settings) -> tuple[Task, ...]:
    """Return the housekeeping tasks on Dagster's own storage with their cron lines."""
    return _with_cron_lines(HOUSEKEEPING, settings)


def _with_cron_lines(tasks: Iterable[Task], settings: Settings) -> tuple[Task, ...]:
    names = [task.name for task in (*TASKS, *HOUSEKEEPING)]
    for name, cron in settings.schedules.items():
        if name not in names:
            raise SettingsError(f"SCHEDULES: there is no task {name!r}. Tasks: {', '.join(names)}")
        if not is_valid_cron_string(cron):
            raise SettingsError(
                f"SCHEDULES ({name}): {cron!r} is not a cron line of five parts, such as '0 1 * * *' for 01:00 each day"
            )
    return tuple(replace(task, cron=settings.schedules.get(task.name, task.cron)) for task in tasks)


def times_after(cron: str, moment: datetime) -> Iterator[datetime]:
    """Yield the times of a cron line after a given time, in that time's zone."""
    for time in cron_string_iterator(moment.timestamp(), cron, str(moment.tzinfo)):
        if time > moment:
            yield time


@cache
def longest_gap(cron: str, zone: str) -> timedelta:
    """Return the longest time between two ticks: 25 hours for a nightly line in a zone with daylight saving time.

    Checks a year for lines that tick up to a few times a day, eight days for others.
    """
    if cron == EVERY_MINUTE:
        return timedelta(minutes=1)
    start = datetime(2025, 1, 1, tzinfo=UTC)
    gap, count, before = timedelta(), 0, None
    for tick in cron_string_iterator(start.timestamp(), cron, zone):
        if before is not None:
            # In UTC: Python subtracts two times of one zone by their wall clocks.
            gap = max(gap, tick.astimezone(UTC) - before.astimezone(UTC))
            count += 1
        before = tick
        seen = tick.astimezone(UTC) - start
        if count and (seen > _YEAR or (seen > _WEEK and count > 400)):
            break
    return gap
