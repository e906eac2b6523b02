"""The process of a run: the heartbeat by which a watcher finds a dead one, and its end at the time limit.

The watcher measures with its own clock how long a heartbeat stays the same. So it needs neither the run's clock, host
nor process id, it works for any launcher, and a storage outage fails no run. Dagster itself has no such check for its
default launcher: a run whose machine lost power would stay started until its time limit.

Dagster's run monitoring interrupts the main thread of a run that exceeds its limit and marks the run failed. Threads of
that process which wait for a server are not interrupted: they would wake up and write while the retry already works on
the same batch. So the process itself marks the run failed and exits before monitoring does. Monitoring remains for
processes that can no longer do so.
"""

import ctypes
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.dagster_internals import (
    MAX_RUNTIME_SECONDS_TAG,
    assign_overlooked_steps,
    get_current_timestamp,
    report_failed,
)
from erp_medusa_pipelines.orchestration.runs.work import first_batch_of, tasks_of
from erp_medusa_pipelines.orchestration.shops import shop_of

SECONDS_BETWEEN_HEARTBEATS = 10.0
PATIENCE_SECONDS = 60.0
"""Seconds for which a heartbeat may stay the same before its run counts as dead."""

LONGEST_GAP_SECONDS = 45.0
"""Seconds. A watcher that did not look for longer than this was busy, or down, or without storage: nobody can tell."""

GAP_COUNTS_SECONDS = 20.0
"""Seconds that such a time counts: a busy machine finds a dead run later, and after an outage a living one has time."""

LONGEST_ABSENCE_SECONDS = 300.0
"""Seconds. A watcher that did not look for longer than this starts watching anew."""

REPORT_SECONDS = 10.0
"""Seconds that the storage gets to record the failure. The process ends in any case."""

KEPT = timedelta(minutes=10)
EXIT_CODE = 75
"""EX_TEMPFAIL: try again later."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Options of glibc's mallopt (malloc.h)."""

_log = logging.getLogger(__name__)


@contextmanager
def time_limit(context: dg.AssetExecutionContext) -> Iterator[None]:
    """End the process if the run's limit passes before the work ends."""
    limit = context.run.tags.get(MAX_RUNTIME_SECONDS_TAG)
    record = context.instance.get_run_record_by_id(context.run.run_id)
    if not limit or record is None or record.start_time is None:
        yield
        return
    left = max(0.0, record.start_time + float(limit) - get_current_timestamp())
    timer = threading.Timer(left, _end, (context.instance, context.run, limit))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _end(instance: dg.DagsterInstance, run: dg.DagsterRun, limit: str) -> None:
    text = f"Exceeded maximum runtime of {limit} seconds: the process ends itself. What was written so far is kept."
    report = threading.Thread(target=report_failed, args=(instance, run, text), daemon=True)
    report.start()
    report.join(REPORT_SECONDS)
    os._exit(EXIT_CODE)


def return_freed_memory() -> None:
    """Have glibc return what this process frees, from 128 kB on. Without effect where there is no glibc.

    By itself it keeps room for the largest answers that were read so far, once for each thread that read some.
    """
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        for option, value in ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, 128 * 1024), (_M_TRIM_THRESHOLD, 128 * 1024)):
            libc.mallopt(option, value)


def has_heartbeat(run: dg.DagsterRun) -> bool:
    """Return whether the run is one of ours: only those have a heartbeat."""
    return bool(tasks_of(run))


@contextmanager
def heartbeat(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[None]:
    """Write a heartbeat every few seconds while the run's process works, and end a wait for a pool in vain.

    If the run was declared dead or ended meanwhile, the process exits at once, because another run may already be
    working on the same batch.
    """
    if instance.is_ephemeral or not has_heartbeat(run):
        yield
        return
    over = threading.Event()

    def beat() -> None:
        while not over.is_set():
            try:
                write_heartbeat(instance, run)
                current = instance.get_run_by_id(run.run_id)
                if current is not None and current.is_finished and not over.is_set():
                    _log.error("run %s was ended by somebody else: its process ends too", run.run_id)
                    os._exit(EXIT_CODE)
                for pool in assign_overlooked_steps(instance, run.run_id):
                    _log.warning("run %s waited for the pool %s although a slot was free", run.run_id, pool)
            # The storage is unavailable: the watcher cannot see any heartbeat now either.
            except Exception:  # noqa: BLE001
                _log.warning("run %s could not write its heartbeat", run.run_id, exc_info=True)
            over.wait(SECONDS_BETWEEN_HEARTBEATS)

    thread = threading.Thread(target=beat, name="sign-of-life", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        # Joined only briefly: a hanging storage must not delay the run's end.
        thread.join(1.0)


def write_heartbeat(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Write the current time beside the heartbeats of runs of the same job and batch; drop old ones."""
    now = datetime.now(UTC)
    oldest = (now - KEPT).isoformat()
    others = {
        run_id: sign for run_id, sign in state.load(instance, _key(run), shop=shop_of(run)).items() if sign > oldest
    }
    state.save(instance, _key(run), {**others, run.run_id: now.isoformat()}, shop=shop_of(run))


def last_heartbeat(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """Return the run's latest heartbeat, or None if it has not written one."""
    return state.load(instance, _key(run), shop=shop_of(run)).get(run.run_id)


def _key(run: dg.DagsterRun) -> str:
    # One key for all runs of a job and batch: keys are never deleted, so there must not be one per run.
    return f"signs_of_life/{run.job_name}/{first_batch_of(run) or ''}"


@dataclass
class _Watched:
    sign: Any
    looked: float
    silent: float = 0.0


class Watcher:
    """Remember each run's latest heartbeat, and since when it has been the latest."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._runs: dict[str, _Watched] = {}

    def silent_seconds(self, run_id: str, sign: str | None) -> float:
        """Return for how many seconds of watching this heartbeat has been the run's latest."""
        now = self._clock()
        self._forget_what_nobody_asks_about(now)
        seen = self._runs.get(run_id)
        if seen is None or seen.sign != sign or now - seen.looked > LONGEST_ABSENCE_SECONDS:
            seen = self._runs[run_id] = _Watched(sign, now)
        passed = now - seen.looked
        seen.silent += passed if passed <= LONGEST_GAP_SECONDS else GAP_COUNTS_SECONDS
        seen.looked = now
        return seen.silent

    def _forget_what_nobody_asks_about(self, now: float) -> None:
        self._runs = {key: seen for key, seen in self._runs.items() if now - seen.looked < KEPT.total_seconds()}
