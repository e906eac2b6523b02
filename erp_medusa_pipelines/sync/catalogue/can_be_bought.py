"""Whether a customer can buy what the shop shows, and if not, why: judged by what Medusa holds.

What Medusa needs to put a product into a cart, and reading it in a few requests.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from erp_medusa_pipelines.clients.medusa import MedusaClient, metadata_of
from erp_medusa_pipelines.clients.medusa_inventory import MedusaInventory
from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices
from erp_medusa_pipelines.sync.engine.batches import Batch
from erp_medusa_pipelines.sync.shop.chosen import EVERYTHING, Choice

BUYABLE_FIELDS = (
    "id,external_id,status,sales_channels.id,variants.id,variants.manage_inventory,variants.allow_backorder,"
    "variants.prices.id,variants.prices.currency_code,variants.inventory_items.inventory.location_levels.location_id"
)
"""What `obstacles` needs of a product."""

Row = Mapping[str, Any]
What = Literal["product", "channel", "variant", "price set", "price", "inventory", "level"]
Unpriced = Callable[[Sequence[str], str], Mapping[str, str]]
"""Of these Website Items those for which ERPNext itself has no price today in a currency, with the reason."""
Unstocked = Callable[[Sequence[str]], Mapping[str, str]]
"""Of these Website Items those that ERPNext itself sells from nowhere, with the reason."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One reason why a product cannot be bought: what it lacks, and the reason in words for people."""

    what: What
    reason: str
    is_broken: bool = True
    """False where the shop is as ERPNext wants it: ERPNext has no price, or no warehouse to sell from."""


@dataclass(frozen=True, slots=True)
class SoldThrough:
    """How the shop sells: through a sales channel, its stock locations, the currency of its region."""

    sales_channel_id: str
    location_ids: frozenset[str]
    currency: str


def obstacles(product: Row | None, variant_id: str, shop: SoldThrough, *, is_priced: bool) -> list[Obstacle]:
    """Return why a product (BUYABLE_FIELDS) cannot be bought. `is_priced`: an entry of a price list is in force."""
    if product is None:
        return [Obstacle("product", "Medusa has no product for it")]
    found: list[Obstacle] = []
    if shop.sales_channel_id not in channels_of(product):
        found.append(Obstacle("channel", f"it is not in the sales channel {shop.sales_channel_id}"))
    variant = next((one for one in product["variants"] or () if one["id"] == variant_id), None)
    if variant is None:
        return [*found, Obstacle("variant", "its product has no variant with its id")]
    return [*found, *_price_obstacles(variant, shop, is_priced=is_priced), *_inventory_obstacles(variant, shop)]


def channels_of(product: Row) -> set[str]:
    """Return the sales channels that a product is in."""
    return {channel["id"] for channel in product["sales_channels"] or () if channel}


def _price_obstacles(variant: Row, shop: SoldThrough, *, is_priced: bool) -> Iterator[Obstacle]:
    base = variant.get("prices")
    if base is None:
        yield Obstacle("price set", "its variant has no price set, so that Medusa takes no price for it")
    elif not is_priced and not any(price["currency_code"].upper() == shop.currency for price in base):
        yield Obstacle("price", f"no price in {shop.currency} is in force")


def _inventory_obstacles(variant: Row, shop: SoldThrough) -> Iterator[Obstacle]:
    if not variant["manage_inventory"] or variant["allow_backorder"]:
        return
    items = [link.get("inventory") for link in variant["inventory_items"] or ()]
    # A bundle's variant has several, and is sold only if each of them is stocked.
    levels = [{level["location_id"] for level in item["location_levels"] or ()} for item in items if item]
    if not items or len(levels) < len(items):
        yield Obstacle("inventory", "its variant has no inventory item")
    elif not all(shop.location_ids.intersection(places) for places in levels):
        yield Obstacle("level", "it has no stock level at a location of the sales channel")


def is_in_force(price_list: Row, now: datetime) -> bool:
    """Return whether a price list is active at this moment, for customers of no group."""
    starts_at, ends_at = (datetime.fromisoformat(at) if (at := price_list[key]) else now for key in _LIMITS)
    return price_list["status"] == "active" and not price_list["rules_count"] and starts_at <= now <= ends_at


_LIMITS = ("starts_at", "ends_at")


@dataclass(kw_only=True)
class CanBeBought:
    """Asks one Medusa about products of one batch, at the moment `now`. Reads everything that all share only once.

    Prices are the entries that are in force in Medusa, whoever made their lists. Lists that an export keeps for other
    batches are not read.
    """

    medusa: MedusaClient
    sales_channel_id: str
    batch: Batch
    now: datetime
    unpriced: Unpriced = lambda _names, _currency: {}
    unstocked: Unstocked = lambda _names: {}
    choice: Choice = EVERYTHING
    """Which Website Items are in other sales channels than the shop's own."""
    _shops: dict[str, SoldThrough] = field(default_factory=dict[str, SoldThrough], init=False)
    _priced: dict[bool, frozenset[str]] = field(default_factory=dict[bool, frozenset[str]], init=False)

    def judge(
        self, wanted: Iterable[Row], products: Mapping[str, Row], *, seen: bool = False
    ) -> dict[str, list[Obstacle]]:
        """Return what keeps these Website Items (name, medusa_variant_id, `choice.columns`) from being bought, by name.

        One that can be bought has an empty list. `products` are theirs by name, with BUYABLE_FIELDS at least. With
        `seen` their prices are as the runs of this tick saw them. Raises TransientError.
        """
        shop, priced = self.sold_through(), self._variants_with_price(seen=seen)
        found: dict[str, list[Obstacle]] = {}
        for row in wanted:
            product, variant_id = products.get(row["name"]), row["medusa_variant_id"]
            each = [
                obstacles(product, variant_id, self.sold_through(channel), is_priced=variant_id in priced)
                for channel in self._channels(row, product)
            ]
            # A price that is missing is missing in each of them.
            found[row["name"]] = list(dict.fromkeys(one for some in each for one in some))
        self._explain(found, "price", lambda names: self.unpriced(names, shop.currency))
        self._explain(found, "level", self.unstocked)
        return found

    @staticmethod
    def _explain(found: dict[str, list[Obstacle]], what: What, ask: Unstocked) -> None:
        """Give what is missing the reason that ERPNext has for it, if it has one."""
        without = [name for name, reasons in found.items() if any(one.what == what for one in reasons)]
        for name, reason in ask(without).items() if without else ():
            found[name] = [
                replace(one, reason=reason, is_broken=False) if one.what == what else one for one in found[name]
            ]

    def sold_through(self, sales_channel_id: str = "") -> SoldThrough:
        """Return how the shop sells through a sales channel; without one named, through its own."""
        channel = sales_channel_id or self.sales_channel_id
        if channel not in self._shops:
            locations = frozenset(
                row["id"] for row in MedusaInventory(self.medusa).locations() if channel in channels_of(row)
            )
            currency = MedusaPrices(self.medusa).currency_sold_in()
            self._shops[channel] = SoldThrough(channel, locations, currency)
        return self._shops[channel]

    def locations_of(self, row: Row, product: Row) -> frozenset[str]:
        """Return the stock locations that the product of a Website Item is sold from."""
        return frozenset().union(*(self.sold_through(one).location_ids for one in self._channels(row, product)))

    def _channels(self, row: Row, product: Row | None) -> Sequence[str]:
        """Return the channels that the product must be in. That of variants is where its template puts it."""
        own = (self.sales_channel_id,)
        if not self.choice.channels:
            return own
        if row["name"] in self.batch.home:
            return sorted(channels_of(product) if product else ()) or own
        return self.choice.channels_of(row) or own

    def _variants_with_price(self, *, seen: bool) -> frozenset[str]:
        if seen not in self._priced:
            prices, currency = MedusaPrices(self.medusa), self.sold_through().currency
            in_force = [row["id"] for row in prices.lists() if is_in_force(row, self.now) and not self._of_another(row)]
            self._priced[seen] = frozenset(prices.sold_in(in_force, currency, seen=seen))
        return self._priced[seen]

    def _of_another(self, price_list: Row) -> bool:
        label = metadata_of(price_list).get("batch")
        same_count = isinstance(label, str) and label.endswith(f"/{self.batch.count}")
        return same_count and label != self.batch.label
