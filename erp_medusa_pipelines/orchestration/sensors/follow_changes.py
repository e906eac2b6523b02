"""A sensor that brings changed items to the shop within a minute, between the nights.

What changed is found by sync/changes; the run is the job `sync_items`, the same that `erp-medusa sync` starts.

Everything that is known lies in the sensor's cursor: where the next question begins, the items that wait, and those of
the run at work. A run that fails, or that is lost, gives its items back, so nothing is forgotten whatever is killed.
While one run works the next changes are collected. Items whose batch is at work in another run wait for its end. More
items than CHANGES_AT_MOST are the batches' work: these are started instead.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice
from typing import Any

import dagster as dg
from pydantic import BaseModel

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import RateLimitedError
from erp_medusa_pipelines.orchestration import rate_limits, state
from erp_medusa_pipelines.orchestration.dagster_internals import MAX_RUNTIME_SECONDS_TAG
from erp_medusa_pipelines.orchestration.jobs import queue_tags, run_tags
from erp_medusa_pipelines.orchestration.partitions import batches_in_force
from erp_medusa_pipelines.orchestration.runs.failures import read_failure
from erp_medusa_pipelines.orchestration.runs.item_runs import MOST_ITEMS
from erp_medusa_pipelines.orchestration.runs.plan_jobs import SYNC_JOB
from erp_medusa_pipelines.orchestration.runs.work import busy_batches
from erp_medusa_pipelines.orchestration.schedules.frappe_scheduler import reason_left_to_frappe
from erp_medusa_pipelines.orchestration.schedules.gates import ask
from erp_medusa_pipelines.orchestration.shops import asset_key
from erp_medusa_pipelines.settings import Settings, load_settings
from erp_medusa_pipelines.sync.changes.concerned import (
    changed_texts,
    concerned_items,
    groups_changed,
    price_list_changed,
)
from erp_medusa_pipelines.sync.changes.feed import Changes, Position, read_changes
from erp_medusa_pipelines.sync.changes.translated import groups_have
from erp_medusa_pipelines.sync.changes.watched import Part
from erp_medusa_pipelines.sync.engine.batches import batch_of_name
from erp_medusa_pipelines.sync.engine.gate import Answer
from erp_medusa_pipelines.tasks import CHANGES_SENSOR, DEFAULT, EXPORT, LONG, Task, task_named

CHANGES_TAG = "erp_medusa_pipelines/changes"
"""Tag of a run that the sensor requested: its key."""

STATE_KEY = "changes"
PRICES = task_named("sync_missing_prices_to_medusa")
COLLECTIONS, CATEGORIES = "medusa_collections", "medusa_categories"
STOCK = task_named("update_webitem_stock")
TASK_OF = {"Bin": STOCK, "Batch": STOCK, "Sales Order": STOCK, "Item Price": PRICES, "Customer": PRICES}
"""DocTypes of which so many rows changed that batches are started: the task that does them. Others: the export."""
FOLLOWED = frozenset({EXPORT.name, PRICES.name, STOCK.name})
"""Tasks whose batches the sensor may start."""
LONGEST_REASON = 1000
LONGEST_REST = 900.0
"""Seconds between two tries of items that fail again and again."""


class Waiting(BaseModel):
    """What is to be done of a Website Item, and since when (seconds since 1970). `due` is when it may be tried."""

    parts: list[Part]
    since: float
    tries: int = 0
    due: float = 0.0

    def joined(self, other: "Waiting | None") -> "Waiting":
        """Return both as one."""
        if other is None:
            return self
        return Waiting(
            parts=sorted({*self.parts, *other.parts}),
            since=min(self.since, other.since),
            tries=min(self.tries, other.tries),
            due=min(self.due, other.due),
        )


class Memory(BaseModel):
    """The cursor. `batches` holds what is to be started whole, as `task/batch`, and since when."""

    positions: dict[str, Position] = {}
    items: dict[str, Waiting] = {}
    batches: dict[str, float] = {}
    groups: bool = False
    run: str = ""
    at_work: dict[str, Waiting] = {}
    was_new: bool = False
    """Whether the last run was of items that had not been tried before."""

    requested: int = 0
    reason: str = ""
    """Why the last run failed."""

    def wait_for(self, items: Mapping[str, Waiting]) -> None:
        """Add items to those that wait."""
        for name, waiting in items.items():
            self.items[name] = waiting.joined(self.items.get(name))

    @property
    def oldest(self) -> float | None:
        """When the oldest change was seen that is not in the shop yet."""
        sinces = [waiting.since for waiting in (*self.items.values(), *self.at_work.values())]
        return min([*sinces, *self.batches.values()], default=None)


def build_changes_sensor(jobs: Sequence[object], settings: Settings) -> dg.SensorDefinition:
    """Build the sensor. `jobs` are those that it may start."""

    @dg.sensor(
        name=CHANGES_SENSOR,
        jobs=jobs,  # pyright: ignore[reportArgumentType]  # asset jobs are resolved by Definitions
        minimum_interval_seconds=settings.changes_interval,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=(
            f"Asks ERPNext every {settings.changes_interval} s what changed and brings these items to Medusa: product,"
            " pictures, price or stock. What it cannot see, the night brings."
        ),
    )
    def follow_changes(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        tick = _Tick(context.instance, load_settings(), Memory.model_validate_json(context.cursor or "{}"))
        requests = tick.requests()
        cursor = tick.memory.model_dump_json()
        if requests:
            return dg.SensorResult(run_requests=requests, cursor=cursor)
        return dg.SensorResult(skip_reason=tick.why, cursor=cursor)

    return follow_changes


class _Tick:
    """One evaluation: what is at work, what is new, what can start."""

    def __init__(self, instance: dg.DagsterInstance, settings: Settings, memory: Memory) -> None:
        self.instance, self.settings, self.memory = instance, settings, memory
        self.now = _now().timestamp()
        self.batches = batches_in_force(settings)
        self.reasons: list[str] = []

    def requests(self) -> list[dg.RunRequest]:
        """Return the runs to start. Raises what the client raises, and TimeoutError where ERPNext does not answer."""
        self._settle()
        self._read()
        self._leave_many_to_batches()
        batches, items = self._batches_to_start(), self._items_to_start()
        found = [*self._batch_runs(batches), *self._collection_run(), *self._item_run(items)]
        turn = reason_left_to_frappe(EXPORT, self.instance, _now()) if found else ""
        if turn != "":
            self.reasons.append(turn or "ERPNext did not say in time whether Frappe's scheduler does the export")
            found = []
        if found:
            self._note_started(batches, items)
        self._keep_for_others()
        return found

    @property
    def why(self) -> str:
        """Why no run is started."""
        waiting = len(self.memory.items) + len(self.memory.batches)
        return "; ".join([*self.reasons, *([f"{waiting} wait"] if waiting else [])]) or "nothing changed"

    def _settle(self) -> None:
        """See how the run at work ended: the items of one that failed wait again, longer each time."""
        memory = self.memory
        if not memory.run:
            return
        runs = self.instance.get_runs(dg.RunsFilter(tags={CHANGES_TAG: memory.run}), limit=1)
        if runs and not runs[0].is_finished:
            self.reasons.append(f"run {runs[0].run_id[:8]} is at work")
            return
        if not (runs and runs[0].is_success):
            self._give_back(read_failure(self.instance, runs[0].run_id).reason if runs else "the run is gone")
        memory.run, memory.at_work = "", {}

    def _give_back(self, reason: str) -> None:
        self.memory.reason = reason[:LONGEST_REASON]
        again = {}
        for name, waiting in self.memory.at_work.items():
            pause = min(self.settings.changes_interval * 2.0**waiting.tries, LONGEST_REST)
            again[name] = waiting.model_copy(update={"tries": waiting.tries + 1, "due": self.now + pause})
        self.memory.wait_for(again)

    def _read(self) -> None:
        """Ask ERPNext what changed, and add it to what waits. Near its rate limit it is asked later."""
        memory, settings = self.memory, self.settings
        if resting := rate_limits.reason_to_rest(self.instance):
            self.reasons.append(resting)
            return
        if not memory.positions:
            self.reasons.append("from now on changes are followed; the night brings what changed before")
        answers: list[tuple[Changes, dict[str, frozenset[Part]], bool]] = []

        def question(erp: ErpNextClient, _settings: Settings, _memory: Mapping[str, Any]) -> Answer:
            languages = settings.languages.values()
            customers = settings.shows_own_prices
            changes = read_changes(erp, memory.positions, settings.changes_at_most, languages, customers=customers)
            texts = changed_texts(erp, changes.rows)
            items = concerned_items(erp, changes.rows, settings.variants, texts=texts)
            answers.append((changes, items, groups_changed(changes.rows) or groups_have(erp, texts)))
            return Answer(False)

        try:
            ask(CHANGES_SENSOR, question, settings, {}, self.instance)
        except RateLimitedError as error:
            self.reasons.append(str(error))
            return
        changes, items, groups = answers[-1]
        memory.positions = changes.positions
        memory.wait_for({name: Waiting(parts=sorted(parts), since=self.now) for name, parts in items.items()})
        memory.groups = memory.groups or groups
        if price_list_changed(changes.rows, settings.erpnext_price_list):
            self._wait_for_batches(PRICES)
        for doctype in changes.too_many:
            self._wait_for_batches(TASK_OF.get(doctype, EXPORT))
        if changes.hidden:
            self.reasons.append(f"not followed, for lack of a right to read: {', '.join(changes.hidden)}")
        self.reasons += [f"{doctype} is not followed: {reason}" for doctype, reason in changes.failed.items()]

    def _wait_for_batches(self, task: Task, batches: Iterable[str] = ()) -> None:
        for batch in batches or self.batches:
            self.memory.batches.setdefault(f"{task.name}/{batch}", self.now)

    def _leave_many_to_batches(self) -> None:
        """Where too many items wait, their batches are started instead."""
        items = self.memory.items
        if len(items) <= self.settings.changes_at_most:
            return
        self._wait_for_batches(EXPORT, {self._batch_of(name) for name in items})
        items.clear()

    def _batch_of(self, name: str) -> str:
        return batch_of_name(name, self.settings.export_batches)

    def _batches_to_start(self) -> list[tuple[Task, str]]:
        """Return those that no run works on. The export does what the others do, so it alone is started."""
        found = []
        waiting = [(task_named(key.split("/")[0]), key.split("/")[1]) for key in self.memory.batches]
        exported = {batch for task, batch in waiting if task is EXPORT}
        busy = busy_batches(self.instance, [batch for _, batch in waiting]) if waiting else frozenset()
        for task, batch in waiting:
            if batch in busy:
                self.reasons.append(f"{batch} is at work")
            elif task is EXPORT or batch not in exported:
                found.append((task, batch))
        return found

    def _items_to_start(self) -> dict[str, Waiting]:
        """Return items whose time has come and whose batch is free: new ones, or those to be tried again, in turns.

        What fails again and again must not block new changes, and where staff save all day, these not what a killed run
        gave back.
        """
        memory = self.memory
        if memory.run or not memory.items:
            return {}
        busy = busy_batches(self.instance, sorted({self._batch_of(name) for name in memory.items}))
        due = {
            name: waiting
            for name, waiting in memory.items.items()
            if waiting.due <= self.now and self._batch_of(name) not in busy
        }
        if busy:
            self.reasons.append(f"{', '.join(sorted(busy))} is at work")
        new = {name: waiting for name, waiting in due.items() if not waiting.tries}
        again = {name: waiting for name, waiting in due.items() if waiting.tries}
        chosen = again if again and (memory.was_new or not new) else new
        return dict(islice(chosen.items(), MOST_ITEMS))

    def _batch_runs(self, batches: Sequence[tuple[Task, str]]) -> Iterator[dg.RunRequest]:
        for task, batch in batches:
            key = f"{self.memory.requested}/{task.name}/{batch}"
            yield dg.RunRequest(job_name=task.name, partition_key=batch, run_key=key, tags=run_tags(task))

    def _collection_run(self) -> Iterator[dg.RunRequest]:
        if self.memory.groups:
            key = f"{self.memory.requested}/{COLLECTIONS}"
            names = [COLLECTIONS, CATEGORIES] if self.settings.categories != "off" else [COLLECTIONS]
            selection = [asset_key(name) for name in names]
            yield dg.RunRequest(job_name=EXPORT.name, asset_selection=selection, run_key=key, tags=run_tags(EXPORT))

    def _item_run(self, items: Mapping[str, Waiting]) -> Iterator[dg.RunRequest]:
        if items:
            parts = {name: [part.value for part in waiting.parts] for name, waiting in items.items()}
            tags = {
                **queue_tags(DEFAULT),
                MAX_RUNTIME_SECONDS_TAG: str(LONG.max_runtime),
                CHANGES_TAG: self._key(items),
            }
            config = {"ops": {"export_items": {"config": {"parts": parts}}}}
            yield dg.RunRequest(job_name=SYNC_JOB, run_key=self._key(items), run_config=config, tags=tags)

    def _key(self, items: Mapping[str, Waiting]) -> str:
        """Return the key of a run: the same for a tick that is evaluated again with the same items."""
        text = json.dumps({name: waiting.parts for name, waiting in items.items()}, sort_keys=True)
        return f"{self.memory.requested}-{sha256(text.encode()).hexdigest()[:16]}"

    def _note_started(self, batches: Sequence[tuple[Task, str]], items: Mapping[str, Waiting]) -> None:
        memory = self.memory
        started = {batch for task, batch in batches if task is EXPORT}
        done = {f"{task.name}/{batch}" for task, batch in batches}
        memory.batches = {
            key: since for key, since in memory.batches.items() if key not in done and key.split("/")[1] not in started
        }
        if items:
            memory.run, memory.at_work = self._key(items), dict(items)
            memory.was_new = not any(waiting.tries for waiting in items.values())
            memory.items = {name: waiting for name, waiting in memory.items.items() if name not in items}
        memory.groups = False
        memory.requested += 1

    def _keep_for_others(self) -> None:
        """Leave for metrics and alerts how long the oldest change has waited, where that has changed."""
        memory = self.memory
        oldest = memory.oldest
        waiting = {"oldest": oldest, "reason": memory.reason} if oldest else {}
        if waiting != state.load(self.instance, STATE_KEY):
            state.save(self.instance, STATE_KEY, waiting)
        if not oldest:
            memory.reason = ""


def changes_waiting(instance: dg.DagsterInstance) -> tuple[datetime, str] | None:
    """Return since when the oldest change waits that is not in the shop yet, and why the last try failed, if it did."""
    known = state.load(instance, STATE_KEY)
    return (datetime.fromtimestamp(known["oldest"], UTC), known["reason"]) if known else None


def _now() -> datetime:
    return datetime.now(UTC)
