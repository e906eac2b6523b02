"""Count what customers are asked no more at the end of a run: entries to remove, and those of replaced lists."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import NamedTuple

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices
from erp_medusa_pipelines.sync.engine.batches import WHOLE_SHOP
from erp_medusa_pipelines.sync.engine.brake import Guard, Limit, Loss, MassLossError
from erp_medusa_pipelines.sync.prices.amounts import AmountRule
from erp_medusa_pipelines.sync.prices.books import Book, Key
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
    """Return how many prices that only some customers are asked may go: as many as of the shop's own.

    Each Price List of theirs is counted by itself, each Customer's own prices are, and all together.
    """
    what = "prices that only some customers are asked would go, and they are asked everybody's"
    check = "Check the Price Lists of ERPNext's Customers and their groups, and that its user sees all Item Prices."
    return replace(of_shop, name="group_prices", what=what, check=check)


@dataclass
class Losses:
    """What one run would take away of one book.

    `stale` are the entries to remove, by variant (None: the variant is gone), `replaced` those of replaced lists;
    `today` is what customers are to be asked now instead, by variant.
    """

    book: Book
    stale: dict[str | None, list[Entry]] = field(default_factory=dict)
    replaced: dict[str | None, list[Entry]] = field(default_factory=dict)
    today: dict[str | None, list[Today]] = field(default_factory=dict)
    by_group: dict[str, Loss] = field(default_factory=lambda: defaultdict(Loss))
    """By the one customer group of Medusa that is asked an entry; "" for all that the book is for."""

    def add(self, plan: ItemPlan, item_code: str, replaced: list[Entry]) -> None:
        """Note the stale entries of an item, and those that replaced lists have for it."""
        plan.shown |= {(asked(entry, self.book), entry.currency) for entry in replaced if entry.is_live}
        self._keep(plan.variant_id, plan.stale, replaced)
        if plan.today and (plan.stale or replaced):
            self.today[plan.variant_id] = plan.today
        before = plan.asked_before
        for group in before:
            self.by_group[group].had.add(plan.variant_id)
        for group in plan.losers:
            self.by_group[group].lost[plan.variant_id] = item_code
        for group in {group for group, _ in plan.stays_shown} - before:
            self.by_group[group].gained.add(plan.variant_id)

    def add_unwanted(self, entries: Entries) -> None:
        """Note entries of items that are no longer exported, and of variants that are gone."""
        for variant_id in entries.unwanted.keys() | entries.replaced.keys():
            left, replaced = entries.unwanted.get(variant_id, []), entries.replaced.get(variant_id, [])
            self._keep(variant_id, left, replaced)
            if variant_id is not None:
                for group in {asked(entry, self.book) for entry in (*left, *replaced) if entry.is_live}:
                    self.by_group[group].had.add(variant_id)
                    self.by_group[group].lost[variant_id] = f"variant {variant_id}"

    def _keep(self, variant_id: str | None, stale: list[Entry], replaced: list[Entry]) -> None:
        if stale:
            self.stale[variant_id] = stale
        if replaced:
            self.replaced[variant_id] = replaced


def asked(entry: Entry, book: Book) -> str:
    """Return the one group whose members are asked an entry; "" where all for whom the book is are asked the same."""
    return entry.tier.group if book.is_own else ""


class Party(NamedTuple):
    """Customers who are asked the same by a book: all for whom it is, or one of those with prices of their own."""

    book: Key
    group: str
    name: str


def parties_of(book: Book) -> list[Party]:
    """Return who is asked the prices of a book. Groups of nobody any more are left out: they lose nothing."""
    if book.is_own:
        return [Party(book.key, owner.group, f"for Customer {owner.customer}") for owner in book.owners.values()]
    return [Party(book.key, "", f"in {book}")]


def together(losses: Iterable[tuple[Party, Loss]]) -> Loss:
    """Return the losses of several parties as one: the same item counts for each."""
    found = Loss()
    for party, loss in losses:
        lost = {f"{party.name} {variant_id}": f"{name} {party.name}" for variant_id, name in loss.lost.items()}
        had, gained = ({f"{party.name} {variant_id}" for variant_id in some} for some in (loss.had, loss.gained))
        found.add(Loss(lost, had, gained))
    return found


def without_hidden(losses: Sequence[Loss], medusa: MedusaClient) -> list[Loss]:
    """Return these losses without variants that no customer sees: their product is a draft, or gone."""
    lost = {variant_id for loss in losses for variant_id in loss.lost}
    hidden = lost - medusa.shown_variants(lost) if lost else lost
    return [
        Loss({each: name for each, name in loss.lost.items() if each not in hidden}, loss.had - hidden, loss.gained)
        for loss in losses
    ]


def stopped_parties(
    guard: Guard, losses: Mapping[Party, Loss], in_shop: Callable[[Party], Loss]
) -> tuple[Collection[Party], MassLossError | None]:
    """Return which parties must keep what they would lose, and why: each is judged by itself, then all together.

    `in_shop` counts what a party loses in the whole shop.
    """
    in_shop = cache(in_shop)

    def refusal_of(party: Party) -> MassLossError | None:
        loss = together([(party, losses[party])])
        return guard.refusal_of_some(loss, lambda: together([(party, in_shop(party))]))

    refused = {party: refusal for party, loss in losses.items() if loss.lost and (refusal := refusal_of(party))}
    # What is stopped is no loss that has to be remembered.
    going = [(party, replace(loss, lost={}) if party in refused else loss) for party, loss in losses.items()]
    if refusal := guard.refusal(together(going), lambda: together((party, in_shop(party)) for party in losses)):
        return losses.keys(), refusal
    if not refused:
        return (), None
    (_, why), *more = refused.items()
    others = ", ".join(party.name for party, _ in more)
    return refused.keys(), MassLossError(f"{why}. The same goes for prices {others}" if others else str(why))


@dataclass(frozen=True)
class ShopPrices:
    """Both sides of the prices of the whole shop, for counting."""

    erp: ErpNextClient
    medusa: MedusaClient
    prices: MedusaPrices
    lists: PriceLists
    rule: AmountRule
    packs: bool
    """Whether Item Prices for packs count."""

    def losses(self) -> dict[str, Loss]:
        """Return what the whole shop would lose, if every batch did what ERPNext says now, by group as `Losses` has it.

        Writes nothing.
        """
        book = self.lists.book
        shown = shown_prices(self.prices, self.lists)
        wanted: dict[tuple[str, str], set[str]] = defaultdict(set)
        codes: dict[str, str] = {}
        exported = (item for item in PricedItems(self.erp, WHOLE_SHOP) if item.variant_id in shown)
        for some in batched(exported, ITEMS_PER_REQUEST):
            for item, group, prices in rows_of_book(self.erp, book, some):
                rows = replace(prices, rows=(*prices.rows, *prices.packs)) if self.packs else prices
                plan = plan_item(
                    item, rows, (), rule=self.rule, today=self.lists.today, is_live=self.lists.is_live_window
                )
                wanted[group, item.variant_id] |= {currency for _, currency in plan.stays_shown}
            codes |= {item.variant_id: item.item_code for item in some}
        found: dict[str, Loss] = defaultdict(Loss)
        for variant_id, entries in shown.items():
            there: dict[str, set[str]] = defaultdict(set)
            for entry in entries:
                there[asked(entry, book)].add(entry.currency)
            for group, currencies in there.items():
                found[group].had.add(variant_id)
                if currencies - wanted[group, variant_id]:
                    found[group].lost[variant_id] = codes.get(variant_id, f"variant {variant_id}")
        return dict(zip(found, without_hidden([*found.values()], self.medusa), strict=True))


def rows_of_book(
    erp: ErpNextClient, book: Book, items: Sequence[PricedItem]
) -> Iterator[tuple[PricedItem, str, ItemPrices]]:
    """Yield what a book has of these items, of each of its Customers by itself, with its group as `asked` has it."""
    if not book.is_own:
        prices = read_prices(erp, book.price_list, items)
        yield from ((item, "", prices[item.item_code]) for item in items)
        return
    own = read_own_prices(erp, book.owners, items)
    for item in items:
        for name, prices in own.get(item.item_code, {}).items():
            if owner := book.owners.get(name):
                yield item, owner.group, prices
