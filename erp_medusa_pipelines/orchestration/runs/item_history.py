"""What the installation knows of one item: the last runs of its batch, and what is held back."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.checks.rejects import quarantine_key
from erp_medusa_pipelines.orchestration.jobs import BATCH_TAG
from erp_medusa_pipelines.orchestration.runs.work import DUPLICATE_OF_TAG, tasks_of
from erp_medusa_pipelines.orchestration.shops import shop_tags
from erp_medusa_pipelines.sync.engine.quarantine import Quarantine
from erp_medusa_pipelines.tasks import ALL_ASSETS, TASKS

NEWEST_RUNS = 200
"""Runs of one batch that are searched. Every run has its batch in a tag of ours, also a run of a backfill."""


@dataclass(frozen=True)
class LastRun:
    """The newest run of a task for the item's batch. `ended` is UTC in ISO form, "" while it is running."""

    task: str
    status: str
    ended: str
    run_id: str


@dataclass(frozen=True)
class HeldDocument:
    """A document of the item that was refused, and by which asset it is held back."""

    asset: str
    document: str
    reason: str


def last_runs(instance: dg.DagsterInstance, batch: str) -> list[LastRun]:
    """One for each task with batches whose run for this one is among the newest, in the order of TASKS.

    A start that was refused, because another run did its work already, is none.
    """
    newest: dict[str, LastRun] = {}
    for record in instance.get_run_records(dg.RunsFilter(tags={**shop_tags(), BATCH_TAG: batch}), limit=NEWEST_RUNS):
        run = record.dagster_run
        if run.tags.get(DUPLICATE_OF_TAG):
            continue
        ended = datetime.fromtimestamp(record.end_time, UTC) if record.end_time else None
        shown = ended.strftime("%Y-%m-%dT%H:%M:%SZ") if ended else ""
        for task in tasks_of(run):
            newest.setdefault(task.name, LastRun(task.name, run.status.value, shown, run.run_id))
    return [newest[task.name] for task in TASKS if task.name in newest]


def held_documents(instance: dg.DagsterInstance, batch: str, documents: Collection[str]) -> list[HeldDocument]:
    """Return which of these documents are held back."""
    found = []
    for asset in ALL_ASSETS:
        for part in (None, batch):
            quarantine = Quarantine.from_json(state.load(instance, quarantine_key(asset, part)))
            found += [
                HeldDocument(asset, name, held.reason) for name, held in quarantine.entries() if name in documents
            ]
    return found
