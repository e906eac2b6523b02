"""The past of an item: changes and refusals by document, the last runs of its batch, and what is held back.

Changes and refusals of every run are in a table beside Dagster's own, one row per document and field. It answers "who
changed this price, and when", which Dagster's metadata cannot: that is by asset and partition, not by document. Each
run first deletes old rows, so the table is bounded without a task.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.checks.rejects import quarantine_key
from erp_medusa_pipelines.orchestration.jobs import BATCH_TAG
from erp_medusa_pipelines.orchestration.runs.work import DUPLICATE_OF_TAG, tasks_of
from erp_medusa_pipelines.orchestration.shops import shop_name, shop_tags
from erp_medusa_pipelines.orchestration.state import storage_url
from erp_medusa_pipelines.plan.changes import Change, ChangeLog
from erp_medusa_pipelines.plan.rows import PlanRow, rows_of
from erp_medusa_pipelines.sync.engine.quarantine import Quarantine
from erp_medusa_pipelines.tasks import ALL_ASSETS, TASKS

log = logging.getLogger(__name__)

MOST_ROWS = 2_000_000
"""Rows, some 400 MB. Older ones are deleted first, even within HISTORY_DAYS."""

LONGEST_VALUE = 500
DOCUMENTS_PER_QUERY = 400


def table_of(shop: str | None) -> sa.Table:
    """The table of a shop: each has one of its own, because each has days and a number of rows of its own."""
    name = f"erp_medusa_changes_{shop}" if shop else "erp_medusa_changes"
    return sa.Table(
        name,
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.DateTime, nullable=False, index=True),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("system", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(140), nullable=False),
        sa.Column("document", sa.String(300), nullable=False, index=True),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("field", sa.String(300), nullable=False),
        sa.Column("old", sa.Text, nullable=False),
        sa.Column("new", sa.Text, nullable=False),
    )


@dataclass(frozen=True)
class Entry:
    """One field of one document that a run changed, or a refusal (action "refuse", the reason in `new`)."""

    at: str
    run_id: str
    row: PlanRow


class History:
    """The table of one shop in one instance."""

    def __init__(self, url: str, shop: str | None = None) -> None:
        wait = {"timeout": 30} if url.startswith("sqlite") else {}
        self._engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args=wait)
        self._table = table_of(shop)

    @classmethod
    def beside(cls, instance: dg.DagsterInstance) -> "History | None":
        """The history of this process's shop; None where the instance itself keeps nothing."""
        url = storage_url(instance)
        return cls(url, shop_name()) if url else None

    def log_of(self, run_id: str, keep_days: int) -> ChangeLog:
        """Return a log whose changes are stored for this run. A failing storage loses history, never the run."""

        def keep(changes: list[Change]) -> None:
            try:
                self.add(run_id, changes)
            except SQLAlchemyError as error:
                log.warning("%d changes are not in the history: %s", len(changes), error)

        try:
            self._table.create(self._engine, checkfirst=True)
            self.prune(datetime.now(UTC) - timedelta(days=keep_days))
        except SQLAlchemyError as error:
            log.warning("the history cannot be written: %s", error)
        return ChangeLog(keep)

    def add(self, run_id: str, changes: Iterable[Change]) -> None:
        """Store changes in one transaction."""
        now = datetime.now(UTC).replace(tzinfo=None)
        longest = {column.name: getattr(column.type, "length", None) or LONGEST_VALUE for column in self._table.columns}
        rows = [
            {"at": now, "run_id": run_id, **{name: text[: longest[name]] for name, text in asdict(row).items()}}
            for row in rows_of(changes)
        ]
        if rows:
            with self._engine.begin() as connection:
                connection.execute(sa.insert(self._table), rows)

    def prune(self, before: datetime, most: int = MOST_ROWS) -> int:
        """Delete older rows, and rows beyond `most`. Returns the number of deleted rows."""
        columns = self._table.c
        with self._engine.begin() as connection:
            newest = connection.execute(sa.select(sa.func.max(columns.id))).scalar() or 0
            old = sa.or_(columns.at < before.replace(tzinfo=None), columns.id <= newest - most)
            return connection.execute(sa.delete(self._table).where(old)).rowcount

    def of(self, documents: Sequence[str], *, limit: int = 200) -> list[Entry]:
        """Return the latest entries of these documents, newest first."""
        found: list[Any] = []
        if not sa.inspect(self._engine).has_table(self._table.name):
            return []
        with self._engine.connect() as connection:
            for start in range(0, len(documents), DOCUMENTS_PER_QUERY):
                some = documents[start : start + DOCUMENTS_PER_QUERY]
                own = sa.select(self._table).where(self._table.c.document.in_(some))
                found += connection.execute(own.order_by(self._table.c.id.desc()).limit(limit)).mappings()
        found.sort(key=lambda row: row["id"], reverse=True)
        return [_entry(row) for row in found[:limit]]


def _entry(row: Any) -> Entry:
    values = {each.name: row[each.name] for each in fields(PlanRow)}
    return Entry(row["at"].isoformat(timespec="seconds") + "Z", row["run_id"], PlanRow(**values))


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
