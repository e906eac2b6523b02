"""Exported products whose Website Item changed are updated; unpublished ones become drafts.

Belongs here: finding the difference and sending it. The mapping is in product_bodies.py. What was sent last is known by
its fingerprint in the product's metadata, so nothing is sent for items that did not change - nor for saves that changed
nothing Medusa is told of.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from erp_medusa_pipelines.clients.failures import TransientError
from erp_medusa_pipelines.sync.batch_sync import BatchSync
from erp_medusa_pipelines.sync.isolate import chunks, json_bytes
from erp_medusa_pipelines.sync.pipeline import Stage, ahead
from erp_medusa_pipelines.sync.product_bodies import HASH_KEY, fingerprint, update_body
from erp_medusa_pipelines.sync.report import SyncReport
from erp_medusa_pipelines.sync.website_items import WebsiteItem

BOUND = [["medusa_id", "is", "set"], ["medusa_variant_id", "is", "set"]]

COMPARED_FIELDS = (
    "id,external_id,metadata,variants.id,variants.title,variants.sku,variants.barcode,variants.manage_inventory,"
    "variants.allow_backorder"
)


@dataclass(frozen=True, slots=True)
class Update:
    """A product about to be updated."""

    name: str
    body: dict[str, Any]
    mark: str


@dataclass(kw_only=True)
class ProductUpdates(BatchSync):
    """One run of the updates for one batch. `collections` holds collection ids by Item Group name."""

    collections: Mapping[str, str]

    def run(self) -> SyncReport:
        """Update the batch; everything but AccessError ends in the report."""
        names = list(self.reader.names(self.batch, filters=BOUND))
        self.report.count("found", len(names))
        updating = Stage("update", self.options.parallel)
        try:
            for window in ahead(self.windows(names)):
                for chunk in chunks(
                    self._differences(window),
                    lambda update: json_bytes(update.body),
                    most=self.options.chunk,
                    most_bytes=self.options.chunk_bytes,
                ):
                    updating.submit(self.send_chunk, chunk, self._send)
            updating.finish()
        finally:
            updating.close()
        return self.report

    def _differences(self, window: Sequence[WebsiteItem]) -> Iterator[Update]:
        try:
            found = self.medusa.products_by("id", (item.row["medusa_id"] for item in window), COMPARED_FIELDS)
        except TransientError as error:
            self.medusa_breaker.failed(error)
            self.leave((item.name for item in window), error)
            return
        products = {product["id"]: product for product in found}
        for item in window:
            collection_id = self.collections.get(item.row["item_group"] or "")
            mark = fingerprint(item, collection_id)
            product = products.get(item.row["medusa_id"])
            wrong = self._wrong_binding(item, product)
            if wrong:
                self.reject(item.name, mark, wrong, "medusa_id")
            elif product is not None and (product["metadata"] or {}).get(HASH_KEY) == mark:
                self.report.count("unchanged")
                self.report.done(1)
            elif product is not None and not self.held(item.name, mark):
                yield Update(item.name, update_body(item, collection_id, mark, product), mark)

    @staticmethod
    def _wrong_binding(item: WebsiteItem, product: Mapping[str, Any] | None) -> str | None:
        """Why the ids on the Website Item cannot be right; such items are compared anew in each run, never sent."""
        product_id = item.row["medusa_id"]
        again = "empty medusa_id and medusa_variant_id of the Website Item to export it again"
        if product is None:
            return f"product {product_id} is not in Medusa any more: {again}"
        if product["external_id"] and product["external_id"] != item.name:
            # A copied document brings the ids of its original along.
            return f"product {product_id} belongs to Website Item {product['external_id']}: {again}"
        if not any(variant["id"] == item.row["medusa_variant_id"] for variant in product["variants"]):
            return f"variant {item.row['medusa_variant_id']} is not of product {product_id}: {again}"
        return None

    def _send(self, group: Sequence[Update]) -> None:
        self.medusa.batch_products(update=[update.body for update in group], fields="id")
        self.report.count("updated", len(group))
        self.report.done(len(group))
