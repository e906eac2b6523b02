"""The brake on mass loss: the one place that decides whether a run may take so much away from the shop's customers.

A loss is something that a customer can see or buy before the run, and could not after it. Who is going to take such
things away asks a `Guard` first and carries out only what it lets through; what is gained goes through in either case.
These ask:

    taken away                                       guard       setting                    allowed by
    -----------------------------------------------  ----------  -------------------------  --------------------------
    entries of price lists, lists of another         prices      PRICE_REMOVAL_PERCENT      allow_removal
    Price List or whose window is over
    the same of each Customer Group's Price List,    group_prices  PRICE_REMOVAL_PERCENT    allow_removal
    of each Customer's own prices, and of all these
    members of customer groups                       members     PRICE_REMOVAL_PERCENT      allow_removal
    levels, and custom_in_stock                      stock       STOCK_ZERO_PERCENT         allow_zero
    products: drafts of items that are not for       shown       MISSING_PRODUCTS_PERCENT   allow_hiding
    sale, deleted or orphaned; those that leave a
    sales channel, or are sold from stock only;
    their last picture, description, subtitle
    categories of Item Groups that are gone          categories   MISSING_PRODUCTS_PERCENT   allow_hiding
    variants that are not for sale (VARIANTS)        variants     MISSING_PRODUCTS_PERCENT   allow_hiding
    products that were withdrawn long ago            deleted      MISSING_PRODUCTS_PERCENT   allow_hiding
    ids in ERPNext of products that are missing      missing     MISSING_PRODUCTS_PERCENT   allow_missing
    rows of Product Collection, of a category        -           half of them               allow_empty
    rows of Expiring Items before their day          clearance   three quarters            allow_empty

Never taken away are pictures that others added, collections in which a product is shown, variants that others added,
and what staff entered; the homepage follows from what staff tick and from the list. What ends by its own date, such as
a promotion, is no loss: it ends in Medusa whether a run comes or not.

A batch is a sample of the shop. What it would lose is judged together with what was lost in the last days, and where
that comes near the limit, the whole shop is counted and decides. So a loss cannot go through in slices, batch by batch
or night by night: what was stopped is counted anew each night, and what went through is remembered. Nor is it hidden
by what is gained meanwhile, in this batch or in another one: losses are compared with what was there the day before.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

from erp_medusa_pipelines.sync.engine.batches import batch_keys

FEW = 10
"""So many losses in the whole shop are no mass loss, unless they are most of it."""

FEWEST = 2
"""So many are none in the smallest shop."""

REMEMBERED = timedelta(days=7)
"""Losses of these days count together."""

ALL = 100
"""A limit of so many percent is none."""

EXAMPLES = 5
NEAR = 2
"""A shop is counted where an estimate of its losses comes this near to the limit, as a divisor."""


class MassLossError(Exception):
    """One run would take too much away, so it took none of it away. An operator can allow it."""


@dataclass
class Loss:
    """What a customer could see or buy before, `had`, and how people know what of it would be lost, both by id."""

    lost: dict[str, str] = field(default_factory=dict)
    had: set[str] = field(default_factory=set)
    gained: set[str] = field(default_factory=set)
    """What the run adds: it makes no loss smaller."""

    @property
    def left(self) -> int:
        """Return how many there are after the run."""
        # Without a copy of what may be tens of thousands.
        lost = sum(1 for one in self.lost if one in self.had or one in self.gained)
        return len(self.had) + sum(1 for one in self.gained if one not in self.had) - lost

    def add(self, other: "Loss") -> None:
        """Add the losses of other documents."""
        self.lost.update(other.lost)
        self.had.update(other.had)
        self.gained.update(other.gained)


@dataclass(frozen=True, slots=True)
class Limit:
    """How much may be lost, and what is said when it is more."""

    name: str
    what: str
    """What becomes of the documents that are counted, e.g. "items would lose their only price"."""
    percent: int
    setting: str
    """The environment variable of `percent`; '' where it is fixed."""
    allow: str
    """The field of the launchpad's config that allows it."""
    check: str
    """What may be wrong, and where to look."""

    def exceeds(self, lost: int, of: int) -> bool:
        """Return whether losing `lost` of `of` is a mass loss."""
        if lost <= FEWEST or lost * 100 <= of * self.percent:
            return False
        return lost > FEW or lost * 2 > of


class Store(Protocol):
    """Where small values outlive runs."""

    def load(self, keys: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
        """Return the values of those keys that have one."""
        ...

    def save(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep a value."""
        ...


class NoStore:
    """Remembers nothing: for work whose losses are counted by somebody else."""

    def load(self, keys: Collection[str]) -> Mapping[str, Mapping[str, Any]]:  # noqa: ARG002
        """Return nothing."""
        return {}

    def save(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep nothing."""


SMALL = 20
"""A shop that had less the day before is only being set up: what it had says nothing."""


class Left(NamedTuple):
    """How many things a batch had after a run, among how many batches; stored as a list."""

    things: int
    batches: int
    stopped: int | None = None
    """Of how many things in the shop a loss was stopped that nobody has decided on."""


class Before(NamedTuple):
    """How many things the last runs of earlier days left: those of the batch, and of the whole shop."""

    own: int
    shop: int


GUARDS = ("prices", "group_prices", "members", "stock", "shown", "missing", "categories", "variants")
"""Names of those that remember."""

MOST_BATCHES = 256
_BATCHES = ("", *batch_keys(MOST_BATCHES))


@dataclass
class Memory:
    """What went through a guard lately. Each batch has a record of its own, as batches run at the same time."""

    guard: str
    batch: str = ""
    store: Store = field(default_factory=NoStore)
    today: date = field(default_factory=lambda: datetime.now(UTC).date())

    def recent(self) -> set[str]:
        """Return the digests of what all batches lost in the last days, whatever number of batches there was."""
        found = self.store.load(memory_keys(self.guard))
        return {digest for days in found.values() for digest in self._in_days(days)}

    def note(self, loss: Loss) -> None:
        """Remember these losses of the batch, and forget what it has again."""
        own = memory_key(self.guard, self.batch)
        days = self._in_days(self.store.load([own]).get(own, {}))
        for identifier in loss.had | loss.gained:
            days.pop(digest_of(identifier), None)
        days |= dict.fromkeys(map(digest_of, loss.lost), self.today.isoformat())
        self.store.save(own, _by_day(days))

    def forget(self) -> None:
        """Forget the batch's losses: somebody knows of them."""
        own = memory_key(self.guard, self.batch)
        if self.store.load([own]).get(own):
            self.store.save(own, {})

    def before(self, batches: int) -> Before | None:
        """Return what the last runs of earlier days left, or of how many a loss was stopped that nobody decided on.

        None where not every batch has a run of the last days, or where there was next to nothing.
        """
        names = batch_keys(batches) if self.batch and batches > 1 else [self.batch]
        found = self.store.load([left_key(self.guard, name) for name in names])
        last = {name: self._last(found.get(left_key(self.guard, name), {}), batches) for name in names}
        own = last[self.batch]
        if own is None:
            return None
        shop = [] if own.stopped is None else [own.stopped]
        total = sum(one.things for one in last.values() if one)
        if all(last.values()) and total >= SMALL:
            shop.append(total)
        return Before(own.things, min(shop)) if shop else None

    def _last(self, days: Mapping[str, Sequence[Any]], batches: int) -> Left | None:
        """Return the newest entry before today, or that of today if a loss was stopped."""
        first, today = (self.today - REMEMBERED).isoformat(), self.today.isoformat()
        for day in sorted(days, reverse=True):
            left = Left(*days[day])
            counts = day < today or (day == today and left.stopped is not None)
            if first < day and counts and left.batches == batches:
                return left
        return None

    def note_left(self, count: int, batches: int, *, stopped: int | None = None) -> None:
        """Remember how many the batch has after today's run, and of how many in the shop a loss was `stopped`."""
        own, first = left_key(self.guard, self.batch), (self.today - REMEMBERED).isoformat()
        days = {day: kept for day, kept in self.store.load([own]).get(own, {}).items() if day > first}
        self.store.save(own, {**days, self.today.isoformat(): [*Left(count, batches, stopped)]})

    def _in_days(self, days: Mapping[str, Iterable[str]]) -> dict[str, str]:
        """Return {digest: day} of the days that count."""
        first = (self.today - REMEMBERED).isoformat()
        return {digest: day for day, digests in days.items() if day > first for digest in digests}


def _by_day(days: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for digest, day in sorted(days.items()):
        found.setdefault(day, []).append(digest)
    return found


def memory_key(guard: str, batch: str) -> str:
    """Return the key under which a guard remembers the losses of a batch."""
    return f"lost/{guard}/{batch}"


def memory_keys(guard: str) -> list[str]:
    """Return the keys of all losses that a guard may remember."""
    return [memory_key(guard, batch) for batch in _BATCHES]


def left_key(guard: str, batch: str) -> str:
    """Return the key under which a guard remembers how many things the runs of a batch left."""
    return f"left/{guard}/{batch}"


def kept_keys(guard: str, batch: str | None = None) -> list[str]:
    """Return the keys of all that a guard may keep, of one batch or of all."""
    return [key(guard, one) for one in ([batch] if batch else _BATCHES) for key in (memory_key, left_key)]


def digest_of(identifier: str) -> str:
    """Return the ten characters by which a loss is remembered."""
    return blake2b(identifier.encode("utf-8"), digest_size=5).hexdigest()


@dataclass
class Guard:
    """Asked once by a run, before it takes anything away.

    `batches` is the number of batches of the shop. `named` says that somebody named the documents of this run: only
    these are judged then, and a few need no count of the shop.
    """

    limit: Limit
    memory: Memory
    allowed: bool = False
    batches: int = 1
    named: bool = False

    def refuse(self, loss: Loss) -> None:
        """Raise MassLossError where losses that are all there are must not happen."""
        if refused := self.refusal(loss, lambda: loss):
            raise refused

    def refusal(self, loss: Loss, in_shop: Callable[[], Loss]) -> MassLossError | None:
        """Return why none of this batch's losses may happen, or None where they may, which is remembered.

        `in_shop` counts the whole shop. It is called only where the limit may be near.
        """
        if self.allowed or self.limit.percent == ALL:
            self.memory.forget()
            self._note_left(loss.left)
            return None
        if not loss.lost:
            self._note_left(loss.left)
            return None
        recent, before = self.memory.recent(), self._before()
        if self._may_be_too_much(loss, recent, before):
            shop = in_shop()
            lost = loss.lost if self.named else {**shop.lost, **loss.lost}
            gained = shop.gained | loss.gained
            had = shop.had | loss.had | gained
            gone = recent - {digest_of(one) for one in had} if recent else recent
            # What this run or another one of the night has added makes no loss smaller; what came back is no addition.
            of = len(had - {one for one in gained if digest_of(one) not in recent})
            if before is not None and before.shop < of:
                of = max(before.shop, len(lost))
            if self.limit.exceeds(len(lost) + len(gone), of + len(gone)):
                # Nor does it tomorrow, while nobody has decided.
                self._note_left(before.own if before else len(loss.had - loss.gained), stopped=of)
                return self._error(lost, len(gone), of + len(gone))
        self.memory.note(loss)
        self._note_left(loss.left)
        return None

    def refusal_of_some(self, loss: Loss, in_shop: Callable[[], Loss]) -> MassLossError | None:
        """Return why losses of some of the customers must not happen, judged as if the shop had no others.

        Nothing of them is remembered: that `refusal` does, for all together. `in_shop` counts these customers'.
        """
        if self.allowed or self.limit.percent == ALL or not loss.lost or not self._may_be_too_much(loss, (), None):
            return None
        shop = in_shop()
        lost = loss.lost if self.named else {**shop.lost, **loss.lost}
        of = len((shop.had | loss.had) - shop.gained - loss.gained)
        return self._error(lost, 0, of) if self.limit.exceeds(len(lost), of) else None

    def _before(self) -> Before | None:
        return None if self.named else self.memory.before(self.batches)

    def _note_left(self, count: int, stopped: int | None = None) -> None:
        if not self.named:
            self.memory.note_left(count, self.batches, stopped=stopped)

    def _may_be_too_much(self, loss: Loss, recent: Collection[str], before: Before | None) -> bool:
        most = len(loss.lost) + len(recent)
        if self.named:
            return most > FEW
        if self.batches == 1 and most <= FEWEST:
            return False
        had = len(loss.had - loss.gained)
        of_shop = had * self.batches
        if before is not None:
            had, of_shop = min(had, before.own), min(of_shop, before.shop)
        # Batches are equal samples of a shop.
        return len(loss.lost) * 100 > had * self.limit.percent or most * 100 * NEAR > of_shop * self.limit.percent

    def _error(self, lost: Mapping[str, str], before: int, of: int) -> MassLossError:
        limit = self.limit
        name = f"{limit.setting}, " if limit.setting else ""
        named = ", ".join(sorted(lost.values())[:EXAMPLES])
        more = f" and {len(lost) - EXAMPLES} more" if len(lost) > EXAMPLES else ""
        lately = f", {before} of them lost in the last {REMEMBERED.days} days already" if before else ""
        return MassLossError(
            f"{len(lost) + before} of {of} {limit.what}{lately}: more than {name}{limit.percent} %."
            f" They are {named}{more}. None of them was changed; what the shop gains was done. {limit.check}"
            f" If this is intended, start the run with {limit.allow}: true"
        )
