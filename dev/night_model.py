"""A model of the nightly export for shops that are too big for a test: its length, and how busy both servers are.

Simulated, not measured. What it is made of was measured, and a comment at STEPS says where. A server is a place with
room for so many requests at once: ERPNext's processes, Medusa's JavaScript threads, its database. A run is a place in
Dagster's queue. Whoever finds no room waits, in the order in which they come.

What it leaves out: pictures, some 35 requests that each run makes whatever its size, other users of both servers, a
catalogue that slows Medusa down, and failures.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Literal

import simpy

WINDOW = 400
"""Website Items that are read and compared at a time (ERPNEXT_READ_CHUNK)."""

PARALLEL = 2
"""Calls that a run has under way while it writes (MEDUSA_PARALLEL_CALLS)."""

START_SECONDS = 8.0
"""From a run's place in the queue to its first request, on a quiet machine with two cores."""

Place = Literal["ERPNext", "Medusa", "database"]
Kind = Literal["first", "quiet", "quarter"]


@dataclass(frozen=True)
class Call:
    """One request: the seconds that it takes of each place, one after the other."""

    seconds: tuple[tuple[Place, float], ...]


@dataclass(frozen=True)
class Step:
    """Calls that follow each other, how often in a window of 400 items, and how many at once in one run."""

    per_window: float
    calls: tuple[Call, ...]
    lanes: int = 1


# How often: counted by the embedded servers' log in one run over 8,000 Website Items, 7,273 of them published.
# Seconds of ERPNext 15.55 with MariaDB on two cores: 500 rows of a list 29 ms; ids by the Server Script 186 rows a
# second in calls of 100, 215 in calls of 200. Seconds of Medusa 2 with 3,637 products: a look-up of the export, some
# 280 products, 65 ms. With 50,000 products: 100 new products 645 ms alone and 218 a second with four calls at once, so
# 460 ms are JavaScript and 185 the database; 500 price entries 546 ms alone, 1,216 a second at two; 1,000 levels in
# 325 ms; 2,000 inventory items 194 ms; 5,000 entries of a price list 1,042 ms. Updates with 3,637 products: 100
# products 250 ms alone, 188 at two, 182 at four; 500 price entries 411 ms alone, 382 at two; 1,000 levels 640 ms.
READ = Call((("ERPNext", 0.029),))
LOOK_UP = Call((("Medusa", 0.065),))
MAKE_PRODUCTS = Call((("Medusa", 0.460), ("database", 0.185)))
KEEP_100 = Call((("ERPNext", 0.538),))
KEEP_200 = Call((("ERPNext", 0.930),))
MAKE_PRICES = Call((("Medusa", 0.411), ("database", 0.135)))
MAKE_LEVELS = Call((("Medusa", 0.325),))
READ_INVENTORY = Call((("Medusa", 0.194),))
READ_PRICES = Call((("Medusa", 1.042),))
UPDATE_PRODUCTS = Call((("Medusa", 0.180), ("database", 0.070)))
UPDATE_PRICES = Call((("Medusa", 0.370), ("database", 0.041)))
UPDATE_LEVELS = Call((("Medusa", 0.640),))
QUIET = (Step(4.0, (READ,)), Step(5.1, (LOOK_UP,)), Step(0.25, (READ_PRICES,)), Step(0.2, (READ_INVENTORY,)))
STEPS: dict[Kind, tuple[Step, ...]] = {
    "first": (
        Step(7.6, (READ,)),
        Step(3.65, (LOOK_UP, MAKE_PRODUCTS, KEEP_100), PARALLEL),
        Step(1.45, (LOOK_UP,)),
        Step(1.1, (MAKE_PRICES, KEEP_200, KEEP_200), PARALLEL),
        Step(0.2, (READ_INVENTORY,)),
        Step(0.4, (MAKE_LEVELS, KEEP_200, KEEP_200, KEEP_200), PARALLEL),
    ),
    "quiet": QUIET,
    # Title, price and stock of every fourth item changed.
    "quarter": (
        *QUIET,
        Step(1.0, (UPDATE_PRODUCTS,), PARALLEL),
        Step(0.25, (UPDATE_PRICES,), PARALLEL),
        Step(0.1, (UPDATE_LEVELS,), PARALLEL),
    ),
}


@dataclass(frozen=True)
class Site:
    """What serves a shop: runs at once, requests that ERPNext works on at once, processes of Medusa."""

    workers: int = 2
    erpnext: int = 2
    medusa: int = 1
    database: int = 4

    def rooms(self) -> dict[Place, int]:
        """How many requests each place works on at once."""
        return {"ERPNext": self.erpnext, "Medusa": self.medusa, "database": self.database}


@dataclass
class Night:
    """What one simulated night came to."""

    site: Site
    seconds: float = 0.0
    requests: int = 0
    busy: dict[Place, float] = field(default_factory=lambda: {"ERPNext": 0.0, "Medusa": 0.0, "database": 0.0})

    def share(self, place: Place) -> float:
        """How much of the night the place was at work, all of its room taken together."""
        return self.busy[place] / (self.seconds * self.site.rooms()[place])


Steps = Generator[simpy.Event, Any, None]


class Model:
    """One night of one shop on one site."""

    def __init__(self, site: Site, kind: Kind) -> None:
        self.world = simpy.Environment()
        self.kind: Kind = kind
        self.workers = simpy.Resource(self.world, site.workers)
        self.rooms = {place: simpy.Resource(self.world, room) for place, room in site.rooms().items()}
        self.night = Night(site)

    def run(self, items: int, batches: int) -> Night:
        """Begin all batches at once, as the schedule does, and wait for the last."""
        for number in range(batches):
            self.world.process(self._batch(items // batches + (number < items % batches)))
        self.world.run()
        self.night.seconds = self.world.now
        return self.night

    def _batch(self, items: int) -> Steps:
        with self.workers.request() as place:
            yield place
            yield self.world.timeout(START_SECONDS)
            for step in STEPS[self.kind]:
                left = [max(1, round(items / WINDOW * step.per_window))]
                yield self.world.all_of([self.world.process(self._lane(step, left)) for _ in range(step.lanes)])

    def _lane(self, step: Step, left: list[int]) -> Steps:
        while left[0]:
            left[0] -= 1
            for call in step.calls:
                self.night.requests += 1
                for place, seconds in call.seconds:
                    with self.rooms[place].request() as room:
                        yield room
                        yield self.world.timeout(seconds)
                    self.night.busy[place] += seconds


def simulate(kind: Kind, items: int, batches: int, site: Site) -> Night:
    """One night."""
    return Model(site, kind).run(items, batches)
