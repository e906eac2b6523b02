"""End a run's process when its time limit passes.

The timer. Dagster's run monitoring interrupts the main thread of a run that exceeds its limit and marks the run failed.
Threads of that process which wait for a server are not interrupted: they would wake up and write while the retry
already works on the same batch. So the process itself marks the run failed and exits before monitoring does. Monitoring
remains for processes that can no longer do so.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from erp_medusa_pipelines.orchestration.dagster_internals import (
    MAX_RUNTIME_SECONDS_TAG,
    get_current_timestamp,
    report_failed,
)

REPORT_SECONDS = 10.0
"""Seconds that the storage gets to record the failure. The process ends in any case."""

EXIT_CODE = 75
"""EX_TEMPFAIL: try again later."""


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
