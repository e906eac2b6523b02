"""What goes wrong during a soak, and when: a plan that a seed decides."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Literal, TypeVar

Kind = TypeVar("Kind")
Server = Literal["erpnext", "medusa"]
Process = Literal["run", "code", "daemon", "webserver", "everything"]

# One of every action of the sandbox's fault injector, where real servers show it. Refusals for good (400, 422) are not
# among them: a refused document waits for somebody, which is no trouble that ends by itself.
FAULTS: tuple[tuple[Server, Mapping[str, Any]], ...] = (
    ("medusa", {"action": "status", "status": 503}),
    ("medusa", {"action": "status", "status": 429, "headers": {"Retry-After": "5"}}),
    ("medusa", {"action": "status", "status": 500, "path": "/admin/products/batch"}),
    ("medusa", {"action": "status", "status": 401, "json": {"type": "unauthorized", "message": "Unauthorized"}}),
    ("medusa", {"action": "latency", "seconds": 3.0}),
    ("medusa", {"action": "drop_before", "path": "batch"}),
    ("medusa", {"action": "drop_after", "path": "batch"}),
    ("medusa", {"action": "truncate"}),
    ("medusa", {"action": "kill", "steps": 2, "path": "/admin/products/batch", "method": "POST"}),
    ("medusa", {"action": "header", "headers": {"Connection": "close"}}),
    ("erpnext", {"action": "status", "status": 503}),
    ("erpnext", {"action": "status", "status": 500, "json": {"exc_type": "QueryDeadlockError"}}),
    ("erpnext", {"action": "status", "status": 401, "json": {"exc_type": "AuthenticationError"}}),
    ("erpnext", {"action": "latency", "seconds": 6.0}),
    ("erpnext", {"action": "drop_before"}),
    ("erpnext", {"action": "drop_after", "method": "POST"}),
    ("erpnext", {"action": "drop_after", "path": "send_now"}),
    ("erpnext", {"action": "truncate"}),
    ("erpnext", {"action": "drip"}),
    ("medusa", {"action": "replace", "status": 200, "text": "<html><body>Down for maintenance</body></html>"}),
)
KILLED: tuple[Process, ...] = ("run", "code", "run", "daemon", "run", "everything", "webserver")

SECONDS_BETWEEN = (8.0, 30.0)
FAULT_SECONDS = (5.0, 40.0)
DOWN_SECONDS = (1.0, 20.0)
QUIET_SHARE = 1 / 3
"""Of the time: nothing goes wrong at the end, and what is red has to turn green."""


@dataclass(frozen=True)
class Trouble:
    """One thing that goes wrong at second `at` for so many seconds: a server's fault, or a process that is killed."""

    at: float
    seconds: float
    server: Server | None = None
    fault: Mapping[str, Any] = field(default_factory=dict)
    process: Process | None = None

    def __str__(self) -> str:
        what = f"kill -9 of {self.process}" if self.process else f"{self.server}: {_words(self.fault)}"
        return f"{self.at:6.0f} s  {what} for {self.seconds:.0f} s"


def plan(seed: int, minutes: float) -> list[Trouble]:
    """All troubles in the order of their time; each kind comes before any comes a second time."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    faults = _shuffled(FAULTS, chance)
    killed: Iterator[Process] = _shuffled(KILLED, chance)
    end = minutes * 60 * (1 - QUIET_SHARE)
    found: list[Trouble] = []
    at = chance.uniform(*SECONDS_BETWEEN)
    # Two faults, then one killed process.
    for kind in cycle(("fault", "fault", "kill")):
        seconds = chance.uniform(*(DOWN_SECONDS if kind == "kill" else FAULT_SECONDS))
        if at + seconds > end:
            return found
        if kind == "kill":
            process: Process = next(killed)
            found.append(Trouble(at, seconds, process=process))
        else:
            server, fault = next(faults)
            found.append(Trouble(at, seconds, server, fault))
        at += chance.uniform(*SECONDS_BETWEEN)
    return found


def _shuffled(kinds: tuple[Kind, ...], chance: random.Random) -> Iterator[Kind]:
    while True:
        yield from chance.sample(kinds, len(kinds))


def _words(fault: Mapping[str, Any]) -> str:
    return " ".join(str(fault[key]) for key in ("action", "status", "seconds", "path", "method") if key in fault)
