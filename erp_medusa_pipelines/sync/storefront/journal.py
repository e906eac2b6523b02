"""Our own memory of mails: what became of each, kept outside of Medusa.

It is kept before and after every step, so
that a run which is killed leaves behind how far it came.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.sync.storefront.carts import NEVER, moment

READ_AT_ONCE = 500


class State(Enum):
    """How far one mail came."""

    NOTED = "noted"
    """About to be sent, and surely not handed over: another run may send it."""
    HANDED_OVER = "handed_over"
    """Nobody knows whether it went out."""
    SENT = "sent"
    REFUSED = "refused"
    """The mail server does not take it."""


class Values(Protocol):
    """A keyed store that outlives runs."""

    def load(self, keys: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
        """Return the values of those keys that have one."""
        ...

    def save(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep a value."""
        ...

    def below(self, prefix: str) -> list[str]:
        """Return the keys that begin so."""
        ...

    def delete(self, keys: Collection[str]) -> None:
        """Forget values."""
        ...


@dataclass(frozen=True)
class Entry:
    """What is remembered of one mail."""

    state: State
    at: datetime
    why: str = ""


class Journal:
    """Entries by what a mail was about, such as a cart's id."""

    def __init__(self, values: Values, kind: str) -> None:
        self._values = values
        self._kind = kind

    def entries(self, keys: Collection[str]) -> dict[str, Entry]:
        """Return what is remembered of these."""
        found = self._values.load([self._place(key) for key in keys]) if keys else {}
        return {place.removeprefix(self._place("")): _entry(value) for place, value in found.items()}

    def write(self, key: str, state: State, at: datetime, why: str = "") -> None:
        """Remember how far a mail came."""
        self._values.save(self._place(key), {"state": state.value, "at": at.isoformat(), "why": why})

    def keep_only(self, prefix: str) -> None:
        """Forget every entry whose key begins otherwise."""
        mine, kept = self._place(""), self._place(prefix)
        self._values.delete([place for place in self._values.below(mine) if not place.startswith(kept)])

    def older_than(self, at: datetime) -> set[str]:
        """Return the keys of entries that were last written before a time."""
        keys = [place.removeprefix(self._place("")) for place in self._values.below(self._place(""))]
        old: set[str] = set()
        for some in batched(keys, READ_AT_ONCE):
            old.update(key for key, entry in self.entries(some).items() if entry.at < at)
        return old

    def forget(self, keys: Collection[str]) -> None:
        """Forget these entries."""
        self._values.delete([self._place(key) for key in keys])

    def _place(self, key: str) -> str:
        return f"mail/{self._kind}/{key}"


def _entry(value: Mapping[str, Any]) -> Entry:
    known = {state.value: state for state in State}
    # A state that only a newer version knows: nobody here can tell whether it went out.
    state = known.get(str(value.get("state")), State.HANDED_OVER)
    return Entry(state, moment(value.get("at")) or NEVER, str(value.get("why") or ""))
