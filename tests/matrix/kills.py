"""The states in which a killed process leaves the servers: one after each request and each step of a workflow.

Recording them during one undisturbed run. A process that is killed does nothing any more, so putting such a state back
is what a kill looks like to the next run. A state that equals the one before it is kept once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from erp_medusa_sandbox.faults import Fault, FaultInjector
from tests.matrix.shop import Shop, Snapshot


@dataclass
class Moment:
    """After which request or step, and the state then."""

    label: str
    state: Snapshot


@dataclass
class Recording:
    """What was seen, and the states that differ."""

    requests: int = 0
    steps: int = 0
    moments: list[Moment] = field(default_factory=list)


@contextmanager
def recorded(shop: Shop) -> Iterator[Recording]:
    """Record the states of the run inside."""
    recording = Recording()
    medusa, erp = shop.world.medusa.faults, shop.world.erp.faults

    def keep(label: str) -> None:
        kept = shop.keep()
        if not recording.moments or recording.moments[-1].state != kept:
            recording.moments.append(Moment(label, kept))

    def walk(step: str, fault: Fault | None) -> None:
        recording.steps += 1
        keep(f"step {recording.steps}, {step}")

    def asked(request: str) -> None:
        recording.requests += 1
        keep(f"request {recording.requests}, {request}")

    apps = {injector: injector.app for injector in (medusa, erp)}
    for injector, app in apps.items():
        injector.app = _before_the_answer(app, injector, asked)
    medusa._walk = walk
    try:
        yield recording
    finally:
        for injector, app in apps.items():
            injector.app = app
        del medusa._walk


def _before_the_answer(app: ASGIApp, injector: FaultInjector, asked: Any) -> ASGIApp:
    """The work is done when the answer begins, and nobody knows of it yet."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                asked(f"{injector.name} {scope['method']} {scope['path']}")
            await send(message)

        await app(scope, receive, answer)

    return served
