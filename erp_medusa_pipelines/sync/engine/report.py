"""What one sync did: counts, rejects, what is left for a retry, and how write-backs to ERPNext ended."""

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from erp_medusa_pipelines.clients.erpnext_writes import WriteOutcome
from erp_medusa_pipelines.clients.failures import ApiError, TransientError
from erp_medusa_pipelines.sync.engine.stages import Breaker

ProgressListener = Callable[[int, int], None]
"""Called with (documents done, documents in all) after each chunk."""


@dataclass(frozen=True)
class Reject:
    """A document that fails until somebody changes it, or asks for another try."""

    doctype: str
    name: str
    reason: str
    field: str = ""
    held: bool = False
    """True when it was rejected by an earlier run and has not changed since: it was not sent again."""


FEW = 10
"""So many documents refused alike are that many bad documents."""

_PARTICULAR = re.compile(r"'[^']*'|\"[^\"]*\"|(?<!\S)[^\s\d]*+\d\S*")
"""What differs in the reasons of two documents that are refused alike: values, ids, codes, amounts."""

LONGEST_REASON = 1000
"""Characters. A reason may quote what a field holds."""


def refused_alike(rejects: Iterable[Reject], found: int, percent: int) -> list[tuple[str, int]]:
    """Return (the reason of the first, number) of rejects of one kind that are too many to be bad documents."""
    kinds: dict[tuple[str, str], list[Reject]] = {}
    for one in rejects:
        words = _PARTICULAR.sub("", one.reason.replace(one.name, ""))
        kinds.setdefault((one.field, words), []).append(one)
    many = (each for each in kinds.values() if len(each) > FEW and len(each) * 100 > found * percent)
    return [(each[0].reason, len(each)) for each in many]


@dataclass(frozen=True)
class Leftover:
    """A document that failed for a transient reason and is worth a retry."""

    doctype: str
    name: str
    reason: str


@dataclass
class SyncReport:
    """Collects what happened; `counts` keys are among: found, written, adopted, updated, unchanged, waiting."""

    counts: Counter[str] = field(default_factory=Counter)
    rejects: list[Reject] = field(default_factory=list)
    leftovers: list[Leftover] = field(default_factory=list)
    facts: dict[str, float | str] = field(default_factory=dict)
    """What a task tells beyond counts: ages, lags, a word about the server."""
    retry_after: float | None = None
    """Seconds that a server asked to be left alone, when that is longer than a run should sleep."""
    progress: ProgressListener | None = None
    _started: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _requests: Mapping[str, Callable[[], int]] = field(default_factory=dict)
    _finished: int = 0
    _expected: int | None = None
    _passed: int = 0

    def count(self, what: str, number: int = 1) -> None:
        """Add to one of the counts."""
        with self._lock:
            self.counts[what] += number

    def reject(self, reject: Reject) -> None:
        """Note a permanent refusal."""
        if len(reject.reason) > LONGEST_REASON:
            reject = replace(reject, reason=reject.reason[:LONGEST_REASON] + "...")
        with self._lock:
            self.rejects.append(reject)

    def defer(self, doctype: str, name: str, error: ApiError) -> None:
        """Note a transient failure: the run fails and the document is tried again."""
        with self._lock:
            self.leftovers.append(Leftover(doctype, name, error.reason))
            if error.retry_after is not None:
                self.retry_after = max(self.retry_after or 0.0, error.retry_after)

    def expect(self, total: int) -> None:
        """Report progress out of this many documents from now on, through `passed`.

        For a sync that knows what is found and written of each document only when it is its turn.
        """
        self._expected = total

    def passed(self, number: int) -> None:
        """Tell the listener that `number` more of the expected documents were processed."""
        with self._lock:
            self._passed += number
            passed, total = self._passed, self._expected
        if self.progress and total is not None:
            self.progress(passed, total)

    def advance(self, number: int) -> None:
        """Tell the listener that `number` more of those found are finished, however they ended."""
        if not number or self._expected is not None:
            return
        with self._lock:
            self._finished += number
            finished, total = self._finished, self.counts["found"]
        if self.progress:
            self.progress(finished, total)

    @property
    def seconds(self) -> float:
        """Return the seconds since the sync began."""
        return time.monotonic() - self._started


@dataclass(frozen=True)
class WriteBack:
    """Names of one kind of write-back: its DocType and field, its count, and the words before a refusal."""

    doctype: str
    field: str
    counted: str
    problem: str


def note_outcome(report: SyncReport, about: WriteBack, outcome: WriteOutcome, *, breaker: Breaker) -> dict[str, str]:
    """Count what was stored and leave transient failures for a retry. Returns {document: why it was refused}."""
    report.count(about.counted, len(outcome.written))
    passing: TransientError | None = None
    refused: dict[str, str] = {}
    for name, error in outcome.failed.items():
        if isinstance(error, TransientError):
            passing = error
            report.defer(about.doctype, name, error)
        else:
            refused[name] = f"{about.problem}: {error.reason}"
    if outcome.written:
        breaker.passed()
    if passing:
        breaker.failed(passing)
    return refused
