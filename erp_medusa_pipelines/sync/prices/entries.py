"""The entries of our price lists in Medusa."""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices, decimal_of, entry_variant
from erp_medusa_pipelines.clients.reading import UNKEPT, Reading
from erp_medusa_pipelines.sync.engine.batches import Batch
from erp_medusa_pipelines.sync.prices.lists import PriceLists
from erp_medusa_pipelines.sync.prices.plan import Entry
from erp_medusa_pipelines.sync.prices.windows import Tier, Window

log = logging.getLogger(__name__)

ByVariant = dict[str | None, list[Entry]]
Row = dict[str, Any]


@dataclass
class Entries:
    """Entries of a batch's lists. Those of its own variants lie on disk where there is one, and are found by variant.

    `unwanted` are the others by variant (None: the variant is gone), `replaced` those of them in lists of another
    ERPNext Price List, which still count for customers. `sizes` has how many entries each list has.
    """

    own: set[str]
    """The batch's variants, without those whose entries were taken."""
    _make: Callable[[str, Row], Entry]
    sizes: Counter[str] = field(default_factory=Counter)
    unwanted: ByVariant = field(default_factory=lambda: defaultdict(list))
    replaced: ByVariant = field(default_factory=lambda: defaultdict(list))
    _find: Callable[[Iterable[str]], Iterable[Row]] = lambda _variants: ()

    def take(self, variants: Collection[str]) -> tuple[ByVariant, ByVariant]:
        """Return the entries of own variants, and those of them in replaced lists. Each is given out once."""
        entries: ByVariant = defaultdict(list)
        replaced: ByVariant = defaultdict(list)
        wanted = self.own.intersection(variants)
        self.own -= wanted
        for row in self._find(wanted):
            into = replaced if row["replaced"] else entries
            into[row["variant"]].append(self._make(row["list"], row["entry"]))
        return entries, replaced


def read_entries(
    files: ExitStack,
    reading: Reading | None,
    prices: MedusaPrices,
    lists: PriceLists,
    batch: Batch,
    own: Set[str],
    of_others: Callable[[Collection[str]], Collection[str]],
    unpriced: Callable[[Collection[str]], Collection[str]],
    *,
    seen: bool = False,
) -> Entries:
    """Read the batch's lists, and the entries of its variants `own` in lists of another number of batches.

    `of_others` returns which of some variants are of the other batches' items. One of those in a list of this batch,
    whose Website Item was renamed, is left out until the lists of its new batch show its price, or ERPNext has none:
    `unpriced` returns which of some variants have none. With `seen` the entries are as the runs of this tick saw them.
    """
    kept_lists = {kept.id: kept for kept in lists.of_batch(batch)}
    windows = {list_id: lists.meaning(kept, batch) for list_id, kept in kept_lists.items()}
    bodies = {list_id: kept.body for list_id, kept in kept_lists.items()}
    labels = {list_id: kept.batch for list_id, kept in kept_lists.items()}
    # A run of a few items ignores the entries of others, and lists that are replaced.
    old = {} if batch.items else {row["id"]: row for row in lists.replaced_of(batch)}
    make = _maker(lists, {**bodies, **old}, windows)
    found = Entries(set(own), make)
    moved: ByVariant = defaultdict(list)
    replaced: ByVariant = defaultdict(list)

    def own_rows() -> Iterator[tuple[str, Row]]:
        for each in (found.sizes, found.unwanted, moved, replaced):
            each.clear()
        for list_id, row in prices.entries_of([*bodies, *old], seen=seen):
            found.sizes[list_id] += 1
            variant_id = entry_variant(row)
            if variant_id is not None and variant_id in own:
                yield variant_id, {"variant": variant_id, "list": list_id, "replaced": list_id in old, "entry": row}
            elif list_id in old:
                replaced[variant_id].append(make(list_id, row))
            elif labels[list_id] == batch.label and not batch.items:
                moved[variant_id].append(make(list_id, row))

    found._find = _kept(files, reading, own_rows)
    strangers = {each for each in moved.keys() | replaced.keys() if each}
    others = of_others(strangers) if strangers else frozenset[str]()
    for left, into in ((moved, found.unwanted), (replaced, found.replaced)):
        for variant_id in left.keys() - others:
            into[variant_id] += left.pop(variant_id)
    if moved or replaced:
        bodies = {kept.id: kept.body for kept in lists.lists if kept.id not in kept_lists}
        variants = {each for each in moved.keys() | replaced.keys() if each}
        shown = _shown(prices, lists, bodies, variants)
        without = frozenset(unpriced(variants - {variant_id for variant_id, _ in shown}))
        _take_along(moved, found.unwanted, shown, without)
        _take_along(replaced, found.replaced, shown, without)
    return found


def _kept(
    files: ExitStack, reading: Reading | None, read: Callable[[], Iterable[tuple[str, Row]]]
) -> Callable[[Iterable[str]], Iterable[Row]]:
    """Keep rows on disk until `files` are closed, else in memory. Returns what finds them by name."""
    if reading is not None:
        try:
            return files.enter_context(reading.own(read())).find
        except UNKEPT as error:
            log.warning("the entries of price lists are kept in memory: %s", error)
    in_memory: dict[str, list[Row]] = defaultdict(list)
    for name, row in read():
        in_memory[name].append(row)
    return lambda names: (row for name in names for row in in_memory[name])


def _take_along(
    left: ByVariant, into: ByVariant, shown: Collection[tuple[str | None, str]], without: Collection[str | None]
) -> None:
    """Add what moved items left and nobody wants any more. What is shown elsewhere is no loss."""
    for variant_id, entries in left.items():
        if variant_id in without:
            into[variant_id] += entries
        elif now := [replace(each, is_live=False) for each in entries if (variant_id, each.currency) in shown]:
            into[variant_id] += now


def shown_prices(prices: MedusaPrices, lists: PriceLists) -> dict[str, list[Entry]]:
    """Return what customers are asked now by any of our lists, by variant."""
    found: dict[str, list[Entry]] = defaultdict(list)
    bodies = {kept.id: kept.body for kept in lists.lists} | {row["id"]: row for row in lists.replaced}
    for _, variant_id, entry in _read(prices, lists, bodies):
        if variant_id and entry.is_live:
            found[variant_id].append(entry)
    return found


def _shown(
    prices: MedusaPrices, lists: PriceLists, bodies: Mapping[str, Mapping[str, Any]], variants: Collection[str | None]
) -> set[tuple[str | None, str]]:
    """Return (variant, currency) of what these lists show now of some variants."""
    found = _read(prices, lists, bodies)
    return {(variant, entry.currency) for _, variant, entry in found if variant in variants and entry.is_live}


def _read(
    prices: MedusaPrices, lists: PriceLists, bodies: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str | None, Entry]]:
    """Yield (list, variant, entry) of these lists as they are. `bodies` are Medusa's rows by id."""
    make = _maker(lists, bodies)
    for list_id, row in prices.entries_of(bodies):
        yield list_id, entry_variant(row), make(list_id, row)


def _maker(
    lists: PriceLists,
    bodies: Mapping[str, Mapping[str, Any]],
    windows: Mapping[str, Window | None] = MappingProxyType({}),
) -> Callable[[str, Row], Entry]:
    """Return what makes an entry of the row that Medusa has in a list."""
    live = {list_id: lists.is_live(row) for list_id, row in bodies.items()}
    spans = {kept.id: kept.window for kept in lists.lists}

    def make(list_id: str, row: Row) -> Entry:
        return Entry(
            row["id"],
            list_id,
            windows.get(list_id),
            row["currency_code"].upper(),
            decimal_of(row["amount"]),
            Tier.of(row),
            live[list_id],
            spans.get(list_id),
        )

    return make
