"""Why an item has its quantity and its price: the parts that they are made of in ERPNext. Reads only."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.sync.engine.batches import Batch
from erp_medusa_pipelines.sync.engine.names import ByName
from erp_medusa_pipelines.sync.prices.item_prices import price_today
from erp_medusa_pipelines.sync.stock.items import StockItems, warehouse_rows
from erp_medusa_pipelines.sync.stock.on_hand import OnHand, Places
from erp_medusa_pipelines.sync.stock.quantities import QuantityReader, StockRule
from erp_medusa_pipelines.sync.stock.warehouses import Warehouses


@dataclass(frozen=True)
class QuantityParts:
    """What can be sold of an Item at one stock location, in its stock unit: see `OnHand`."""

    item_code: str
    location: str
    """The name in Medusa."""
    actual: float
    expired: float
    reserved: float
    safety: float
    for_sale: float
    ordered: float
    in_each_bundle: float | None = None
    """Of a part of a Product Bundle: how many pieces are in each bundle."""

    def __str__(self) -> str:
        """Return the sum in words."""
        names = {"expired": "expired", "reserved": "reserved elsewhere", "safety": "safety stock"}
        parts = "".join(f" - {getattr(self, key):g} {name}" for key, name in names.items())
        ordered = f", of which {self.ordered:g} ordered in Medusa" if self.ordered else ""
        of_bundle = f" ({self.in_each_bundle:g} in each bundle)" if self.in_each_bundle is not None else ""
        total = f"{self.actual:g} actual{parts} = {self.for_sale:g} for sale{ordered}"
        return f"{self.item_code}{of_bundle} at {self.location}: {total}"


@dataclass(frozen=True)
class PriceUsed:
    """The Item Price that ERPNext uses today."""

    item_price: str
    price_list: str
    rate: str
    currency: str
    unit: str
    """The stock unit, which the item is sold in."""
    is_of_template: bool

    def __str__(self) -> str:
        """Return it in words."""
        whose = " of its template" if self.is_of_template else ""
        return f"{self.rate} {self.currency} per {self.unit}: Item Price {self.item_price}{whose} in {self.price_list}"


def price_used(erp: ErpNextClient, price_list: str, website_item: str) -> PriceUsed | None:
    """Return the Item Price that counts for a Website Item today, or None if ERPNext has none."""
    found = price_today(erp, price_list, website_item)
    if found is None:
        return None
    row, unit = found
    return PriceUsed(row.name, price_list, f"{row.rate.normalize():f}", row.currency, unit, row.inherited)


def quantity_parts(
    erp: ErpNextClient, medusa: MedusaClient, settings: Settings, website_item: str, locations: Mapping[str, str]
) -> list[QuantityParts]:
    """Return the quantities of a Website Item at each stock location; of a bundle, those of its parts come first.

    `locations` is {id: name}. Empty for an item without a quantity, as a service, and for one without a warehouse.
    """
    items = StockItems(erp, Batch(0, 1, frozenset({website_item})))
    own = list(items)
    warehouses = Warehouses(
        warehouse_rows(erp),
        settings.warehouse_stock_locations,
        medusa.stock_location_id(settings.medusa_stock_location_id),
        every_one=settings.stock_quantity == "actual",
    )
    reader = QuantityReader(erp, warehouses, StockRule(settings.stock_quantity, settings.safety_stock))
    found = reader.read(
        {item.name: item for item in own},
        ByName((item.item_code, item.warehouse) for item in items.parts),
    )
    code = next((item.item_code for item in own), website_item)
    parts: Sequence[tuple[str, float | None, Places]] = [
        *((part, pieces, places) for part, (pieces, places) in found.parts.get(website_item, {}).items()),
        (code, None, found.on_hand.get(website_item, {})),
    ]
    return list(_lines(parts, locations))


def _lines(parts: Sequence[tuple[str, float | None, Places]], locations: Mapping[str, str]) -> Iterator[QuantityParts]:
    for code, pieces, places in parts:
        for location, quantity in places.items():
            yield _line(code, locations.get(location, location), quantity, pieces)


def _line(code: str, location: str, of: OnHand, pieces: float | None) -> QuantityParts:
    return QuantityParts(
        code, location, of.actual, of.expired, of.reserved, of.safety, of.for_sale, of.ordered, in_each_bundle=pieces
    )
