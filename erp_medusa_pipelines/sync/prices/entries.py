"""The entries of our price lists in Medusa.

Belongs here: reading them, by variant. Does not belong here: what should be there (plan.py), or writing (sender.py,
removals.py).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices, decimal_of, entry_variant
from erp_medusa_pipelines.sync.engine.batches import Batch
from erp_medusa_pipelines.sync.prices.lists import PriceLists
from erp_medusa_pipelines.sync.prices.plan import Entry

LISTS_READ_AT_ONCE = 10
"""Lists per request for their entries: 5,000 entries are 1.2 MB and keep Medusa busy for 0.8 seconds."""


@dataclass
class Entries:
    """Entries by variant (None: the variant is gone), and how many entries each list has."""

    by_variant: dict[str | None, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    sizes: Counter[str] = field(default_factory=Counter)


def read_entries(prices: MedusaPrices, lists: PriceLists, batch: Batch, own: Iterable[str]) -> Entries:
    """Read the batch's lists, and the entries of its variants `own` in lists of another number of batches."""
    found, own, label = Entries(), set(own), batch.label
    kept_lists = {kept.id: kept for kept in lists.of_batch(batch)}
    windows = {list_id: lists.meaning(kept, batch) for list_id, kept in kept_lists.items()}
    for some in batched(kept_lists, LISTS_READ_AT_ONCE):
        for list_id, row in prices.entries_of(some):
            found.sizes[list_id] += 1
            variant_id = entry_variant(row)
            # A run of a few items ignores the entries of others.
            if variant_id in own or (kept_lists[list_id].batch == label and not batch.items):
                currency, amount = row["currency_code"].upper(), decimal_of(row["amount"])
                found.by_variant[variant_id].append(Entry(row["id"], list_id, windows[list_id], currency, amount))
    return found
