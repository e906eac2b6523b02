"""Sending many items in one all-or-nothing call, and still losing only the bad ones.

One bad item among n costs at most 2*log2(n) calls more than none; usually one, since servers mostly name it.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from erp_medusa_pipelines.clients.failures import (
    AccessError,
    ApiError,
    ForeignAnswerError,
    PayloadTooLargeError,
    PermanentError,
    TransientError,
    is_blocked,
)

T = TypeVar("T")

ENOUGH_ALONE = 2
"""Items that the server failed on alone, and took nothing else, before the server is doubted; not for a few items."""

MOST_BLOCKED = 20
"""Items that something in between refused one by one, and let nothing else through, before the way is doubted."""

Resolution = tuple[list[T], list[tuple[T, PermanentError]]]
"""(items to send again, items rejected with why). Fewer items than before, or changed ones: never the same again."""


@dataclass
class Delivery(Generic[T]):
    """The items that were not delivered, and why."""

    rejected: list[tuple[T, ApiError]] = field(default_factory=list)
    failed: list[tuple[T, TransientError]] = field(default_factory=list)
    alone: list[tuple[T, TransientError]] = field(default_factory=list)
    """Items on which alone the server failed inside: either may be at fault. They are not among `failed`."""
    server_down: TransientError | None = None
    """Set when the server could not be reached at all, or failed on everything that was sent."""
    server_works: bool = False
    """Whether the server took anything: then what it failed on alone may be at fault itself."""


def deliver(
    items: Sequence[T],
    send: Callable[[Sequence[T]], None],
    *,
    resolve: Callable[[PermanentError, Sequence[T]], Resolution[T] | None] | None = None,
    recover: Callable[[Sequence[T]], list[T]] | None = None,
    check_way: Callable[[], None] | None = None,
) -> Delivery[T]:
    """Send `items` with as few calls as it takes and tell which ones did not go through.

    `send` delivers a group, all or nothing, or raises ApiError.
    `resolve` may know from a refusal which items are bad, or settle some itself; None means that it cannot tell.
    `recover` is asked after a lost answer which items are still to be sent: the call may have been carried out.
    Without it `send` must be safe to repeat.
    `check_way` sends a harmless request on the same way and raises ApiError when it does not get through. It tells a
    firewall that refuses one item from one that refuses everything, and so for a missing right. Without it, only what
    else got through can tell. An AccessError about the key, or about everything, is raised.
    """
    return _Sender(send, resolve, recover, check_way).run(list(items))


class _Sender(Generic[T]):
    def __init__(
        self,
        send: Callable[[Sequence[T]], None],
        resolve: Callable[[PermanentError, Sequence[T]], Resolution[T] | None] | None,
        recover: Callable[[Sequence[T]], list[T]] | None,
        check_way: Callable[[], None] | None,
    ) -> None:
        self._send = send
        self._resolve = resolve
        self._recover = recover
        self._check_way = check_way
        self._delivery: Delivery[T] = Delivery()
        self._items: list[T] = []
        self._probe: T | None = None
        self._blocked: list[tuple[T, ApiError]] = []
        self._fails_on_all: TransientError | None = None

    def run(self, items: list[T]) -> Delivery[T]:
        self._items = items
        if items:
            self._group(items, recovered=False)
        self._judge_blocked()
        if self._fails_on_all:
            # What was noted of single items before the server was doubted is not about them.
            self._delivery.failed += self._delivery.alone
            self._delivery.alone = []
        return self._delivery

    def _group(self, group: list[T], *, recovered: bool) -> bool:
        """Send a group; True when all of it went through in one call."""
        if self._probe is not None:
            group = [item for item in group if item is not self._probe]
        if not group:
            return True
        if self._fails_on_all:
            self._put_off(group, self._fails_on_all)
            return False
        try:
            self._send(group)
        except ApiError as error:
            self._not_taken(group, error, recovered=recovered)
            return False
        self._delivery.server_works = True
        return True

    def _not_taken(self, group: list[T], error: ApiError, *, recovered: bool) -> None:
        if is_blocked(error):
            self._stopped(group, error)
        elif isinstance(error, AccessError):
            raise error
        elif isinstance(error, TransientError):
            self._interrupted(group, error, recovered=recovered)
        elif isinstance(error, PayloadTooLargeError):
            if len(group) == 1:
                self._delivery.rejected.append((group[0], error))
            else:
                self._halves(group)
        elif isinstance(error, PermanentError):
            self._refused(group, error)

    # --- refused by the server ------------------------------------------------------------------------------------

    def _refused(self, group: list[T], error: PermanentError) -> None:
        """Handle a group that holds a bad item which `error` describes."""
        try:
            settled = self._resolve(error, group) if self._resolve else None
        except TransientError as lookup_error:
            self._not_looked_up(group, lookup_error)
            return
        if settled is not None:
            remaining, rejected = settled
            self._delivery.rejected += rejected
            if remaining:
                self._group(remaining, recovered=False)
            return
        self._split(group, error)

    def _not_looked_up(self, group: list[T], error: TransientError) -> None:
        """Handle a refused group of which a look-up failed. A firewall may have refused that for one item's value."""
        if not isinstance(error, ForeignAnswerError) or self._check_way is None:
            self._put_off(group, error)
        elif self._is_closed(group, error):
            return
        elif len(group) > 1:
            self._halves(group)
        else:
            self._delivery.rejected.append((group[0], error))

    def _split(self, group: list[T], error: ApiError) -> None:
        """Split a refused group in two and send both parts."""
        if len(group) == 1:
            self._reject(group[0], error)
            return
        half = len(group) // 2
        first, second = group[:half], group[half:]
        if self._group(first, recovered=False) and len(second) > 1:
            # The first half went through, so what was refused is in the second: no need to ask again for the whole.
            self._split(second, error)
        else:
            # An item is rejected only for what was said of it alone: others may have been meant.
            self._group(second, recovered=False)

    def _reject(self, item: T, error: ApiError) -> None:
        if is_blocked(error):
            self._blocked.append((item, error))
        else:
            self._delivery.rejected.append((item, error))

    # --- refused before the server, or before it looked -----------------------------------------------------------

    def _stopped(self, group: list[T], error: ApiError) -> None:
        """Handle a group that something else refused, or a missing right: for one of its items, or for any."""
        remaining = self._still_to_send(group, error)
        if not remaining or self._is_closed(remaining, error):
            return
        if len(remaining) == 1:
            self._reject(remaining[0], error)
            if len(self._blocked) >= MOST_BLOCKED and not self._delivery.server_works:
                self._fails_on_all = _as_transient(error)
        elif len(remaining) < len(group):
            self._group(remaining, recovered=True)
        else:
            self._split(remaining, error)

    def _is_closed(self, group: list[T], error: ApiError) -> bool:
        """Put off the group when nothing gets through. Raises AccessError when the key may do nothing here."""
        if self._check_way is None:
            return False
        try:
            self._check_way()
        except ApiError as closed:
            if isinstance(closed, AccessError):
                raise
            self._fails_on_all = _as_transient(closed)
            self._put_off(group, _as_transient(error))
            return True
        return False

    def _judge_blocked(self) -> None:
        """Reject items that were refused in between while others, or a harmless request, got through."""
        let_through = self._delivery.server_works or (self._check_way is not None and not self._fails_on_all)
        for item, error in self._blocked:
            if let_through and not self._fails_on_all:
                self._delivery.rejected.append((item, error))
            elif isinstance(error, AccessError):
                raise error
            else:
                self._put_off([item], _as_transient(error))

    # --- without an answer, or failed inside the server -----------------------------------------------------------

    def _interrupted(self, group: list[T], error: TransientError, *, recovered: bool) -> None:
        remaining = self._still_to_send(group, error)
        if not remaining:
            return
        if error.status == 500 and len(group) > 1:
            # The server answered, and failed on what it was given: maybe on one item only.
            self._halves(remaining) if len(remaining) > 1 else self._group(remaining, recovered=True)
        elif error.status == 500:
            self._failed_alone(remaining[0], error)
        elif error.ambiguous and not recovered:
            self._group(remaining, recovered=True)
        else:
            self._put_off(remaining, error)

    def _still_to_send(self, group: list[T], error: ApiError) -> list[T]:
        """Return what of a group was not carried out. When that cannot be found out, the group is put off: []."""
        if not (error.ambiguous and self._recover):
            return group
        try:
            return self._recover(group)
        except TransientError as lookup_error:
            self._put_off(group, lookup_error)
            return []

    def _halves(self, group: list[T]) -> None:
        half = len(group) // 2
        self._group(group[:half], recovered=False)
        self._group(group[half:], recovered=False)

    def _put_off(self, group: Iterable[T], error: TransientError) -> None:
        self._delivery.failed += [(item, error) for item in group]
        self._delivery.server_down = error

    def _failed_alone(self, item: T, error: TransientError) -> None:
        """After two items failed alone, send one from the other end to see whether the server fails on everything."""
        self._delivery.alone.append((item, error))
        few = len(self._items) <= ENOUGH_ALONE + 1
        if self._delivery.server_works or len(self._delivery.alone) != ENOUGH_ALONE or few:
            return
        last = self._items[-1]
        if last is not item:
            self._group([last], recovered=False)
            self._probe = last
        if not self._delivery.server_works:
            self._fails_on_all = self._delivery.server_down = error


def _as_transient(error: ApiError) -> TransientError:
    """Return the error for items that wait until the way is open again."""
    if isinstance(error, TransientError):
        return error
    return TransientError(error.service, error.where, error.reason, status=error.status, exc_type=error.exc_type)


def chunks(items: Iterable[T], size_of: Callable[[T], int], *, most: int, most_bytes: int) -> Iterator[list[T]]:
    """Split items into chunks of at most `most` items and about `most_bytes` bytes (a huge item is a chunk alone)."""
    chunk: list[T] = []
    used = 0
    for item in items:
        size = size_of(item)
        if chunk and (len(chunk) >= most or used + size > most_bytes):
            yield chunk
            chunk, used = [], 0
        chunk.append(item)
        used += size
    if chunk:
        yield chunk


def json_bytes(body: Any) -> int:
    """Return the size of `body` in a JSON request, in bytes."""
    return len(json.dumps(body, separators=(",", ":")))
