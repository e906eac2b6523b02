"""Count what customers are asked no more at the end of a run: entries to remove, and those of replaced lists."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices
from erp_medusa_pipelines.sync.engine.batches import WHOLE_SHOP
from erp_medusa_pipelines.sync.engine.brake import Limit, Loss
from erp_medusa_pipelines.sync.prices.amounts import AmountRule
from erp_medusa_pipelines.sync.prices.books import Book
from erp_medusa_pipelines.sync.prices.entries import Entries, shown_prices
from erp_medusa_pipelines.sync.prices.item_prices import (
    ITEMS_PER_REQUEST,
    ItemPrices,
    PricedItem,
    PricedItems,
    read_prices,
)
from erp_medusa_pipelines.sync.prices.lists import PriceLists
from erp_medusa_pipelines.sync.prices.own_prices import read_own_prices
from erp_medusa_pipelines.sync.prices.plan import Entry, ItemPlan, Today, plan_item


def price_limit(percent: int, setting: str) -> Limit:
    """Return how many items may lose their price."""
    return Limit(
        name="prices",
        what="items would lose their only price",
        percent=percent,
        setting=setting,
        allow="allow_removal",
        check=(
            "Check that the Price List of ERPNEXT_PRICE_LIST is the right one and complete, in a currency that Medusa"
            " has, and that ERPNext's user sees all Item Prices and Website Items."
        ),
    )


def group_limit(of_shop: Limit) -> Limit:
    """Return how many prices of customer groups may go: as many as of the shop's own, counted by themselves."""
    what = "prices that only some customers are asked would go, and they are asked everybody's"
    check = "Check the Price Lists of ERPNext's Customer Groups, and that ERPNext's user sees all Item Prices."
    return replace(of_shop, name="group_prices", what=what, check=check)


@dataclass
class Losses:
    """What one run would take away.

    `stale` are the entries to remove, by variant (None: the variant is gone), `replaced` those of replaced lists;
    `today` is what customers are to be asked now instead, by variant.
    """

    stale: dict[str | None, list[Entry]] = field(default_factory=dict)
    replaced: dict[str | None, list[Entry]] = field(default_factory=dict)
    today: dict[str | None, list[Today]] = field(default_factory=dict)
    loss: Loss = field(default_factory=Loss)

    def add(self, plan: ItemPlan, item_code: str, replaced: list[Entry]) -> None:
        """Note the stale entries of an item, and those that replaced lists have for it."""
        plan.shown |= {entry.currency for entry in replaced if entry.is_live}
        had = plan.had_price or bool(plan.shown)
        self._add(plan.variant_id, item_code, plan.stale, replaced, had=had, loses=plan.loses_price)
        if plan.today and (plan.stale or replaced):
            self.today[plan.variant_id] = plan.today
        if plan.stays_shown and not had:
            self.loss.gained.add(plan.variant_id)

    def add_unwanted(self, entries: Entries) -> None:
        """Note entries of items that are no longer exported, and of variants that are gone."""
        for variant_id in entries.unwanted.keys() | entries.replaced.keys():
            left, replaced = entries.unwanted.get(variant_id, []), entries.replaced.get(variant_id, [])
            shown = variant_id is not None and any(entry.is_live for entry in (*left, *replaced))
            self._add(variant_id, f"variant {variant_id}", left, replaced, had=shown, loses=shown)

    def _add(
        self, variant_id: str | None, name: str, stale: list[Entry], replaced: list[Entry], *, had: bool, loses: bool
    ) -> None:
        if stale:
            self.stale[variant_id] = stale
        if replaced:
            self.replaced[variant_id] = replaced
        if had and variant_id:
            self.loss.had.add(variant_id)
        if loses and variant_id:
            self.loss.lost[variant_id] = name


def together(losses: Iterable[tuple[Book, Loss]]) -> Loss:
    """Return the losses of several books as one: the same item counts in each."""
    found = Loss()
    for book, loss in losses:
        lost = {f"{book} {variant_id}": f"{name} in {book}" for variant_id, name in loss.lost.items()}
        had, gained = ({f"{book} {variant_id}" for variant_id in some} for some in (loss.had, loss.gained))
        found.add(Loss(lost, had, gained))
    return found


def without_hidden(loss: Loss, medusa: MedusaClient) -> Loss:
    """Return these losses without variants that no customer sees: their product is a draft, or gone."""
    if not loss.lost:
        return loss
    shown = medusa.shown_variants(loss.lost)
    hidden = loss.lost.keys() - shown
    lost = {each: name for each, name in loss.lost.items() if each in shown}
    return Loss(lost, loss.had - hidden, loss.gained)


@dataclass(frozen=True)
class ShopPrices:
    """Both sides of the prices of the whole shop, for counting."""

    erp: ErpNextClient
    medusa: MedusaClient
    prices: MedusaPrices
    lists: PriceLists
    rule: AmountRule

    def loss(self) -> Loss:
        """Return what the whole shop would lose, if every batch did what ERPNext says now. Writes nothing."""
        shown = shown_prices(self.prices, self.lists)
        wanted: dict[str, set[str]] = {}
        codes: dict[str, str] = {}
        exported = (item for item in PricedItems(self.erp, WHOLE_SHOP) if item.variant_id)
        for some in batched(exported, ITEMS_PER_REQUEST):
            prices = rows_of_book(self.erp, self.lists.book, some)
            for item in some:
                for has in prices.get(item.item_code, ()):
                    plan = plan_item(
                        item, has, (), rule=self.rule, today=self.lists.today, is_live=self.lists.is_live_window
                    )
                    wanted.setdefault(item.variant_id, set()).update(plan.stays_shown)
                codes[item.variant_id] = item.item_code
        lost = _lost(shown, wanted)
        loss = Loss({each: codes.get(each, f"variant {each}") for each in lost}, set(shown))
        return without_hidden(loss, self.medusa)


def rows_of_book(erp: ErpNextClient, book: Book, items: Sequence[PricedItem]) -> dict[str, list[ItemPrices]]:
    """Return what a book has of these items by item code, of each of its Customers by itself."""
    if book.is_own:
        own = read_own_prices(erp, book.owners, items)
        return {code: list(of_customers.values()) for code, of_customers in own.items()}
    return {code: [prices] for code, prices in read_prices(erp, book.price_list, items).items()}


def _lost(shown: Mapping[str, set[str]], wanted: Mapping[str, set[str]]) -> Iterable[str]:
    return [variant_id for variant_id, currencies in shown.items() if currencies - wanted.get(variant_id, set())]
