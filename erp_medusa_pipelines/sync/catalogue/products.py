"""Published Website Items without Medusa ids become products; the ids are written back.

The order of the work and what happens when a step fails. The mapping is in product_bodies.py, adopting existing
products in adoption.py, writing to ERPNext in clients/erpnext_writes.py.

Reading, creating and writing back run concurrently: while Medusa creates a chunk, the next items are read and the ids
of the last chunk are written. Memory holds only a few chunks, whatever the size of the catalogue.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter
from erp_medusa_pipelines.clients.failures import PermanentError, TransientError
from erp_medusa_pipelines.clients.medusa import metadata_of
from erp_medusa_pipelines.clients.refusals import INVENTORY_TAKEN, TAKEN, is_any
from erp_medusa_pipelines.product_fields import FIELD_POLICIES
from erp_medusa_pipelines.setting_types import PublishWhen
from erp_medusa_pipelines.sync.catalogue.adoption import Adopter, Binding
from erp_medusa_pipelines.sync.catalogue.bindings import existing_website_items
from erp_medusa_pipelines.sync.catalogue.fields import short_hash
from erp_medusa_pipelines.sync.catalogue.filing import Filing
from erp_medusa_pipelines.sync.catalogue.product_bodies import (
    FINGERPRINTED,
    HASH_KEY,
    Placement,
    create_body,
    create_variant_body,
    fingerprint_of,
    handle,
    status_of,
)
from erp_medusa_pipelines.sync.catalogue.product_changes import Policies, desired_values, notes_without, sent_notes
from erp_medusa_pipelines.sync.catalogue.unique_keys import UniqueKeys
from erp_medusa_pipelines.sync.catalogue.website_item_sync import WebsiteItemSync
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem
from erp_medusa_pipelines.sync.engine.batch_sync import named_by_index
from erp_medusa_pipelines.sync.engine.delivery import Resolution, chunks, json_bytes
from erp_medusa_pipelines.sync.engine.quarantine import Lies, lies_of
from erp_medusa_pipelines.sync.engine.report import SyncReport, WriteBack
from erp_medusa_pipelines.sync.engine.stages import Stage, ahead
from erp_medusa_pipelines.sync.shop.families import NONE, Families

log = logging.getLogger(__name__)

PUBLISHED = [["published", "=", 1]]
UNBOUND = [["medusa_id", "is", "not set"], ["medusa_variant_id", "is", "not set"]]

CREATED_FIELDS = "id,external_id,variants.id,variants.sku"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A product about to be created."""

    item: WebsiteItem
    body: dict[str, Any]
    fingerprint: str

    @property
    def name(self) -> str:
        """Name of the Website Item."""
        return self.item.name


def _has_sku(candidate: Candidate, product: Mapping[str, Any]) -> bool:
    return any(variant["sku"] == candidate.item.item_code for variant in product["variants"])


def _may_be_adopted(candidate: Candidate, product: Mapping[str, Any]) -> bool:
    """Return whether the product is this item's, or nobody's: the same handle alone makes it no item's own."""
    if product["external_id"]:
        return product["external_id"] == candidate.name
    is_ours = HASH_KEY in metadata_of(product)
    return is_ours or not product["variants"] or _has_sku(candidate, product)


@dataclass(kw_only=True)
class ProductExport(WebsiteItemSync):
    """One run of the export for one batch. `filing` holds the ids that products are filed under."""

    writer: ErpNextWriter
    filing: Filing
    placement: Placement
    policies: Policies = field(default_factory=lambda: FIELD_POLICIES)
    publish_when: PublishWhen = "created"
    families: Families = NONE
    """Templates that are one product with their variants: option_products.py makes those."""
    _writing: Stage = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.reader.with_groups = self.filing.categories is not None
        self.reader.columns = self.filing.columns
        self._adopter = Adopter(self.medusa, self.placement, self.options.chunk)
        self._keys = UniqueKeys(self.reader, self.medusa, self.options.chunk)

    def run(self) -> SyncReport:
        """Export the batch. Raises AccessError when a key or a right is missing; reports any other failure."""
        unbound = self.reader.names(self.batch, filters=PUBLISHED, or_filters=UNBOUND)
        names = [name for name in unbound if name not in self.families.home and name not in self.families.variants]
        self.report.count("found", len(names))
        creating = Stage("create", self.options.parallel)
        self._writing = Stage("write-back", 1, waiting=4)
        try:
            for window in ahead(self.items(names)):
                self._export_window(window, creating)
            creating.finish()
            self._writing.finish()
        finally:
            creating.close()
            self._writing.close()
        return self.report

    def _export_window(self, window: Sequence[WebsiteItem], creating: Stage) -> None:
        new = [item for item in window if not item.is_bound]
        for some, _ in self.looked_up(new, self.filing.prepare, lambda item: item.name):
            self._export_new(some, creating)

    def _export_new(self, window: Sequence[WebsiteItem], creating: Stage) -> None:
        candidates = [candidate for item in window if (candidate := self._candidate(item))]
        for some, known in self.looked_up(candidates, self._known, lambda one: one.name):
            self._export_known(some, known, creating)

    def _known(self, candidates: Sequence[Candidate]) -> dict[str, dict[str, Any]]:
        return self._adopter.by_external_id(candidate.item for candidate in candidates)

    def _export_known(
        self, candidates: Sequence[Candidate], known: Mapping[str, Mapping[str, Any]], creating: Stage
    ) -> None:
        adopted = [candidate for candidate in candidates if candidate.name in known]
        if adopted:
            creating.submit(self._adopt, adopted, known)
        fresh = [candidate for candidate in candidates if candidate.name not in known]
        if fresh:
            # Before the first product: an old Medusa would take some and refuse others, for no reason that it can name.
            self.medusa.refuse_old()
        for chunk in chunks(
            fresh,
            lambda candidate: json_bytes(candidate.body),
            most=self.options.chunk,
            most_bytes=self.options.chunk_bytes,
        ):
            creating.submit(self._create, chunk)

    def _candidate(self, item: WebsiteItem) -> Candidate | None:
        """Return what to create for an item, or None when nothing can be sent, which is in the report."""
        if item.is_bound:
            self.report.count("unchanged")
            self.report.advance(1)
            return None
        if item.item_code and item.not_for_sale:
            self.report.count("not_for_sale")
            self.report.advance(1)
            return None
        filed = self.filing.of(item)
        fingerprint = fingerprint_of(item, filed)
        if self.held(item.name, fingerprint):
            return None
        if not item.item_code:
            reason = "the Website Item has no Item: set item_code"
            self.reject(item.name, fingerprint, reason, "item_code", lies=Lies.IN_THE_DOCUMENT)
            return None
        self.note_problems(item, self.filing.problems(item))
        status = status_of(item, self.publish_when, is_live=False)
        notes = sent_notes(item, desired_values(item, filed, self.placement, status), fingerprint, self.policies)
        return Candidate(
            item, create_body(item, self.filing.noted(item, filed), self.placement, notes, status), fingerprint
        )

    # --- create -----------------------------------------------------------------------------------------------

    def _create(self, chunk: list[Candidate]) -> None:
        self.send_chunk(
            chunk,
            self._send,
            lies=lies_of(*FINGERPRINTED, *self.table.from_the_document),
            resolve=self._resolve,
            recover=self._recover,
        )

    def _send(self, group: Sequence[Candidate]) -> None:
        answer = self.medusa.batch_products(create=[candidate.body for candidate in group], fields=CREATED_FIELDS)
        products = {product["external_id"]: product for product in answer["created"]}
        bindings: list[Binding] = []
        for candidate in group:
            product = products.get(candidate.name)
            if product is None or not product["variants"]:
                raise TransientError(
                    "Medusa", "POST /admin/products/batch", "the response is incomplete", ambiguous=True
                )
            bindings.append(Binding(candidate.name, product["id"], product["variants"][0]["id"]))
        self._writing.submit(self._write_ids, bindings, "written")

    def _resolve(self, error: PermanentError, group: Sequence[Candidate]) -> Resolution[Candidate] | None:
        """Handle what the refusal names: fields of numbered items, or keys that another product already has."""
        if not is_any(error.reason, TAKEN):
            return named_by_index(error, group)
        if INVENTORY_TAKEN.search(error.reason) and (settled := self._take_over_inventory(group)):
            return settled
        known = self._without_lost_owners(self._adopter.by_keys([candidate.item for candidate in group]))
        free = [one for one in group if one.name in known and _may_be_adopted(one, known[one.name])]
        rest = [one for one in group if one not in free]
        claims = self._keys.claim([one.item for one in rest])
        if not claims.freed:
            # Another item's product has the sku; adopting it reports whose.
            unclaimed = (one for one in rest if "sku" not in claims.refused[one.name])
            free += [one for one in unclaimed if one.name in known and _has_sku(one, known[one.name])]
        refused = [
            (one, PermanentError(error.service, error.where, claims.refused[one.name]["sku"]))
            for one in rest
            if "sku" in claims.refused[one.name]
        ]
        settled = [*free, *(one for one, _ in refused)]
        others = [one for one in rest if one not in settled]
        remaining = [self._without_taken(one, known.get(one.name), claims.refused[one.name]) for one in others]
        if not (settled or claims.freed or remaining != others):
            return None
        return remaining, [*refused, *self._adopt_all(free, known)]

    def _without_taken(
        self, candidate: Candidate, holder: Mapping[str, Any] | None, refused: Mapping[str, str]
    ) -> Candidate:
        """Return the candidate without a barcode, and with another handle, where another product has them by right."""
        body = candidate.body
        if holder is not None and holder["handle"] == body["handle"] == handle(candidate.item):
            body = {**body, "handle": f"{body['handle']}-{short_hash(candidate.name)}"}
        if "barcode" in refused and "barcode" in body["variants"][0]:
            reason = f"{refused['barcode']}; the product is created without it"
            barcode = str(candidate.item.barcode)
            self.withhold(candidate.name, barcode, reason, "barcode", lies=Lies.ELSEWHERE, kind="barcode")
            variant = {key: value for key, value in body["variants"][0].items() if key != "barcode"}
            body = {**body, "variants": [variant], "metadata": notes_without(body["metadata"], ["barcode"])}
        return replace(candidate, body=body)

    def _without_lost_owners(self, known: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
        """Return the products with exported ones unbound whose Website Item no longer exists."""
        ours = {name: one for name, one in known.items() if one["external_id"] and HASH_KEY in metadata_of(one)}
        existing = existing_website_items(self.erp, {one["external_id"] for one in ours.values()})
        return {
            name: {**one, "external_id": None} if name in ours and one["external_id"] not in existing else one
            for name, one in known.items()
        }

    def _take_over_inventory(self, group: Sequence[Candidate]) -> Resolution[Candidate] | None:
        """Let new variants take over inventory items that have their sku and belong to no variant."""
        unused = self._adopter.unused_inventory([candidate.item for candidate in group])
        mended = [
            replace(c, body={**c.body, "variants": [create_variant_body(c.item, unused[c.item.item_code])]})
            if c.item.item_code in unused and "inventory_items" not in c.body["variants"][0]
            else c
            for c in group
        ]
        return (mended, []) if mended != list(group) else None

    def _recover(self, group: Sequence[Candidate]) -> list[Candidate]:
        """After a lost answer, adopt what was created and return what was not."""
        known = self._adopter.by_external_id(candidate.item for candidate in group)
        self._adopt([candidate for candidate in group if candidate.name in known], known)
        return [candidate for candidate in group if candidate.name not in known]

    # --- adopt ------------------------------------------------------------------------------------------------

    def _adopt(self, candidates: Sequence[Candidate], known: Mapping[str, Mapping[str, Any]]) -> None:
        for candidate, error in self._adopt_all(candidates, known):
            self.reject(candidate.name, candidate.fingerprint, error.reason, lies=Lies.ELSEWHERE)

    def _adopt_all(
        self, candidates: Sequence[Candidate], known: Mapping[str, Mapping[str, Any]]
    ) -> list[tuple[Candidate, PermanentError]]:
        adoption = self._adopter.adopt([candidate.item for candidate in candidates], known)
        self.report.count("mended", adoption.mended)
        rejected: list[tuple[Candidate, PermanentError]] = []
        for candidate in candidates:
            error = adoption.failed.get(candidate.name)
            if isinstance(error, PermanentError):
                rejected.append((candidate, error))
            elif isinstance(error, TransientError):
                self.defer([candidate.name], error)
        if adoption.bindings:
            self._writing.submit(self._write_ids, adoption.bindings, "adopted")
        return rejected

    # --- ids back to ERPNext ----------------------------------------------------------------------------------

    def _write_ids(self, bindings: Sequence[Binding], how: str) -> None:
        changes = [
            (binding.name, {"medusa_id": binding.product_id, "medusa_variant_id": binding.variant_id})
            for binding in bindings
        ]
        self.note_written(
            WriteBack(WEBSITE_ITEM, "medusa_id", counted=how, problem="ids not written back"),
            self.writer.write(WEBSITE_ITEM, changes),
        )
        self.report.advance(len(bindings))
