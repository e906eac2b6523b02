"""A copy of an installation starts with everything off: its original may still be at work on the same shop.

The storage knows where it is; a back-up takes that along, wherever it is restored and by whatever program. An
installation whose database was moved looks the same, and is turned on again by hand. Webserver and daemon load this.
"""

import json
import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from erp_medusa_pipelines.orchestration.dagster_internals import cancel_what_waits, switched_on, turn_all_off
from erp_medusa_pipelines.orchestration.state import read_values, storage_place, write_values

KEY = "erp_medusa_pipelines/place"
"""Of the whole instance, also where several shops share it."""

CANCELED = "Not started: this installation is a copy of another one, which may do the work"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Copy:
    """What became of a copy when it was first started. `was_on` are schedules and sensors; `at` is ISO 8601, UTC."""

    at: str
    was_on: list[str]
    canceled: int

    def __str__(self) -> str:
        """Return a sentence for people."""
        ended = f", and {self.canceled} waiting runs and backfills were canceled" if self.canceled else ""
        return (
            "this is a copy of another installation, or its storage was moved: everything was turned off at"
            f" {self.at}{ended}"
        )

    @property
    def what_to_do(self) -> str:
        """Return how it becomes an installation of its own."""
        on = f" ({', '.join(self.was_on)})" if self.was_on else ""
        return f"only if it takes the original's place, turn on again what was on{on}"


def quiet_a_copy(instance: dg.DagsterInstance) -> None:
    """Turn everything off where the storage is a copy. Never raises: a storage that is down stops more than this."""
    try:
        _quiet_a_copy(instance)
    # The boundary: this is called wherever Dagster starts.
    except Exception:  # noqa: BLE001
        _log.warning("whether this installation is a copy is not known", exc_info=True)


def copy_of(instance: dg.DagsterInstance) -> Copy | None:
    """Return that the installation is a copy, until somebody turns something on."""
    kept = _kept(instance)
    return Copy(**kept["copy"]) if kept.get("copy") and not switched_on(instance) else None


def _quiet_a_copy(instance: dg.DagsterInstance) -> None:
    place, kept = storage_place(instance), _kept(instance)
    if place is None or kept.get("place") == place:
        return
    if kept:
        # Noted before anything is turned off: where that is interrupted, the next start continues from here.
        before = kept.get("copy") if kept.get("place") is None else None
        copy = Copy(_now(), _union(before["was_on"] if before else (), switched_on(instance)), 0)
        _keep(instance, None, copy)
        turn_all_off(instance)
        copy = Copy(copy.at, copy.was_on, cancel_what_waits(instance, CANCELED))
        _keep(instance, place, copy)
        _log.error("%s. To do: %s", copy, copy.what_to_do)
    else:
        _keep(instance, place, None)


def _union(first: Iterable[str], second: Iterable[str]) -> list[str]:
    return sorted({*first, *second})


def _kept(instance: dg.DagsterInstance) -> dict[str, Any]:
    return json.loads(read_values(instance, {KEY}).get(KEY) or "{}")


def _keep(instance: dg.DagsterInstance, place: str | None, copy: Copy | None) -> None:
    write_values(instance, {KEY: json.dumps({"place": place, "copy": copy and asdict(copy)})})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
