"""Work in steps, and a server that dies between two of them.

The mark of a finished step, and what it raises where the process ends. Which steps a workflow has belongs to its
module, when the process ends to `faults.py`.

A real Medusa carries out a workflow step by step, each in a transaction of its own. An error undoes the steps before
it; a killed process undoes nothing. Here a workflow is one transaction, which keeps what it has if the process "ends".
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

WALK: ContextVar[Callable[[str], None] | None] = ContextVar("walk", default=None)
"""Called with the name of each step that the current request has finished; may raise ServerKilledError."""


class ServerKilledError(BaseException):
    """The process has ended. No `except Exception` catches it, and nothing may be undone."""


def step_done(name: str) -> None:
    """Mark the end of a step of the current request's workflow."""
    walk = WALK.get()
    if walk is not None:
        walk(name)
