"""Exported products that differ from their Website Item are updated; unpublished ones become drafts.

Belongs here: finding the differences and sending them. Which value counts is decided in product_changes.py, the mapping
is in product_bodies.py. Every field is compared with Medusa's value, so that manual changes there are noticed; an item
without differences costs no write.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from erp_medusa_pipelines.clients.failures import AccessError, PermanentError, TransientError
from erp_medusa_pipelines.settings import FIELD_POLICIES, PublishWhen
from erp_medusa_pipelines.sync.catalogue.bindings import is_own
from erp_medusa_pipelines.sync.catalogue.product_bodies import Placement, fingerprint_of, status_of
from erp_medusa_pipelines.sync.catalogue.product_changes import (
    Comparison,
    Policies,
    Row,
    compare,
    current_values,
    told_values,
    update_body,
)
from erp_medusa_pipelines.sync.catalogue.thumbnails import Pair, Thumbnails
from erp_medusa_pipelines.sync.catalogue.unique_keys import UniqueKeys
from erp_medusa_pipelines.sync.catalogue.website_item_sync import WebsiteItemSync
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem
from erp_medusa_pipelines.sync.engine.delivery import chunks, json_bytes
from erp_medusa_pipelines.sync.engine.quarantine import Lies, lies_of
from erp_medusa_pipelines.sync.engine.report import SyncReport
from erp_medusa_pipelines.sync.engine.stages import Stage, ahead

BOUND = [["medusa_id", "is", "set"], ["medusa_variant_id", "is", "set"]]

COMPARED_FIELDS = (
    "id,external_id,title,subtitle,description,status,thumbnail,collection_id,origin_country,discountable,metadata,"
    "sales_channels.id,shipping_profile.id,variants.id,variants.title,variants.sku,variants.barcode,"
    "variants.manage_inventory,variants.allow_backorder"
)


@dataclass(frozen=True, slots=True)
class Update:
    """A product about to be updated."""

    name: str
    body: dict[str, Any]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What must be sent for one Website Item; the body is empty when nothing differs."""

    item: WebsiteItem
    changed: frozenset[str]
    body: dict[str, Any]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class KeptDifference:
    """A value in Medusa that differs from the ERP's and is kept by the policy of its field."""

    website_item: str
    field: str
    erp: Any
    medusa: Any


@dataclass(kw_only=True)
class ProductUpdates(WebsiteItemSync):
    """One run of the updates for one batch. `collections` holds collection ids by Item Group name."""

    collections: Mapping[str, str]
    placement: Placement
    policies: Policies = field(default_factory=lambda: FIELD_POLICIES)
    publish_when: PublishWhen = "created"
    force: bool = False
    kept: list[KeptDifference] = field(default_factory=list)
    """Filled by `run`."""

    def run(self) -> SyncReport:
        """Update the batch. Raises AccessError; any other failure goes into the report."""
        self._keys = UniqueKeys(self.reader, self.medusa)
        self._thumbnails = Thumbnails(self.erp, self.medusa, self.policies["thumbnail"], force=self.force)
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
                    updating.submit(partial(self.send_chunk, chunk, self._send, lies=lies_of))
            updating.finish()
        finally:
            updating.close()
        self.report.count("kept_differences", len(self.kept))
        return self.report

    def _differences(self, window: Sequence[WebsiteItem]) -> Iterator[Update]:
        try:
            pairs = self._with_products(window)
            thumbnails = self._thumbnails.changes(pairs)
        except TransientError as error:
            self._failed([item.name for item in window], error)
            return
        differing: list[Difference] = []
        for item, product in pairs:
            difference = self._difference(item, product, thumbnails.get(item.name))
            if not difference.body:
                self.report.count("unchanged")
                self.report.advance(1)
            elif not self.held(item.name, difference.fingerprint):
                differing.append(difference)
        for one in self._with_free_keys(differing):
            yield Update(one.item.name, one.body, one.fingerprint)

    def _with_products(self, window: Sequence[WebsiteItem]) -> list[Pair]:
        """Return the Website Items that own their ids; medusa_products corrects the other ids first."""
        found = self.medusa.products_by("id", (item.row["medusa_id"] for item in window), COMPARED_FIELDS)
        products = {product["id"]: product for product in found}
        own = [item for item in window if is_own(item.row, products.get(item.row["medusa_id"]))]
        self.report.count("waiting", len(window) - len(own))
        self.report.advance(len(window) - len(own))
        return [(item, products[item.row["medusa_id"]]) for item in own]

    def _difference(self, item: WebsiteItem, product: Row, thumbnail: Row | None) -> Difference:
        fingerprint = fingerprint_of(item, self._collection(item))
        comparison = self._compare(item, product, fingerprint)
        for name, (erp, medusa) in comparison.kept.items():
            self.kept.append(KeptDifference(item.name, name, erp, medusa))
        if self._thumbnails.is_kept(item, product):
            self.kept.append(KeptDifference(item.name, "thumbnail", item.row["website_image"], product["thumbnail"]))
        body = update_body(product, item.row["medusa_variant_id"], comparison)
        if product["external_id"] != item.name:
            body = {"id": product["id"], **body, "external_id": item.name}
        if thumbnail:
            metadata = {**body.get("metadata", {}), **thumbnail["metadata"]}
            body = {"id": product["id"], **body, **thumbnail, "metadata": metadata}
        return Difference(item, frozenset(comparison.changes), body, fingerprint)

    def _with_free_keys(self, differing: Sequence[Difference]) -> Iterator[Difference]:
        """Return the differences that can be sent, after freeing keys that move from one item to another."""
        moving = [one for one in differing if one.changed & {"sku", "barcode", "manage_inventory"}]
        refused: Mapping[str, str] = {}
        try:
            if moving:
                refused = self._prepare(moving)
        except TransientError as error:
            self._failed([one.item.name for one in moving], error)
            differing = [one for one in differing if one not in moving]
        for one in differing:
            if one.item.name in refused:
                self.reject(one.item.name, one.fingerprint, refused[one.item.name], lies=Lies.ELSEWHERE)
            else:
                yield one

    def _prepare(self, moving: Sequence[Difference]) -> dict[str, str]:
        """Free the new keys of these items. Returns the reasons why not, by Website Item."""
        claims = self._keys.claim([one.item for one in moving if one.changed & {"sku", "barcode"}])
        for one in moving:
            if one.item.name in claims.refused:
                continue
            try:
                if "sku" in one.changed:
                    self._keys.rename_inventory(one.item)
                if "manage_inventory" in one.changed:
                    self._keys.restock(one.item)
            except AccessError:
                raise
            except PermanentError as error:
                claims.refused[one.item.name] = error.reason
        return claims.refused

    def _failed(self, names: Sequence[str], error: TransientError) -> None:
        (self.erp_breaker if error.service == self.erp.http.service else self.medusa_breaker).failed(error)
        self.defer(names, error)

    def _compare(self, item: WebsiteItem, product: Row, fingerprint: str) -> Comparison:
        status = status_of(item, self.publish_when, is_live=product["status"] == "published")
        told = told_values(item, self._collection(item), self.placement, status)
        variant = next(one for one in product["variants"] if one["id"] == item.row["medusa_variant_id"])
        current = current_values(product, variant)
        metadata = product["metadata"] or {}
        return compare(item, told, current, metadata, fingerprint, self.policies, force=self.force)

    def _collection(self, item: WebsiteItem) -> str | None:
        return self.collections.get(item.row["item_group"] or "")

    def _send(self, group: Sequence[Update]) -> None:
        self.medusa.batch_products(update=[update.body for update in group], fields="id")
        self.report.count("updated", len(group))
        self.report.advance(len(group))
