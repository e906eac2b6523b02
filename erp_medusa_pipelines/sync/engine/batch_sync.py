"""What every sync of a batch has in common, whatever its documents are.

Reading documents in windows, noting rejects and leftovers, holding back what was rejected before, giving up on an
unavailable server, sending chunks.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import ClassVar, Protocol, TypeVar

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.erpnext_writes import WriteOutcome
from erp_medusa_pipelines.clients.failures import ApiError, PermanentError, TransientError, may_be_about_its_values
from erp_medusa_pipelines.clients.medusa import PRODUCTS_BATCH, MedusaClient
from erp_medusa_pipelines.clients.refusals import numbered_fields
from erp_medusa_pipelines.sync.engine.batches import WHOLE_SHOP, Batch
from erp_medusa_pipelines.sync.engine.delivery import MOST_BLOCKED, Resolution, deliver
from erp_medusa_pipelines.sync.engine.quarantine import Held, Lies, Quarantine
from erp_medusa_pipelines.sync.engine.report import Reject, SyncReport, WriteBack, note_outcome
from erp_medusa_pipelines.sync.engine.stages import Breaker


@dataclass(frozen=True)
class SyncOptions:
    """Sizes of the work: `window` items are read and compared at a time, `chunk` sent to Medusa per call."""

    window: int = 400
    chunk: int = 100
    chunk_bytes: int = 1_500_000
    parallel: int = 2


FIRST_WINDOW = 100
"""Items in the first window: small, so that Medusa has work while the next and larger one is read."""


class Sendable(Protocol):
    """The part of a call that belongs to one document."""

    @property
    def name(self) -> str:
        """The document's name."""
        ...

    @property
    def fingerprint(self) -> str:
        """Changes when anything that is sent of the document changes."""
        ...


S = TypeVar("S", bound=Sendable)
D = TypeVar("D")
"""A document as its reader gives it."""
T = TypeVar("T")
R = TypeVar("R")

LOOK_UP = "look-up"
"""Kind of a reject of a document that something in between lets nobody look up."""


@dataclass(frozen=True)
class BatchScope:
    """What one run of one asset works with: the servers, the batch, and where the outcome is noted."""

    erp: ErpNextClient
    medusa: MedusaClient
    batch: Batch
    quarantine: Quarantine
    report: SyncReport
    options: SyncOptions = field(default_factory=SyncOptions)


def whole_shop(scope: BatchScope) -> BatchScope:
    """Return the scope over all batches, with a report and a quarantine that are thrown away: to count only."""
    return replace(scope, batch=WHOLE_SHOP, quarantine=Quarantine(), report=SyncReport())


@dataclass
class BatchSync:
    """One run of one sync for one batch. Methods may be called from several threads.

    `doctype` is the DocType of the names in the report.
    """

    doctype: ClassVar[str]

    scope: BatchScope

    def __post_init__(self) -> None:
        self.erp = self.scope.erp
        self.medusa = self.scope.medusa
        self.batch = self.scope.batch
        self.quarantine = self.scope.quarantine
        self.report = self.scope.report
        self.options = self.scope.options
        self.erp_breaker = Breaker()
        self.medusa_breaker = Breaker()
        self._refused_look_ups = 0
        self._lock = threading.Lock()

    @property
    def outage(self) -> TransientError | None:
        """Why it makes no sense to continue. Without ERPNext nothing is created either: its ids could not be kept."""
        return self.medusa_breaker.error or self.erp_breaker.error

    def windows(self, names: Sequence[str], read: Callable[[Sequence[str]], list[D]]) -> Iterator[list[D]]:
        """What `read` finds for these names, window by window; what cannot be read is left for a retry."""
        remaining = iter(names)
        size = min(FIRST_WINDOW, self.options.window)
        while some := list(islice(remaining, size)):
            size = self.options.window
            if self.outage:
                self.defer(some, self.outage)
                continue
            for part, items in self.looked_up(some, read, str):
                self.erp_breaker.passed()
                # Those deleted meanwhile need nothing.
                self.report.advance(len(part) - len(items))
                yield items

    # --- look-ups that a firewall refuses -------------------------------------------------------------------------

    def looked_up(
        self,
        items: Sequence[T],
        look_up: Callable[[Sequence[T]], R],
        name_of: Callable[[T], str],
        *,
        refuse: Callable[[T, ApiError], None] | None = None,
        leave: Callable[[Sequence[T], TransientError], None] | None = None,
    ) -> Iterator[tuple[Sequence[T], R]]:
        """Yield what `look_up` says of these items: of all, or of parts where something refuses it for one of them.

        An item that is refused alone, while others get through, goes to `refuse` (by default it is rejected). Those
        that cannot be looked up now go to `leave` (by default they are left for a retry). Raises AccessError.
        """
        try:
            found = look_up(items)
        except ApiError as error:
            lets_through = self.lets_others_through(error)
            if lets_through and len(items) > 1:
                half = len(items) // 2
                for part in (items[:half], items[half:]):
                    yield from self.looked_up(part, look_up, name_of, refuse=refuse, leave=leave)
            elif lets_through:
                self._refused_look_ups += 1
                (refuse or self._reject_look_up(name_of))(items[0], error)
            elif isinstance(error, TransientError):
                (leave or self._leave_look_up(name_of))(items, error)
            else:
                raise
            return
        yield items, found

    def lets_others_through(self, error: ApiError) -> bool:
        """Return whether a read was refused for what it asks for, since a harmless one gets through."""
        if not may_be_about_its_values(error) or self._refused_look_ups >= MOST_BLOCKED:
            return False
        try:
            if error.service == self.erp.http.service:
                self.erp.ping()
            else:
                self.medusa.check_reading(error.where.removeprefix("GET "))
        except ApiError:
            return False
        return True

    def _reject_look_up(self, name_of: Callable[[T], str]) -> Callable[[T, ApiError], None]:
        def refuse(one: T, error: ApiError) -> None:
            self.reject(name_of(one), "", f"cannot be looked up: {error.reason}", lies=Lies.ELSEWHERE, kind=LOOK_UP)

        return refuse

    def _leave_look_up(self, name_of: Callable[[T], str]) -> Callable[[Sequence[T], TransientError], None]:
        def leave(items: Sequence[T], error: TransientError) -> None:
            self.failed(error)
            self.defer(map(name_of, items), error)

        return leave

    # --- documents that are held ----------------------------------------------------------------------------------

    def held(self, name: str, fingerprint: str, kind: str = "", *, doctype: str = "") -> bool:
        """Whether the document is held until it changes, and has not; it is reported again, not sent.

        Here and below, `doctype` is for a document of another DocType than the sync's own.
        """
        is_held = self.withheld(name, fingerprint, kind, doctype=doctype)
        if is_held:
            self.report.advance(1)
        return is_held

    def withheld(self, name: str, fingerprint: str, kind: str = "", *, doctype: str = "") -> bool:
        """Whether a part of a document is held; its other parts are still to be dealt with."""
        with self._lock:
            entry = self.quarantine.held(name, fingerprint, kind)
        if entry is not None:
            self.report.reject(Reject(doctype or self.doctype, name, entry.reason, entry.field, held=True))
        return entry is not None

    def reject(
        self,
        name: str,
        fingerprint: str,
        reason: str,
        about: str = "",
        *,
        lies: Lies,
        kind: str = "",
        doctype: str = "",
    ) -> None:
        """Note a permanent refusal: the document is held until it changes, or tried again by the next run."""
        self.withhold(name, fingerprint, reason, about, lies=lies, kind=kind, doctype=doctype)
        self.report.advance(1)

    def withhold(
        self,
        name: str,
        fingerprint: str,
        reason: str,
        about: str = "",
        *,
        lies: Lies,
        kind: str = "",
        doctype: str = "",
    ) -> None:
        """Note the refusal of a part of a document, whose other parts are still to be dealt with."""
        held = Held(fingerprint, reason, lies, about, kind)
        with self._lock:
            known = self.quarantine.knew(name, held)
            self.quarantine.put(name, held)
        self.report.reject(Reject(doctype or self.doctype, name, reason, about, held=known))

    def defer(self, names: Iterable[str], error: TransientError, *, doctype: str = "") -> None:
        """Note documents that failed for a transient reason."""
        left = list(names)
        with self._lock:
            for name in left:
                self.quarantine.keep(name)
        for name in left:
            self.report.defer(doctype or self.doctype, name, error)
        self.report.advance(len(left))

    def note_written(self, about: WriteBack, outcome: WriteOutcome) -> None:
        """Note the outcome of a write-back. Every run tries again what ERPNext refused: its checks look far around."""
        breaker = self.erp_breaker
        for name, reason in note_outcome(self.report, about, outcome, breaker=breaker).items():
            self.withhold(name, "", reason, about.field, lies=Lies.ELSEWHERE, kind=about.field)

    def send_chunk(
        self,
        chunk: Sequence[S],
        send: Callable[[Sequence[S]], None],
        *,
        lies: Callable[[ApiError], Lies],
        resolve: Callable[[PermanentError, Sequence[S]], Resolution[S] | None] | None = None,
        recover: Callable[[Sequence[S]], list[S]] | None = None,
        kind: Callable[[S], str] = lambda _one: "",
        route: str = PRODUCTS_BATCH,
    ) -> None:
        """Deliver a chunk to Medusa (see delivery.deliver) and note what did not go through.

        `lies` says of a refusal where its reason lies; `kind` tells apart what can be refused of one document.
        `route` is the batch route that `send` uses.
        """
        if self.outage:
            self.defer((one.name for one in chunk), self.outage)
            return
        delivery = deliver(
            chunk,
            send,
            resolve=resolve or named_by_index,
            recover=recover,
            check_way=partial(self.medusa.check_way, route),
        )
        if delivery.server_works:
            with self._lock:
                self.quarantine.server_took()
        for one, error in delivery.rejected:
            self.reject(one.name, one.fingerprint, error.reason, kind=kind(one), lies=lies(error))
        for one, error in delivery.failed:
            self.defer([one.name], error)
        for one, error in delivery.alone:
            self._failed_alone(one, kind(one), error)
        if delivery.server_down:
            self.failed(delivery.server_down)
        else:
            self.medusa_breaker.passed()

    def failed(self, error: TransientError) -> None:
        """Note that a call failed after all its attempts, at the server that it was sent to."""
        (self.erp_breaker if error.service == self.erp.http.service else self.medusa_breaker).failed(error)

    def _failed_alone(self, one: Sendable, kind: str, error: TransientError) -> None:
        """Note a document on which alone the server failed: a leftover at first, a reject after several runs."""
        reason = f"{error.service} fails on this document alone, in every run: {error.reason}"
        with self._lock:
            held = self.quarantine.failed(one.name, Held(one.fingerprint, reason, Lies.ELSEWHERE, kind=kind))
        if held.is_reject:
            self.report.reject(Reject(self.doctype, one.name, reason))
        else:
            self.report.defer(self.doctype, one.name, error)
        self.report.advance(1)


def named_by_index(error: PermanentError, group: Sequence[S]) -> Resolution[S] | None:
    """Items that Medusa's validation names by their number in the call, e.g. "Field 'create, 5, title' ..."."""
    named = {number: said for number, _path, said in numbered_fields(error.reason)}
    if not named or any(index >= len(group) for index in named):
        return None
    rejected = [
        (group[index], PermanentError(error.service, error.where, text, status=error.status))
        for index, text in named.items()
    ]
    return [one for index, one in enumerate(group) if index not in named], rejected
