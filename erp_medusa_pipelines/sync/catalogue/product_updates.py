"""Exported products whose Website Item changed are updated; unpublished ones become drafts.

Belongs here: finding the difference and sending it. The mapping is in product_bodies.py. What was sent last is known by
its fingerprint in the product's metadata, so nothing is sent for items that did not change - nor for saves that changed
nothing Medusa is told of.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.failures import TransientError
from erp_medusa_pipelines.sync.catalogue.image_files import shown_at
from erp_medusa_pipelines.sync.catalogue.product_bodies import (
    HASH_KEY,
    IMAGE_KEY,
    fingerprint_of,
    image_mark,
    update_body,
)
from erp_medusa_pipelines.sync.catalogue.website_item_sync import WebsiteItemSync
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem
from erp_medusa_pipelines.sync.engine.delivery import chunks, json_bytes
from erp_medusa_pipelines.sync.engine.report import SyncReport
from erp_medusa_pipelines.sync.engine.stages import Stage, ahead

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
    fingerprint: str


@dataclass(kw_only=True)
class ProductUpdates(WebsiteItemSync):
    """One run of the updates for one batch. `collections` holds collection ids by Item Group name."""

    collections: Mapping[str, str]

    def run(self) -> SyncReport:
        """Update the batch; everything but AccessError ends in the report."""
        names = list(self.reader.names(self.batch, filters=BOUND))
        self.report.count("found", len(names))
        updating = Stage("update", self.options.parallel)
        try:
            for window in ahead(self.items(names)):
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
            self.defer((item.name for item in window), error)
            return
        products = {product["id"]: product for product in found}
        changed: list[tuple[WebsiteItem, Mapping[str, Any], str]] = []
        for item in window:
            collection_id = self.collections.get(item.row["item_group"] or "")
            fingerprint = fingerprint_of(item, collection_id)
            product = products.get(item.row["medusa_id"])
            wrong = self._wrong_binding(item, product)
            if wrong:
                self.reject(item.name, fingerprint, wrong, "medusa_id")
            elif product is not None and (product["metadata"] or {}).get(HASH_KEY) == fingerprint:
                self.report.count("unchanged")
                self.report.advance(1)
            elif product is not None and not self.held(item.name, fingerprint):
                changed.append((item, product, fingerprint))
        if not changed:
            return
        try:
            thumbnails = self._thumbnails([(item, product) for item, product, _ in changed])
        except TransientError as error:
            (self.erp_breaker if error.service == self.erp.http.service else self.medusa_breaker).failed(error)
            self.defer((item.name for item, _, _ in changed), error)
            return
        for item, product, fingerprint in changed:
            body = update_body(item, self.collections.get(item.row["item_group"] or ""), fingerprint, product)
            yield Update(item.name, body | thumbnails.get(item.name, {}), fingerprint)

    def _thumbnails(self, changed: Sequence[tuple[WebsiteItem, Mapping[str, Any]]]) -> dict[str, dict[str, str]]:
        """{Website Item: {"thumbnail": address}} where staff chose another of the images that the product has already.

        A new image becomes the thumbnail as it is uploaded, and one that was chosen in Medusa stays until then.
        """
        chosen = {
            item.name: (item.row["website_image"], product["id"])
            for item, product in changed
            if item.row["website_image"] and image_mark(item) != (product["metadata"] or {}).get(IMAGE_KEY)
        }
        files = [
            file
            for file in self.erp.rows_in(
                "File",
                ["attached_to_name", "file_url", "medusa_id"],
                chosen,
                key="attached_to_name",
                filters=[["attached_to_doctype", "=", WEBSITE_ITEM], ["medusa_id", "is", "set"]],
            )
            if file["file_url"] == chosen[file["attached_to_name"]][0]
        ]
        product_ids = {chosen[file["attached_to_name"]][1] for file in files}
        found = self.medusa.products_by("id", product_ids, "images.url")
        urls = {product["id"]: [image["url"] for image in product["images"]] for product in found}
        thumbnails: dict[str, dict[str, str]] = {}
        for file in files:
            name = file["attached_to_name"]
            if url := shown_at(file, urls.get(chosen[name][1], ())):
                thumbnails[name] = {"thumbnail": url}
        return thumbnails

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
        self.report.advance(len(group))
