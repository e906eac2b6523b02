"""The resource through which assets reach the shop."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from erp_medusa_pipelines.clients.reading import Reading
from erp_medusa_pipelines.connections import Shop, open_shop
from erp_medusa_pipelines.orchestration.checks.installation import report_installation
from erp_medusa_pipelines.orchestration.runs.process import heartbeat, return_freed_memory
from erp_medusa_pipelines.orchestration.runs.readings import reading_of
from erp_medusa_pipelines.orchestration.schedules.frappe_scheduler import refuse_beside_frappe
from erp_medusa_pipelines.settings import Settings, load_settings


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
