"""Rejected documents: those that are not sent again until they change, and those that every run tries again."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from hashlib import blake2b
from typing import Any

from erp_medusa_pipelines.clients.failures import ApiError
from erp_medusa_pipelines.clients.refusals import fields_of_values

MOST_FAILURES = 3
"""So often a document fails alone, while the server takes others, before it counts as rejected."""

MOST_KEPT = 50_000
"""Entries kept of one asset and batch, some 2 MB. What is beyond is sent again by the next run."""

LONGEST_FINGERPRINT = 32
"""Characters. Longer ones are kept as a digest."""

FORMAT = 2
"""Of what is stored. Earlier ones took reasons for the document's own that may lie elsewhere: these are tried again."""


class Lies(Enum):
    """Where the reason of a refusal lies, which decides when the hold ends. Every hold must say it."""

    IN_THE_DOCUMENT = "in the document"
    """Nothing but a change of the document, which its fingerprint shows, can end it."""
    ELSEWHERE = "elsewhere"
    """In another document, a setting, a file on a disk, a proxy: it may have ended, so every run tries again."""


def lies_of(*own: str) -> Callable[[ApiError], Lies]:
    """Return what judges where the reason of a server's refusal lies, for documents whose fingerprint covers `own`.

    It lies elsewhere, unless its text is known to be about values, and each is the value of one of these fields. The
    others are a setting's or another document's, or a plugin of the shop asks for them.
    """

    def judge(error: ApiError) -> Lies:
        named = fields_of_values(error.reason) if error.status == 400 else frozenset[str]()
        return Lies.IN_THE_DOCUMENT if named and named <= {*own} else Lies.ELSEWHERE

    return judge


def lies_elsewhere(_error: ApiError) -> Lies:
    """For requests that hold nothing of the document which could be wrong."""
    return Lies.ELSEWHERE


@dataclass(frozen=True)
class Held:
    """Why a document is held back. The fingerprint changes when anything that is sent of the document changes."""

    fingerprint: str
    reason: str
    lies: Lies
    field: str = ""
    kind: str = ""
    """What was refused, where several things of one document can be: each is held by itself."""
    failures: int = 0
    """Runs in a row in which the server failed on this document alone; 0 for one that was refused."""
    vouched: bool = False
    """Whether the server took other documents in one of these runs. A server that takes nothing is itself at fault."""

    @property
    def is_reject(self) -> bool:
        """False while the server's failures on it may still be transient."""
        return self.failures == 0 or (self.failures >= MOST_FAILURES and self.vouched)


Key = tuple[str, str]
"""(document, kind)."""


class Quarantine:
    """Held documents of one asset and batch. `retry_all` lets an operator ask for every one of them."""

    def __init__(self, entries: Iterable[tuple[str, Held]] = (), *, retry_all: bool = False) -> None:
        self._before: dict[Key, Held] = {(name, held.kind): held for name, held in entries}
        self._kinds: dict[str, list[str]] = defaultdict(list)
        for name, kind in self._before:
            self._kinds[name].append(kind)
        self._after: dict[Key, Held] = {}
        self._met: set[str] = set()
        self._retry_all = retry_all
        self._server_works = False

    def server_took(self) -> None:
        """Note that the server took documents in this run."""
        self._server_works = True

    def held(self, name: str, fingerprint: str, kind: str = "") -> Held | None:
        """Return the entry if the document must not be sent again; it stays held."""
        self._met.add(name)
        held = self._before.get((name, kind))
        if held is None or held.lies is Lies.ELSEWHERE or self._retry_all or held.fingerprint != short(fingerprint):
            return None
        self._after[name, kind] = held
        return held

    def put(self, name: str, held: Held) -> None:
        """Hold a document from now on."""
        self._met.add(name)
        self._after[name, held.kind] = replace(held, fingerprint=short(held.fingerprint))

    def before(self, name: str, kind: str = "") -> Held | None:
        """Return the entry of an earlier run, whatever became of its reason."""
        return self._before.get((name, kind))

    def knew(self, name: str, held: Held) -> bool:
        """Return whether an earlier run held the document for the same reason."""
        before = self.before(name, held.kind)
        return before is not None and (before.fingerprint, before.reason) == (short(held.fingerprint), held.reason)

    def failed(self, name: str, held: Held) -> Held:
        """Note that the server failed on this document alone, and return the entry with the number of runs so far."""
        before = self._before.get((name, held.kind))
        same = before if before and before.fingerprint == short(held.fingerprint) else None
        vouched = self._server_works or (same is not None and same.vouched)
        counted = replace(held, failures=(same.failures if same else 0) + 1, vouched=vouched)
        self.put(name, counted)
        return counted

    def keep(self, name: str) -> None:
        """Keep earlier entries of a document that this run did not reach."""
        for kind in self._kinds.get(name, ()):
            self._after.setdefault((name, kind), self._before[name, kind])

    def keep_unmet(self) -> None:
        """Keep the earlier entries of every document outside this run, which was about a few items only."""
        for name in self._kinds.keys() - self._met:
            self.keep(name)

    def entries(self) -> list[tuple[str, Held]]:
        """Return what earlier runs held back."""
        return [(name, held) for (name, _), held in sorted(self._before.items()) if held.is_reject]

    def fingerprints(self) -> dict[str, str]:
        """Return the fingerprint with which each document is held after this run."""
        return {name: held.fingerprint for (name, _), held in sorted(self._after.items())}

    @property
    def beyond(self) -> int:
        """Return the number of entries of this run beyond the limit, which are not stored."""
        return max(0, len(self._after) - MOST_KEPT)

    def to_json(self) -> dict[str, Any]:
        """Return what to store for the next run. Entries that this run did not meet again are dropped.

        Many documents are refused for the same reason, so each reason is written once.
        """
        reasons: dict[str, int] = {}
        rows = [
            [name, kind, held.fingerprint, reasons.setdefault(held.reason, len(reasons)), held.field]
            + [held.lies is Lies.ELSEWHERE]
            + ([held.failures, held.vouched or self._server_works] if held.failures else [])
            for (name, kind), held in sorted(self._after.items())[:MOST_KEPT]
        ]
        return {"format": FORMAT, "reasons": list(reasons), "held": rows} if rows else {}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], *, retry_all: bool = False) -> "Quarantine":
        """Load what `to_json` returned. Values that a newer version added to an entry are ignored."""
        reasons = data.get("reasons") or []
        lies = {True: Lies.ELSEWHERE, False: Lies.IN_THE_DOCUMENT}
        is_old = data.get("format") != FORMAT
        entries = [
            (name, Held(fingerprint, reasons[reason], lies[is_old or bool(elsewhere)], field, kind, *more[:2]))
            for name, kind, fingerprint, reason, field, elsewhere, *more in data.get("held") or []
        ]
        return cls(entries, retry_all=retry_all)


def short(fingerprint: str) -> str:
    """Shorten a fingerprint to the form that is stored and compared."""
    if len(fingerprint) <= LONGEST_FINGERPRINT:
        return fingerprint
    return blake2b(fingerprint.encode("utf-8"), digest_size=8).hexdigest()
