"""The runs of a tick, each in a process, two at once, as the queue of an installation has them.

The processes are there before anything is measured: how long one takes to start is no part of a sync.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from erp_medusa_pipelines.clients.reading import Reading
from erp_medusa_pipelines.connections import Shop, open_shop
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.sync.engine.batches import Batch
from erp_medusa_pipelines.sync.engine.report import SyncReport

RUNS_AT_ONCE = 2
"""As the queue allows."""

Run = Callable[[Shop, Batch], SyncReport]
"""A run of one batch. It goes to another process, so it is a function of a module."""


@dataclass(frozen=True)
class Done:
    """What the runs of a tick did: counts of their reports, and requests to both servers."""

    counts: Counter[str]
    requests: int


class BatchRuns:
    """Runs of the batches of one shop."""

    def __init__(self, settings: Settings, pool: ProcessPoolExecutor) -> None:
        self._settings = settings
        self._pool = pool

    def tick(self, run: Run) -> Done:
        """Run all batches; they read together. Fails where something is left over."""
        with tempfile.TemporaryDirectory() as folder:
            one = partial(_run, self._settings, Path(folder), run)
            done = list(self._pool.map(one, range(self._settings.export_batches)))
        return Done(sum((each.counts for each in done), Counter()), sum(each.requests for each in done))


@contextmanager
def batch_runs(settings: Settings) -> Iterator[BatchRuns]:
    """Yield the runs, and end their processes."""
    with ProcessPoolExecutor(RUNS_AT_ONCE, mp_context=get_context("spawn")) as pool:
        yield BatchRuns(settings, pool)


def _run(settings: Settings, folder: Path, run: Run, index: int) -> Done:
    batches = settings.export_batches
    with open_shop(settings) as opened, closing(Reading(folder, batches, shared=True)) as reading:
        opened.erp.reading = opened.medusa.reading = reading
        report = run(opened, Batch(index, batches))
        assert not report.leftovers, report.leftovers[:3]
        return Done(Counter(report.counts), opened.requests_sent)
