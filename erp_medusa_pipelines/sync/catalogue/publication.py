"""Drafts are published once they have a picture, a price and stock (PUBLISH_WHEN=complete).

Belongs here: what complete means, and publishing complete products. A published product stays published when its stock
runs out; product_updates.py handles products whose Website Item is not published.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.failures import TransientError
from erp_medusa_pipelines.sync.catalogue.bindings import is_own
from erp_medusa_pipelines.sync.catalogue.website_item_sync import WebsiteItemSync
from erp_medusa_pipelines.sync.engine.quarantine import lies_elsewhere
from erp_medusa_pipelines.sync.engine.report import SyncReport
from erp_medusa_pipelines.sync.shop import for_sale

SHOWN_IN_ERP = [["published", "=", 1], ["medusa_id", "is", "set"], ["medusa_variant_id", "is", "set"]]
ROW_FIELDS = ["name", "medusa_id", "medusa_variant_id", *for_sale.FIELDS]
STATUS_FIELDS = "id,external_id,status,thumbnail,variants.id,variants.manage_inventory,variants.allow_backorder"
LEVELS = "id,variants.id,location_levels.stocked_quantity,location_levels.reserved_quantity"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Publication:
    """A product to publish."""

    name: str
    product_id: str

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint of a refusal: it holds for this product."""
        return f"publish {self.product_id}"


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A Website Item that is not published yet, and what it lacks."""

    website_item: str
    lacks: str


def missing_parts(product: Row, variant_id: str, *, has_price: bool, stock: float) -> list[str]:
    """Return what a product lacks to be sold."""
    variant = next(one for one in product["variants"] if one["id"] == variant_id)
    sells_without_stock = variant["allow_backorder"] or not variant["manage_inventory"]
    parts = {
        "picture": bool(product["thumbnail"]),
        "price": has_price,
        "stock": sells_without_stock or stock > 0,
    }
    return [name for name, is_there in parts.items() if not is_there]


@dataclass(kw_only=True)
class Publications(WebsiteItemSync):
    """One run for one batch. `price_list` is the ERP's; `run` fills `incomplete`."""

    price_list: str
    incomplete: list[Incomplete] = field(default_factory=list)

    def run(self) -> SyncReport:
        """Publish complete products; transient failures go into the report."""
        names = list(self.reader.names(self.batch, filters=SHOWN_IN_ERP))
        self.report.count("found", len(names))
        for some in batched(names, self.options.window):
            try:
                complete = self._complete(some)
            except TransientError as error:
                self.defer(some, error)
                continue
            for chunk in batched(complete, self.options.chunk):
                self.send_chunk(chunk, self._send, lies=lies_elsewhere)
        self.report.count("incomplete", len(self.incomplete))
        return self.report

    def _complete(self, names: Sequence[str]) -> list[Publication]:
        """Return the drafts among these Website Items that are complete."""
        today = self.erp.clock().date()
        read = self.erp.rows_in(WEBSITE_ITEM, ROW_FIELDS, names, filters=SHOWN_IN_ERP)
        rows = [row for row in read if for_sale.reason_against(row, today) is None]
        found = self.medusa.products_by("id", (row["medusa_id"] for row in rows), STATUS_FIELDS)
        drafts = {product["id"]: product for product in found if product["status"] == "draft"}
        waiting = [row for row in rows if is_own(row, drafts.get(row["medusa_id"]))]
        self.report.count("unchanged", len(rows) - len(waiting))
        self.report.advance(len(names) - len(waiting))
        if not waiting:
            return []
        priced, stock = self._priced(waiting), self._stock(waiting)
        complete: list[Publication] = []
        for row in waiting:
            variant_id = row["medusa_variant_id"]
            has_price = row["item_code"] in priced
            lacks = missing_parts(drafts[row["medusa_id"]], variant_id, has_price=has_price, stock=stock[variant_id])
            one = Publication(row["name"], row["medusa_id"])
            if lacks:
                self.incomplete.append(Incomplete(row["name"], ", ".join(lacks)))
                self.report.advance(1)
            else:
                complete.append(one)
        return complete

    def _priced(self, rows: Sequence[Row]) -> set[str]:
        """Return item codes with an Item Price that Medusa has, by the entry's id that the price sync stored."""
        filters = [["price_list", "=", self.price_list], ["medusa_price_id", "is", "set"]]
        codes = [row["item_code"] for row in rows if row["item_code"]]
        return {
            row["item_code"]
            for row in self.erp.rows_in("Item Price", ["item_code"], codes, key="item_code", filters=filters)
        }

    def _stock(self, rows: Sequence[Row]) -> dict[str, float]:
        """Return the available quantity of each variant, in pieces."""
        quantities: dict[str, float] = defaultdict(float)
        codes = [row["item_code"] for row in rows if row["item_code"]]
        for item in self.medusa.inventory_items_by_sku(codes, LEVELS):
            levels = item["location_levels"] or ()
            free = sum(level["stocked_quantity"] - level["reserved_quantity"] for level in levels)
            for variant in item["variants"] or ():
                quantities[variant["id"]] += free
        return quantities

    def _send(self, group: Sequence[Publication]) -> None:
        updates = [{"id": one.product_id, "status": "published"} for one in group]
        self.medusa.batch_products(update=updates, fields="id")
        self.report.count("updated", len(group))
        self.report.advance(len(group))
