"""The last word of a run's time limit: the process ends.

Belongs here: the timer. Dagster's run monitoring ends a run that has gone on for too long by interrupting its main
thread and marks it failed. A thread that waits for a server inside such a process is not interrupted, would wake up
later and go on writing while the retry is already under way. So the run's own process ends itself a little later.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from dagster._core.storage.tags import MAX_RUNTIME_SECONDS_TAG
from dagster._time import get_current_timestamp

GRACE = 30.0
"""Seconds beyond the limit in which run monitoring should have done it."""

EXIT_CODE = 75
"""EX_TEMPFAIL: try again later."""


@contextmanager
def time_limit(context: dg.AssetExecutionContext) -> Iterator[None]:
    """End the process when the run's limit passes while the work goes on."""
    limit = context.run.tags.get(MAX_RUNTIME_SECONDS_TAG)
    record = context.instance.get_run_record_by_id(context.run.run_id)
    if not limit or record is None or record.start_time is None:
        yield
        return
    left = max(0.0, record.start_time + float(limit) - get_current_timestamp()) + GRACE
    timer = threading.Timer(left, os._exit, (EXIT_CODE,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
