"""Documents that were rejected and have not changed since: they are not sent again.

Belongs here: the rule. Does not belong here: where the entries are kept between runs (orchestration/state.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Held:
    """Why a document is held back. `fingerprint` changes when anything that is sent of the document changes."""

    fingerprint: str
    reason: str
    field: str = ""


class Quarantine:
    """Held documents of one asset and batch, by name. `retry_all` lets an operator ask for every one of them."""

    def __init__(self, entries: Mapping[str, Held] | None = None, *, retry_all: bool = False) -> None:
        self._before = dict(entries or {})
        self._after: dict[str, Held] = {}
        self._retry_all = retry_all

    def held(self, name: str, fingerprint: str) -> Held | None:
        """The entry when the document must not be sent again; it stays held."""
        held = self._before.get(name)
        if held is None or held.fingerprint != fingerprint or self._retry_all:
            return None
        self._after[name] = held
        return held

    def put(self, name: str, held: Held) -> None:
        """Hold a document from now on."""
        self._after[name] = held

    def keep(self, name: str) -> None:
        """Leave an earlier entry as it is, for a document that this run did not come to."""
        if name in self._before:
            self._after.setdefault(name, self._before[name])

    def entries(self) -> list[tuple[str, Held]]:
        """What earlier runs held back."""
        return sorted(self._before.items())

    def fingerprints(self) -> dict[str, str]:
        """The state in which each document is held after this run."""
        return {name: held.fingerprint for name, held in sorted(self._after.items())}

    def to_json(self) -> dict[str, Any]:
        """What to keep for the next run: what was not met again in this run is forgotten."""
        return {name: [held.fingerprint, held.reason, held.field] for name, held in sorted(self._after.items())}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], *, retry_all: bool = False) -> "Quarantine":
        """The counterpart of `to_json`. What a newer version added to an entry is left out."""
        return cls({name: Held(*entry[:3]) for name, entry in data.items()}, retry_all=retry_all)
