"""What waits for which receiver, and its delivery: each message once to each.

A receiver may take minutes, and a tick of the sensor has one minute. So each receiver has a thread of its own, which
may outlive the tick that started it; what it has delivered is in the instance's key-value table, where the next tick
looks. Before a message is sent it is claimed there: a second tick, or the code server that took the first one's place,
sends nothing that somebody else is at. If a process is killed in the middle of sending, the message is sent again: the
one case in which a receiver may get it twice, because nobody can know whether it had arrived.
"""

import os
import socket
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import dagster as dg

from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.sensors.problems.problem import Message
from erp_medusa_pipelines.orchestration.sensors.problems.receivers import DeliveryError, Receiver

WAIT_SECONDS = 8.0
"""How long a tick waits for its deliveries. What takes longer is delivered all the same; a later tick counts it."""

LOST_AFTER = timedelta(minutes=10)
"""A claim of a process on another machine that has not ended by then is void."""

GIVEN_UP_AFTER = timedelta(days=7)
"""A message that a receiver did not take for this long is dropped."""

REMEMBERED = timedelta(days=1)
"""How long a delivered message is known as delivered: longer than any tick that may still come back to it."""

MOST_WAITING = 500
"""Messages that wait at most; the oldest are dropped."""

MOST_FAILURES = 3
"""Messages in a row that a receiver may refuse before its others wait for the next tick."""

_HOST, _PROCESS = socket.gethostname(), uuid4().hex
_at_work: dict[tuple[str, str], threading.Thread] = {}
_starting = threading.Lock()


@dataclass(frozen=True)
class Waiting:
    """A message, and the keys of the receivers that have not taken it."""

    message: Message
    to: frozenset[str]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self.message), "to": sorted(self.to)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Waiting":
        """Load what `to_json` returned."""
        return cls(Message(**{name: data[name] for name in Message.__dataclass_fields__}), frozenset(data["to"]))


@dataclass
class Delivered:
    """What one receiver took, stored in the instance; also what is being sent to it, and what it says."""

    sent: dict[str, str] = field(default_factory=dict[str, str])
    sending: dict[str, str] = field(default_factory=dict[str, str])
    """`id`, `at`, and whose: `host`, `pid`, `process`."""
    error: str = ""
    since: str = ""
    """Since when it takes nothing."""

    @classmethod
    def load(cls, instance: dg.DagsterInstance, receiver: str) -> "Delivered":
        """Read it."""
        return cls(**state.load(instance, _key(receiver)))

    def save(self, instance: dg.DagsterInstance, receiver: str) -> None:
        """Store it, without what is too old to matter."""
        oldest = (datetime.now(UTC) - REMEMBERED).isoformat()
        self.sent = {id_: at for id_, at in self.sent.items() if at > oldest}
        state.save(instance, _key(receiver), asdict(self))

    @property
    def somebody_is_at_it(self) -> bool:
        """Whether another process is sending to it right now."""
        if not self.sending or self.sending["process"] == _PROCESS:
            return False
        if self.sending["host"] == _HOST:
            pid = int(self.sending["pid"])
            # A container that was started again has the same host and often the same process ids.
            return pid != os.getpid() and _is_alive(pid)
        return datetime.now(UTC) - datetime.fromisoformat(self.sending["at"]) < LOST_AFTER


def _key(receiver: str) -> str:
    return f"alerts/receiver/{receiver}"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def address(
    waiting: Iterable[Waiting], messages: Sequence[Message], to: Sequence[Receiver], before: Iterable[str]
) -> list[Waiting]:
    """Return everything that waits, new messages included. `before` are the keys of the receivers so far.

    What waits for an address that is gone goes to those that are new: somebody corrected it. Without a new one it
    waits, for as long as any message does.
    """
    keys = {receiver.key for receiver in to}
    new = keys.difference(before)
    oldest = (datetime.now(UTC) - GIVEN_UP_AFTER).isoformat()
    found = [
        replace(each, to=(each.to & keys) | new) if new and each.to - keys else each
        for each in waiting
        if each.message.at > oldest
    ]
    for message in messages:
        # Of a receiver that takes nothing the others hear.
        wanting = {one.key for one in to if one.wants(message.kind) and f"/{_key(one.key)}" not in message.id}
        found.append(Waiting(message, frozenset(wanting)))
    return found[-MOST_WAITING:]


def deliver(
    instance: dg.DagsterInstance, waiting: Sequence[Waiting], to: Sequence[Receiver]
) -> tuple[list[Waiting], int, list[str]]:
    """Send what waits. Returns what still waits, the number delivered, and what receivers say that took nothing."""
    threads = [
        thread
        for receiver in to
        if (own := [each.message for each in waiting if receiver.key in each.to])
        if (thread := _start(instance, receiver, own))
    ]
    until = time.monotonic() + WAIT_SECONDS
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    took = {receiver.key: Delivered.load(instance, receiver.key) for receiver in to}
    left = [
        replace(each, to=frozenset(key for key in each.to if key not in took or each.message.id not in took[key].sent))
        for each in waiting
    ]
    number = sum(len(each.to) for each in waiting) - sum(len(each.to) for each in left)
    errors = [f"{receiver.name}: {took[receiver.key].error}" for receiver in to if took[receiver.key].error]
    return [each for each in left if each.to], number, errors


def silent_receivers(instance: dg.DagsterInstance, to: Iterable[Receiver]) -> Iterable[tuple[str, Receiver, Delivered]]:
    """Yield the receivers that take nothing, each with a key of its own."""
    for receiver in to:
        known = Delivered.load(instance, receiver.key)
        if known.error:
            yield _key(receiver.key), receiver, known


def _start(instance: dg.DagsterInstance, receiver: Receiver, messages: Sequence[Message]) -> threading.Thread | None:
    """Start the receiver's thread, unless an earlier tick's is still at it: it will find its messages the next time."""
    place = (str(id(instance)) if instance.is_ephemeral else instance.root_directory, receiver.key)
    with _starting:
        earlier = _at_work.get(place)
        if earlier and earlier.is_alive():
            return earlier
        # The tick's instance is closed with the tick.
        own = nullcontext(instance) if instance.is_ephemeral else dg.DagsterInstance.from_ref(instance.get_ref())
        name = f"deliver:{receiver.key}"
        thread = threading.Thread(target=_work, args=(own, receiver, messages), name=name, daemon=True)
        _at_work[place] = thread
        thread.start()
        return thread


def _work(own: Any, receiver: Receiver, messages: Sequence[Message]) -> None:
    failures, failed = 0, set[str]()
    with own as instance:
        for message in messages:
            # Of one problem, its end is not sent before its beginning.
            if message.title.removeprefix("Over: ") in failed:
                continue
            known = Delivered.load(instance, receiver.key)
            if known.somebody_is_at_it:
                return
            if message.id in known.sent:
                continue
            now = datetime.now(UTC).isoformat()
            me = {"host": _HOST, "pid": str(os.getpid()), "process": _PROCESS}
            known.sending = {"id": message.id, "at": now, **me}
            known.save(instance, receiver.key)
            try:
                receiver.send(message)
            # Whatever a library for a chat or mail service raises: the others continue.
            except Exception as error:  # noqa: BLE001
                text = str(error) if isinstance(error, DeliveryError) else f"{type(error).__name__}"
                known.error, known.since = text, known.since or now
                failures += 1
                failed.add(message.title)
            else:
                known.sent[message.id] = datetime.now(UTC).isoformat()
                known.error = known.since = ""
                failures = 0
            known.sending = {}
            known.save(instance, receiver.key)
            if failures >= MOST_FAILURES:
                return
