"""Count the entries to remove at the end of a run, and the items that would lose their only price.

Belongs here: counting. Does not belong here: whether so many may be removed (engine/brake.py), or the calls
(removals.py).
"""

from dataclasses import dataclass, field

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices
from erp_medusa_pipelines.sync.engine.batches import Batch
from erp_medusa_pipelines.sync.engine.brake import Counted
from erp_medusa_pipelines.sync.prices.amounts import AmountRule
from erp_medusa_pipelines.sync.prices.entries import Entries, read_entries
from erp_medusa_pipelines.sync.prices.item_prices import ITEMS_PER_REQUEST, ItemPrices, priced_items, read_prices
from erp_medusa_pipelines.sync.prices.lists import PriceLists
from erp_medusa_pipelines.sync.prices.plan import Entry, ItemPlan, plan_item


@dataclass
class Losses:
    """Entries to remove, by variant (None: the variant is gone), and the variants that would have no price left."""

    stale: dict[str | None, list[Entry]] = field(default_factory=dict)
    had_price: int = 0
    losing: set[str | None] = field(default_factory=set)

    @property
    def counted(self) -> Counted:
        """Return (items that would lose their only price, items with a price)."""
        return len(self.losing), self.had_price

    def add(self, plan: ItemPlan) -> None:
        """Note the stale entries of an item."""
        self._add(plan.variant_id, plan.stale, had_price=plan.had_price, loses_price=plan.loses_price)

    def add_unwanted(self, entries: Entries) -> None:
        """Note entries of items that are no longer exported, and of variants that are gone."""
        for variant_id, left in entries.by_variant.items():
            live = variant_id is not None and any(entry.window is not None for entry in left)
            self._add(variant_id, left, had_price=live, loses_price=live)

    def _add(self, variant_id: str | None, stale: list[Entry], *, had_price: bool, loses_price: bool) -> None:
        if stale:
            self.stale[variant_id] = stale
        self.had_price += had_price
        if loses_price:
            self.losing.add(variant_id)


@dataclass(frozen=True)
class ShopPrices:
    """Both sides of the prices of the whole shop, for counting."""

    erp: ErpNextClient
    price_list: str
    prices: MedusaPrices
    lists: PriceLists
    rule: AmountRule

    def losses(self, batches: int) -> Counted:
        """Return (items that would lose their only price, items with a price) over all batches. Writes nothing."""
        items = [item for item in priced_items(self.erp) if item.variant_id]
        losses = Losses()
        for batch in (Batch(index, batches) for index in range(batches)):
            own = [item for item in items if batch.contains(item.name)]
            entries = read_entries(self.prices, self.lists, batch, {item.variant_id for item in own})
            for some in batched(own, ITEMS_PER_REQUEST):
                prices = read_prices(self.erp, self.price_list, some)
                for item in some:
                    there = entries.by_variant.pop(item.variant_id, [])
                    wanted = prices.get(item.item_code, ItemPrices())
                    losses.add(plan_item(item, wanted, there, rule=self.rule, today=self.lists.today))
            losses.add_unwanted(entries)
        return losses.counted
