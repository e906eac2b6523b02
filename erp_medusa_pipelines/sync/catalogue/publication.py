"""Drafts are published once a customer can buy them, and published products that nobody can buy are found.

What complete means (PUBLISH_WHEN=complete: with a picture, a price and stock), and publishing complete products. A
published product stays published when its stock runs out; product_updates.py handles products whose Website Item is not
published. What Medusa needs to sell a product is in can_be_bought.py: it is judged by what Medusa holds, never by ids
in ERPNext.

A product waits for a picture while its Website Item has none, since somebody has to attach one. Where one is attached
and does not arrive - it is damaged, or each upload fails - the product waits a few days only: whoever attached it took
the item for complete, and the rejects of the pictures keep naming what is wrong with it.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.failures import TransientError
from erp_medusa_pipelines.sync.catalogue.bindings import is_own
from erp_medusa_pipelines.sync.catalogue.can_be_bought import BUYABLE_FIELDS, CanBeBought, Obstacle
from erp_medusa_pipelines.sync.catalogue.image_files import NEW_IMAGES
from erp_medusa_pipelines.sync.catalogue.seen_products import seen_products
from erp_medusa_pipelines.sync.catalogue.website_item_sync import WebsiteItemSync
from erp_medusa_pipelines.sync.engine.quarantine import Held, Lies, lies_elsewhere
from erp_medusa_pipelines.sync.engine.report import SyncReport
from erp_medusa_pipelines.sync.shop.for_sale import for_sale_in
from erp_medusa_pipelines.sync.shop.listing import listed

PUBLISHED = [["published", "=", 1]]
ROW_FIELDS = ["name", "medusa_id", "medusa_variant_id", "website_image"]
_INVENTORY = "variants.inventory_items."
DRAFT_FIELDS = (
    f"{BUYABLE_FIELDS},thumbnail,{_INVENTORY}required_quantity,"
    f"{_INVENTORY}inventory.location_levels.stocked_quantity,{_INVENTORY}inventory.location_levels.reserved_quantity"
)

PICTURE = "picture"
WAITS_FOR_PICTURE = timedelta(days=3)
"""So long a product that lacks nothing but its attached picture waits for it: a weekend without anybody."""

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


@dataclass(frozen=True, slots=True)
class NotBought:
    """A Website Item that ERPNext sells, whose product is published or missing, and that no customer can buy."""

    website_item: str
    reason: str
    is_broken: bool


def missing_parts(product: Row, variant_id: str, obstacles: Sequence[Obstacle], locations: frozenset[str]) -> list[str]:
    """Return what a product (DRAFT_FIELDS) lacks to be sold; `locations` are those of its sales channels."""
    variant = next((one for one in product["variants"] if one["id"] == variant_id), None)
    in_words = {"price set": "price", "price": "price", "inventory": "stock", "level": "stock"}
    missing = [] if product["thumbnail"] else [PICTURE]
    missing += [in_words.get(each.what, each.reason) for each in obstacles]
    if variant is not None and not sells_now(variant, locations):
        missing.append("stock")
    return list(dict.fromkeys(missing))


def sells_now(variant: Row, locations: frozenset[str]) -> bool:
    """Return whether at least one piece can be bought of it, at these locations."""
    if variant["allow_backorder"] or not variant["manage_inventory"]:
        return True
    pieces = []
    for link in variant["inventory_items"] or ():
        levels = (link.get("inventory") or {}).get("location_levels") or ()
        here = [level for level in levels if level["location_id"] in locations]
        free = sum(level["stocked_quantity"] - level["reserved_quantity"] for level in here)
        pieces.append(math.floor(free / (link.get("required_quantity") or 1)))
    return min(pieces, default=0) > 0


@dataclass(kw_only=True)
class Publications(WebsiteItemSync):
    """One run for one batch; `run` fills `incomplete` and `not_bought`. `today` is the ERP's date."""

    buyable: CanBeBought
    today: date
    publishes: bool = True
    """Whether drafts go live once they are complete; else they are left alone."""
    incomplete: list[Incomplete] = field(default_factory=list)
    not_bought: list[NotBought] = field(default_factory=list)

    def run(self) -> SyncReport:
        """Publish complete products and judge those that are published; transient failures go into the report."""
        fields = [*ROW_FIELDS, *for_sale_in(self.erp).fields]
        for rows in batched(listed(self.erp, self.batch, fields, filters=PUBLISHED), self.options.window):
            some = [row["name"] for row in rows]
            self.report.count("found", len(some))
            if self.outage:
                self.defer(some, self.outage)
                continue
            try:
                complete = self._complete(rows)
            except TransientError as error:
                (self.erp_breaker if error.service == self.erp.http.service else self.medusa_breaker).failed(error)
                self.defer(some, error)
                continue
            for chunk in batched(complete, self.options.chunk):
                self.send_chunk(chunk, self._send, lies=lies_elsewhere)
        self.report.count("incomplete", len(self.incomplete))
        return self.report

    def _complete(self, published: Sequence[Row]) -> list[Publication]:
        """Return the drafts among these Website Items that are complete. Notes the others that nobody can buy."""
        sold_here = for_sale_in(self.erp)
        rows = [row for row in published if sold_here.reason_against(row, self.today) is None]
        products = self._own_products(rows, self._seen)
        waiting = [row for row in rows if self.publishes and _status(products.get(row["name"])) == "draft"]
        # A draft is what staff or the status policy want, if it is not one that waits.
        self._judge([row for row in rows if _status(products.get(row["name"])) in ("published", "")], products)
        self.report.count("unchanged", len(rows) - len(waiting))
        # What goes live is decided by what ERPNext says now.
        names = [row["name"] for row in waiting]
        now = self.erp.rows_in(WEBSITE_ITEM, [*ROW_FIELDS, *sold_here.fields], names, filters=PUBLISHED)
        waiting = [row for row in now if sold_here.reason_against(row, self.today) is None]
        self.report.advance(len(published) - len(waiting))
        if not waiting:
            return []
        drafts = self._own_products(waiting, self._drafts)
        obstacles = self.buyable.judge(waiting, drafts)
        lacks = {
            row["name"]: missing_parts(
                draft, row["medusa_variant_id"], obstacles[row["name"]], self.buyable.locations_of(row, draft)
            )
            for row in waiting
            if (draft := drafts.get(row["name"]))
        }
        named = {row["name"] for row in waiting if row["website_image"]}
        for name in self._pictures_given_up([name for name, parts in lacks.items() if parts == [PICTURE]], named):
            lacks[name] = []
        complete: list[Publication] = []
        for row in waiting:
            parts = lacks.get(row["name"], ["product"])
            if parts:
                self.incomplete.append(Incomplete(row["name"], ", ".join(parts)))
                self.report.advance(1)
            else:
                complete.append(Publication(row["name"], row["medusa_id"]))
        return complete

    def _seen(self, ids: Iterable[str]) -> list[Row]:
        return list(seen_products(self.medusa, ids, BUYABLE_FIELDS))

    def _now(self, ids: Iterable[str]) -> list[Row]:
        return list(self.medusa.products_by("id", ids, BUYABLE_FIELDS))

    def _drafts(self, ids: Iterable[str]) -> list[Row]:
        return list(self.medusa.products_by("id", ids, DRAFT_FIELDS))

    def _own_products(self, rows: Sequence[Row], look_up: Callable[[Iterable[str]], list[Row]]) -> dict[str, Row]:
        """Return the products of these Website Items by their names. A copy's ids may be those of another item."""
        found = look_up(row["medusa_id"] for row in rows)
        products = {product["id"]: product for product in found}
        return {
            row["name"]: product
            for row in rows
            if (product := products.get(row["medusa_id"]))
            and is_own({"name": self.batch.home.get(row["name"], row["name"])}, product)
        }

    def _judge(self, rows: Sequence[Row], products: Mapping[str, Row]) -> None:
        found = self.buyable.judge(rows, products, seen=True) if rows else {}
        # All is as the run saw it, before it wrote the stock. Whether ERPNext has a price was asked now.
        doubtful = [row for row in rows if any(one.is_broken for one in found[row["name"]])]
        if doubtful and self.medusa.reading is not None:
            now = self._own_products(doubtful, self._now)
            # One that was made a draft meanwhile is what somebody wants.
            still = [row for row in doubtful if _status(now.get(row["name"])) in ("published", "")]
            found |= {row["name"]: [] for row in doubtful} | (self.buyable.judge(still, now) if still else {})
        for name, reasons in found.items():
            if reasons:
                broken = any(one.is_broken for one in reasons)
                self.not_bought.append(NotBought(name, "; ".join(one.reason for one in reasons), broken))

    def _pictures_given_up(self, names: Sequence[str], named: Collection[str]) -> list[str]:
        """Return those that have waited long enough for a picture, and note since when the others wait.

        A picture is attached, or `named` has the Website Item: its field names one.
        """
        files = self.erp.rows_in("File", ["attached_to_name"], names, key="attached_to_name", filters=NEW_IMAGES)
        given_up = []
        for name in sorted({file["attached_to_name"] for file in files} | {name for name in names if name in named}):
            before = self.quarantine.before(name, PICTURE)
            since = before.fingerprint if before else self.today.isoformat()
            # A wait, not a reject: the picture itself has one.
            wait = Held(since, "waits for its attached picture", Lies.ELSEWHERE, kind=PICTURE, failures=1)
            self.quarantine.put(name, wait)
            if self.today - date.fromisoformat(since) >= WAITS_FOR_PICTURE:
                given_up.append(name)
        self.report.count("published_without_picture", len(given_up))
        return given_up

    def _send(self, group: Sequence[Publication]) -> None:
        # Variants may be complete on the same day.
        ids = dict.fromkeys(one.product_id for one in group)
        updates = [{"id": product_id, "status": "published"} for product_id in ids]
        self.medusa.batch_products(update=updates, fields="id")
        self.report.count("updated", len(group))
        self.report.advance(len(group))


def _status(product: Row | None) -> str:
    return product["status"] if product else ""
