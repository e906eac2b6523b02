"""The entries of our price lists in Medusa."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from decimal import Decimal
from sys import intern
from types import MappingProxyType
from typing import Any

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices, decimal_of, entry_variant
from erp_medusa_pipelines.sync.engine.batches import Batch
from erp_medusa_pipelines.sync.prices.lists import PriceLists
from erp_medusa_pipelines.sync.prices.plan import Entry
from erp_medusa_pipelines.sync.prices.windows import ANY_NUMBER, Tier, Window

LISTS_READ_AT_ONCE = 10
"""Lists per request for their entries: 5,000 entries are 1.2 MB and keep Medusa busy for 0.8 seconds."""

ByVariant = dict[str | None, list[Entry]]


@dataclass
class Entries:
    """Entries by variant (None: the variant is gone), and how many entries each list has."""

    by_variant: ByVariant = field(default_factory=lambda: defaultdict(list))
    sizes: Counter[str] = field(default_factory=Counter)
    replaced: ByVariant = field(default_factory=lambda: defaultdict(list))
    """Those in lists of another ERPNext Price List, which still count for customers."""


def read_entries(
    prices: MedusaPrices,
    lists: PriceLists,
    batch: Batch,
    own: Set[str],
    of_others: Callable[[Collection[str]], Collection[str]],
    unpriced: Callable[[Collection[str]], Collection[str]],
) -> Entries:
    """Read the batch's lists, and the entries of its variants `own` in lists of another number of batches.

    `of_others` returns which of some variants are of the other batches' items. One of those in a list of this batch,
    whose Website Item was renamed, is left out until the lists of its new batch show its price, or ERPNext has none:
    `unpriced` returns which of some variants have none.
    """
    found = Entries()
    kept_lists = {kept.id: kept for kept in lists.of_batch(batch)}
    windows = {list_id: lists.meaning(kept, batch) for list_id, kept in kept_lists.items()}
    bodies = {list_id: kept.body for list_id, kept in kept_lists.items()}
    labels = {list_id: kept.batch for list_id, kept in kept_lists.items()}
    moved: ByVariant = defaultdict(list)
    replaced: ByVariant = defaultdict(list)
    for list_id, variant_id, entry in _read(prices, lists, bodies, windows):
        found.sizes[list_id] += 1
        # A run of a few items ignores the entries of others.
        if variant_id in own:
            found.by_variant[variant_id].append(entry)
        elif labels[list_id] == batch.label and not batch.items:
            moved[variant_id].append(entry)
    if not batch.items:
        for list_id, variant_id, entry in _read(prices, lists, {row["id"]: row for row in lists.replaced_of(batch)}):
            found.sizes[list_id] += 1
            (found.replaced if variant_id in own else replaced)[variant_id].append(entry)
    strangers = {each for each in moved.keys() | replaced.keys() if each}
    others = of_others(strangers) if strangers else frozenset[str]()
    for left, into in ((moved, found.by_variant), (replaced, found.replaced)):
        for variant_id in left.keys() - others:
            into[variant_id] += left.pop(variant_id)
    if moved or replaced:
        bodies = {kept.id: kept.body for kept in lists.lists if kept.id not in kept_lists}
        variants = {each for each in moved.keys() | replaced.keys() if each}
        shown = _shown(prices, lists, bodies, variants)
        without = frozenset(unpriced(variants - {variant_id for variant_id, _ in shown}))
        _take_along(moved, found.by_variant, shown, without)
        _take_along(replaced, found.replaced, shown, without)
    return found


def _take_along(
    left: ByVariant, into: ByVariant, shown: Collection[tuple[str | None, str]], without: Collection[str | None]
) -> None:
    """Add what moved items left and nobody wants any more. What is shown elsewhere is no loss."""
    for variant_id, entries in left.items():
        if variant_id in without:
            into[variant_id] += entries
        elif now := [replace(each, is_live=False) for each in entries if (variant_id, each.currency) in shown]:
            into[variant_id] += now


def shown_prices(prices: MedusaPrices, lists: PriceLists) -> dict[str, set[str]]:
    """Return the currencies in which customers are asked a price by any of our lists, by variant."""
    found: dict[str, set[str]] = defaultdict(set)
    bodies = {kept.id: kept.body for kept in lists.lists} | {row["id"]: row for row in lists.replaced}
    for _, variant_id, entry in _read(prices, lists, bodies):
        if variant_id and entry.is_live:
            found[variant_id].add(entry.currency)
    return found


def _shown(
    prices: MedusaPrices, lists: PriceLists, bodies: Mapping[str, Mapping[str, Any]], variants: Collection[str | None]
) -> set[tuple[str | None, str]]:
    """Return (variant, currency) of what these lists show now of some variants."""
    found = _read(prices, lists, bodies)
    return {(variant, entry.currency) for _, variant, entry in found if variant in variants and entry.is_live}


def _read(
    prices: MedusaPrices,
    lists: PriceLists,
    bodies: Mapping[str, Mapping[str, Any]],
    windows: Mapping[str, Window | None] = MappingProxyType({}),
) -> Iterator[tuple[str, str | None, Entry]]:
    """Yield (list, variant, entry) of these lists, a few lists per request. `bodies` are Medusa's rows by id."""
    live = {list_id: lists.is_live(row) for list_id, row in bodies.items()}
    spans = {kept.id: kept.window for kept in lists.lists}
    # Entries share what is the same: a batch has tens of thousands.
    amounts: dict[float, Decimal] = {}
    for some in batched(bodies, LISTS_READ_AT_ONCE):
        for list_id, row in prices.entries_of(some):
            currency = intern(row["currency_code"].upper())
            amount = amounts.setdefault(row["amount"], decimal_of(row["amount"]))
            window, spanned = windows.get(list_id), spans.get(list_id)
            tier = Tier.of(row)
            entry = Entry(
                row["id"],
                list_id,
                window,
                currency,
                amount,
                ANY_NUMBER if tier == ANY_NUMBER else tier,
                live[list_id],
                spanned,
            )
            yield list_id, entry_variant(row), entry
