"""How long it takes from a save in the ERP until a customer sees it: changes that are expected, and who watches."""

import math
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import requests

from dev.background import Background

GIVE_UP = 600.0

Shown = Mapping[str, Mapping[str, Any]]
"""What the Store API shows, by a key of the watcher's choice."""


@dataclass(frozen=True)
class Change:
    """A save: its kind, and what is shown once it has arrived."""

    kind: str
    item: str
    saved: float
    arrived: Callable[[Shown], bool]


@dataclass
class Arrivals:
    """Seconds of each change that arrived, and those that did not, by kind."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    lost: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def table(self, floor: Mapping[str, float] | None = None) -> list[str]:
        """Return them as lines of Markdown; `floor` has the seconds of a direct call for each kind."""
        head, rule = "| change | number | p50 s | p95 s | min-max s | lost |", "|---|---|---|---|---|---|"
        lines = [head, rule] if floor is None else [f"{head} floor s |", f"{rule}---|"]
        for kind, seconds in sorted(self.seconds.items()):
            spread = f"{min(seconds):.1f}-{max(seconds):.1f}"
            lines.append(
                f"| {kind} | {len(seconds)} | {statistics.median(seconds):.1f} | {p95(seconds):.1f} | {spread} |"
                f" {self.lost.get(kind, 0)} |" + ("" if floor is None else f" {floor[kind]:.3f} |")
            )
        return lines


def p95(values: Sequence[float]) -> float:
    """Return the value that 95 % do not exceed."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


class Customer(Background):
    """Asks once a second what the whole shop shows, and notes when open changes are there.

    A shop that does not answer shows what it showed last.
    """

    def __init__(self, look: Callable[[], Shown], give_up: float = GIVE_UP) -> None:
        super().__init__()
        self._look, self._give_up = look, give_up
        self.open: list[Change] = []
        self.shown: Shown = look()
        self.arrivals = Arrivals()
        self._lock = threading.Lock()

    def expects(self, change: Change, *, instead_of: Collection[str] = ()) -> None:
        """Watch for this change. Open ones of its item and kind, or `instead_of` these, are dropped."""
        kinds = {change.kind, *instead_of}
        with self._lock:
            self.open = [one for one in self.open if one.item != change.item or one.kind not in kinds] + [change]

    def busy(self) -> set[str]:
        """Items with a change that has not arrived."""
        with self._lock:
            return {change.item for change in self.open}

    def work(self) -> None:
        """Look until the block ends."""
        while not self.over.wait(1):
            with self._lock:
                waiting = list(self.open)
            with suppress(requests.RequestException):
                self.shown = self._look()
            now = time.monotonic()
            with self._lock:
                for change in waiting:
                    if change not in self.open:
                        continue
                    if change.arrived(self.shown):
                        self.arrivals.seconds[change.kind].append(now - change.saved)
                    elif now - change.saved < self._give_up:
                        continue
                    else:
                        self.arrivals.lost[change.kind] += 1
                        print(f"not seen after {self._give_up:.0f} s: {change.kind} of {change.item}", flush=True)
                    self.open.remove(change)
