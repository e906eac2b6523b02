"""What every take-over and hand-back did, kept in the installation's storage.

Safety does not depend on it: Frappe's rows decide which side runs a task. It tells which rows were stopped before the
take-over, so that a hand-back leaves those stopped. The home may be read-only, as in the image, so nothing is written
there.
"""

import json
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erp_medusa_pipelines.readiness.frappe_app import METHODS, FrappeJob

if TYPE_CHECKING:
    import dagster as dg

KEY = "switches"
ENTRIES_KEPT = 1000
"""Some thirty switches."""

EARLIER_FILE = "erp-medusa-switch.jsonl"
"""In DAGSTER_HOME, where earlier versions kept it."""


class Journal:
    """The entries, oldest first. Without an `instance`, as where Dagster is gone, nothing is known and nothing kept."""

    def __init__(self, instance: "dg.DagsterInstance | None") -> None:
        self._instance = instance
        self._entries: list[dict[str, Any]] = []
        if instance is not None:
            # Imported late: Dagster takes seconds to load.
            from erp_medusa_pipelines.orchestration import state

            self._entries = state.load(instance, KEY).get("entries") or list(_earlier())

    def note(self, **entry: object) -> None:
        """Add an entry; it is stored at once."""
        self._entries.append({"at": datetime.now(UTC).isoformat(timespec="seconds"), **entry})
        if self._instance is not None:
            from erp_medusa_pipelines.orchestration import state

            state.save(self._instance, KEY, {"entries": self._entries[-ENTRIES_KEPT:]})

    def begin_take_over(self, jobs: Sequence[FrappeJob]) -> None:
        """Record which rows are stopped already, unless an unfinished take-over stopped some of them itself."""
        if not self._in_our_hands():
            self.note(event="take-over", stopped_before=sorted(job.name for job in jobs if job.stopped))

    def stopped_before(self) -> frozenset[str]:
        """Return rows that were stopped before the take-over in force; empty without a journal."""
        names: list[str] = []
        for entry in self._entries:
            if entry.get("event") == "take-over":
                names = entry["stopped_before"]
        # All were stopped: the app never ran here, and handing back means that it should.
        return frozenset(names) if len(names) < len(METHODS) else frozenset()

    def _in_our_hands(self) -> bool:
        events = [entry.get("event") for entry in self._entries if entry.get("event") in ("take-over", "handed back")]
        return bool(events) and events[-1] == "take-over"


def _earlier() -> Iterator[dict[str, Any]]:
    """Yield the complete lines of an earlier version's file; one that was cut off is ignored."""
    file = Path(os.environ.get("DAGSTER_HOME") or ".") / EARLIER_FILE
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        try:
            yield json.loads(line)
        except ValueError:
            continue
