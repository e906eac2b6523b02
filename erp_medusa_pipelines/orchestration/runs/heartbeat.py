"""A heartbeat of each run's process, so that a watcher can tell a dead one.

The heartbeat that a run's process writes to the instance's storage every few seconds, and the decision when a missing
one means a dead process.

The watcher measures with its own clock how long a heartbeat stays the same. So it needs neither the run's clock, host
nor process id, it works for any launcher, and a storage outage fails no run.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.runs.work import first_batch_of, tasks_of
from erp_medusa_pipelines.orchestration.shops import shop_of

SECONDS_BETWEEN_SIGNS = 10.0
PATIENCE_SECONDS = 60.0
"""Seconds for which a heartbeat may stay the same before its run counts as dead."""

LONGEST_BLINK_SECONDS = 45.0
"""Seconds. A watcher that did not look for longer than this was busy, or down, or without storage: nobody can tell."""

BLINK_COUNTS_SECONDS = 20.0
"""Seconds that such a time counts: a busy machine finds a dead run later, and after an outage a living one has time."""

LONGEST_ABSENCE_SECONDS = 300.0
"""Seconds. A watcher that did not look for longer than this starts watching anew."""

KEPT = timedelta(minutes=10)
EXIT_CODE = 75
"""EX_TEMPFAIL: try again later."""

_log = logging.getLogger(__name__)


def shows_signs(run: dg.DagsterRun) -> bool:
    """Return whether the run is one of ours: only those have a heartbeat."""
    return bool(tasks_of(run))


@contextmanager
def signs_of_life(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[None]:
    """Write a heartbeat every few seconds while the run's process works or waits.

    If the run was declared dead or ended meanwhile, the process exits at once, because another run may already be
    working on the same batch.
    """
    if instance.is_ephemeral or not shows_signs(run):
        yield
        return
    over = threading.Event()

    def beat() -> None:
        while not over.is_set():
            try:
                leave_sign(instance, run)
                current = instance.get_run_by_id(run.run_id)
                if current is not None and current.is_finished and not over.is_set():
                    _log.error("run %s was ended by somebody else: its process ends too", run.run_id)
                    os._exit(EXIT_CODE)
            # The storage is unavailable: the watcher cannot see any heartbeat now either.
            except Exception:  # noqa: BLE001
                _log.warning("run %s could not write its heartbeat", run.run_id, exc_info=True)
            over.wait(SECONDS_BETWEEN_SIGNS)

    thread = threading.Thread(target=beat, name="sign-of-life", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        # Joined only briefly: a hanging storage must not delay the run's end.
        thread.join(1.0)


def leave_sign(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Write the current time beside the heartbeats of runs of the same job and batch; drop old ones."""
    now = datetime.now(UTC)
    oldest = (now - KEPT).isoformat()
    others = {
        run_id: sign for run_id, sign in state.load(instance, _key(run), shop=shop_of(run)).items() if sign > oldest
    }
    state.save(instance, _key(run), {**others, run.run_id: now.isoformat()}, shop=shop_of(run))


def last_sign(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
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
        seen.silent += passed if passed <= LONGEST_BLINK_SECONDS else BLINK_COUNTS_SECONDS
        seen.looked = now
        return seen.silent

    def _forget_what_nobody_asks_about(self, now: float) -> None:
        self._runs = {key: seen for key, seen in self._runs.items() if now - seen.looked < KEPT.total_seconds()}
