"""The resource through which assets reach the shop, and where a run keeps the lists that it reads whole."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import gethostname
from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from erp_medusa_pipelines.clients.reading import Reading, remove_old
from erp_medusa_pipelines.connections import Shop, open_shop
from erp_medusa_pipelines.orchestration.checks.installation import report_installation
from erp_medusa_pipelines.orchestration.dagster_internals import SCHEDULED_EXECUTION_TIME_TAG
from erp_medusa_pipelines.orchestration.runs.process import heartbeat, return_freed_memory
from erp_medusa_pipelines.orchestration.runs.work import ATTEMPT_TAG
from erp_medusa_pipelines.orchestration.schedules.frappe_scheduler import refuse_beside_frappe
from erp_medusa_pipelines.orchestration.shops import shop_name
from erp_medusa_pipelines.settings import Settings, load_settings
from erp_medusa_pipelines.tasks import TASKS


class ShopConnection(dg.ConfigurableResource):
    """Open the shop that the environment names. It holds no secret, and connects only in `open`.

    It exists for the whole run, so it also sends the run's heartbeat.
    """

    _run: dg.DagsterRun | None = PrivateAttr(default=None)
    _instance: dg.DagsterInstance | None = PrivateAttr(default=None)
    _turn_is_ours: bool = PrivateAttr(default=False)
    _facts: dict[str, Any] = PrivateAttr(default_factory=dict)
    _reading: Reading | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["ShopConnection"]:
        """Around the whole run."""
        self._run, self._instance = context.run, context.instance
        return_freed_memory()
        if context.instance is None or context.run is None:
            yield self
            return
        if not context.instance.is_ephemeral:
            # Runs report it as well as the sensors, which may be off where dagster.yaml is missing.
            report_installation(context.instance)
        try:
            with heartbeat(context.instance, context.run):
                yield self
        finally:
            if self._reading is not None:
                self._reading.close()

    @contextmanager
    def open(self) -> Iterator[Shop]:
        """Yield the clients, closed at the end; the history records their changes.

        Raises SettingsError, and PermanentError where Frappe's scheduler does the run's task.
        """
        # Imported late: SQLAlchemy, which a code location does not need to be loaded.
        from erp_medusa_pipelines.orchestration.history import History

        settings = load_settings()
        self._ask_whose_turn(settings)
        if self._reading is None and self._run is not None and self._instance is not None:
            self._reading = reading_of(self._run, self._instance, settings)
        given = {"facts": self._facts, "reading": self._reading}
        history = History.beside(self._instance) if self._instance and self._run else None
        if history is None or self._run is None:
            with open_shop(settings, **given) as shop:
                yield shop
            return
        log = history.log_of(self._run.run_id, settings.history_days)
        try:
            with open_shop(settings, record=log, **given) as shop:
                yield shop
        finally:
            log.flush()

    def _ask_whose_turn(self, settings: Settings) -> None:
        """Ask once in a run, before its first asset does anything."""
        record = self._instance.get_run_record_by_id(self._run.run_id) if self._instance and self._run else None
        if record and not self._turn_is_ours:
            refuse_beside_frappe(record, settings)
            self._turn_is_ours = True


FOLDER = "readings"
COMPARES_ALL = "medusa_product_updates"
"""The asset that compares the texts of all products."""


def reading_of(run: dg.DagsterRun, instance: dg.DagsterInstance, settings: Settings) -> Reading | None:
    """Return where this run keeps its lists; None where this process can write nowhere."""
    due = run.tags.get(SCHEDULED_EXECUTION_TIME_TAG) if not run.tags.get(ATTEMPT_TAG) else None
    root = _root(instance)
    if root is None:
        try:
            own = Path(tempfile.mkdtemp(prefix="erp_medusa_"))
        except OSError:
            return None
        return Reading(own, settings.export_batches, shared=False)
    remove_old(root)
    if not due:
        # Beside the others, so that what a killed run leaves is removed like theirs.
        return Reading(root / f"run-{run.run_id}", settings.export_batches, shared=False)
    # Other servers, and another number of batches, are another reading; and SQLite shares no file between machines.
    about = (gethostname(), shop_name(), settings.erpnext_url, settings.sandbox_dir, settings.export_batches, due)
    digest = hashlib.sha256(repr(about).encode()).hexdigest()[:16]
    with_texts = any(task.name == run.job_name and COMPARES_ALL in task.assets for task in TASKS)
    return Reading(root / digest, settings.export_batches, shared=True, with_texts=with_texts)


def _root(instance: dg.DagsterInstance) -> Path | None:
    """Return the folder beside Dagster's own storage, or None where this process can keep nothing there."""
    if instance.is_ephemeral:
        return None
    root = Path(instance.root_directory) / FOLDER
    try:
        root.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return None
    return root
