"""Every call of every task with everything that can happen to it: red with a reason, and right once it is over.

MATRIX_ALL=1 tries every call with every fault, else a sample.
"""

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from erp_medusa_sandbox.faults import Fault, SeenRequest
from tests.matrix.judge import EVERYTHING, REASON, fail_with, is_refusal, still_wrong, undisturbed
from tests.matrix.projection import state, unlike
from tests.matrix.scenarios import ALL_SCENARIOS, EVERY_SCENARIO
from tests.matrix.shop import Shop, Snapshot
from tests.support.runs import JobRun

READ_TIMEOUT = 0.6
LONGEST_RUN = 30.0
"""Seconds in which a run of the small shop must end, whatever happens to one of its calls."""

SAMPLE = 5
"""Pairs of a call and a fault tried of each task where not all are."""

ID = re.compile(r"\b(prod|variant|plist|price|pcol|iitem|sloc|sc|sp|reg)_[0-9A-Z]{20,}")
PAGE = "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
LIMITED = {"type": "unknown_error", "message": "Too many requests"}
BROKEN = {"code": "unknown_error", "type": "unknown_error", "message": "An unknown error occurred."}
NO_KEY = {"message": "Unauthorized", "exc_type": "AuthenticationError"}
FAULTS: dict[str, Callable[..., list[Fault]]] = {
    "429 with Retry-After": lambda **call: [
        Fault("status", status=429, headers={"Retry-After": "3"}, json=LIMITED, **call)
    ],
    "429 with a long pause": lambda **call: [
        Fault("status", status=429, headers={"Retry-After": "900"}, json=LIMITED, **call)
    ],
    "500": lambda **call: [Fault("status", status=500, json=BROKEN, **call)],
    "502 with a page": lambda **call: [Fault("status", status=502, text=PAGE, **call)],
    "503": lambda **call: [Fault("status", status=503, json={}, **call)],
    "time-out, not carried out": lambda **call: [
        Fault("latency", seconds=READ_TIMEOUT * 1.5, **call),
        Fault("drop_before", **call),
    ],
    "time-out, carried out": lambda **call: [Fault("drip", seconds=READ_TIMEOUT * 1.5, **call)],
    "time-out, carried out later": lambda **call: [Fault("latency", seconds=READ_TIMEOUT * 1.5, **call)],
    "reset, not carried out": lambda **call: [Fault("drop_before", **call)],
    "reset, carried out": lambda **call: [Fault("drop_after", **call)],
    "truncated": lambda **call: [Fault("truncate", **call)],
    "slow": lambda **call: [Fault("drip", seconds=0.02, **call)],
    "wrong content type": lambda **call: [Fault("header", headers={"Content-Type": "text/html"}, **call)],
    "401": lambda **call: [Fault("status", status=401, json=NO_KEY, **call)],
}
TWICE_UNTIL_THE_NEXT_RUN = ("POST", "/admin/price-lists", "time-out, carried out later")
"""Nothing about a price list is unique: one that Medusa makes after it was looked for in vain is there twice, with the
same prices, until the next run. docs/reliability.md says so."""

pytestmark = pytest.mark.timeout(0)


@dataclass(frozen=True)
class Call:
    """One kind of request: its server, method and path, in which ids are left out."""

    server: str
    method: str
    path: str

    def match(self) -> dict[str, Any]:
        """What a fault for this call is added with."""
        return {"method": self.method, "path": f"^{re.escape(self.path).replace('__ID__', '[^/?]+')}($|[?])"}


def call_of(server: str, seen: SeenRequest) -> Call:
    path = ID.sub("__ID__", seen.path)
    return Call(server, seen.method, re.sub(r"^/(files|static)/.*", r"/\1/__ID__", path))


@pytest.mark.parametrize(*EVERY_SCENARIO, indirect=["shop_and_states"])
def test_whatever_happens_to_a_call_the_task_is_red_with_the_reason_or_right(
    scenario: str, shop_and_states: tuple[Shop, dict[str, Snapshot]], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, states = shop_and_states
    monkeypatch.setenv("HTTP_READ_TIMEOUT", str(READ_TIMEOUT))
    monkeypatch.setenv("QUOTATION_EMAIL_TIMEOUT", str(READ_TIMEOUT))
    monkeypatch.setenv("HTTP_ATTEMPTS", "2")
    task, start = ALL_SCENARIOS[scenario][0], states[ALL_SCENARIOS[scenario][1]]
    wanted = undisturbed(shop, start, task)
    servers = {"Medusa": shop.world.medusa.faults, "ERPNext": shop.world.erp.faults}
    # The customer's view is asked for by the test alone.
    seen = [(name, one) for name, server in servers.items() for one in server.requests if "/store/" not in one.path]
    calls = list(dict.fromkeys(call_of(name, one) for name, one in seen))
    pairs = [(call, fault) for call in calls for fault in FAULTS]
    if not EVERYTHING:
        pairs = random.Random(f"faults of {scenario}").sample(pairs, min(SAMPLE, len(pairs)))  # noqa: S311
    wrong = {}
    for call, name in pairs:
        shop.put_back(start)
        found = with_fault(shop, task, call, FAULTS[name](**call.match()), wanted)
        if (call.method, call.path, name) == TWICE_UNTIL_THE_NEXT_RUN:
            found = [line for line in found if not line.startswith("green, and yet")]
        found += still_wrong(shop, task, wanted)
        if found:
            wrong[f"{call.server} {call.method} {call.path}: {name}"] = found
    print(f"{scenario}: {len(calls)} calls, {len(pairs)} pairs")
    fail_with(wrong)


def with_fault(shop: Shop, task: str, call: Call, faults: list[Fault], wanted: dict[str, Any]) -> list[str]:
    """What is wrong about the run that meets the fault."""
    server = shop.world.medusa.faults if call.server == "Medusa" else shop.world.erp.faults
    for fault in faults:
        server.add(fault)
    began = time.monotonic()
    try:
        runs = shop.run(task)
    finally:
        seconds = time.monotonic() - began
        server.heal()
    # What a server still works on when its client has gone.
    time.sleep(READ_TIMEOUT * 2 if any(fault.action == "latency" for fault in faults) else 0)
    found = [f"took {seconds:.0f} s"] if seconds > LONGEST_RUN else []
    if not all(run.success for run in runs):
        return found + [f"gives no reason: {text}" for text in reasons(runs) if not REASON.search(text)]
    if refused(runs):
        return found
    return found + [f"green, and yet {line}" for line in unlike(wanted, state(shop))]


def reasons(runs: list[JobRun]) -> list[str]:
    """The text of each run that failed."""
    return [" ".join(run.reasons()) for run in runs if not run.success]


def refused(runs: list[JobRun]) -> bool:
    """Whether a check tells of something."""
    return any(is_refusal(check) for run in runs for check in run.checks())
