"""Correct wrong ids, and make half-made products whole, before anything is sent for their Website Item.

A Website Item whose own product is in Medusa gets that product's ids. Other wrong ids are emptied, so that the export
finds a product or creates one. A renamed Website Item keeps its product, whose external_id gets the new name. A product
whose ids are right and that lacks a part gets it; what a whole product has is written in whole.py.

The order of repairs, and the brake before a Medusa that is not the shop's. What is wrong is decided in bindings.py.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter
from erp_medusa_pipelines.clients.failures import ApiError, TransientError
from erp_medusa_pipelines.sync.catalogue.bindings import Bindings, Findings, Row, lacks_of, variant_of
from erp_medusa_pipelines.sync.catalogue.mending import Half, Mender, wait_until_settled
from erp_medusa_pipelines.sync.catalogue.website_item_sync import WebsiteItemSync
from erp_medusa_pipelines.sync.catalogue.whole import Part
from erp_medusa_pipelines.sync.engine.brake import Guard, Limit, Loss
from erp_medusa_pipelines.sync.engine.quarantine import Lies, lies_elsewhere
from erp_medusa_pipelines.sync.engine.report import Reject

log = logging.getLogger(__name__)

T = TypeVar("T")

MENDED = "mended"
"""Kind and fingerprint of a refusal to make a product whole: every run tries again."""

EMPTY = {"medusa_id": "", "medusa_variant_id": ""}


def missing_limit(percent: int, setting: str) -> Limit:
    """Return how many products may be missing in Medusa and made again."""
    return Limit(
        name="missing",
        what="Website Items have ids of products that do not exist in this Medusa, and would lose them",
        percent=percent,
        setting=setting,
        allow="allow_missing",
        check="Check it: is it the right Medusa, and was it fully restored? The products would be made again.",
    )


def _loss(missing: Iterable[Row], bound: set[str]) -> Loss:
    return Loss({row["name"]: row["name"] for row in missing}, bound)


@dataclass(frozen=True, slots=True)
class IdsWritten:
    """Website Items whose ids were written, and what failed, by DocType and name."""

    written: list[str]
    failed: Mapping[tuple[str, str], ApiError]


def write_ids(
    erp: ErpNextClient, writer: ErpNextWriter, rows: Sequence[Row], ids: Mapping[str, Mapping[str, str]]
) -> IdsWritten:
    """Write ids of Website Items (name, modified), by name, unless one has changed since it was read.

    Their images' ids are emptied first, because it is unknown which of them the product shows; pictures that it does
    show are found again by their content. In this order, the next run sees everything that an interrupted run left
    unfinished.
    """
    if not rows:
        return IdsWritten([], {})
    as_read = {row["name"]: row["modified"] for row in rows}
    files = erp.rows_in(
        "File",
        ["name"],
        as_read,
        key="attached_to_name",
        filters=[["attached_to_doctype", "=", WEBSITE_ITEM], ["medusa_id", "is", "set"]],
    )
    emptied = writer.write("File", [(file["name"], {"medusa_id": ""}) for file in files])
    if emptied.failed:
        return IdsWritten([], {("File", name): error for name, error in emptied.failed.items()})
    outcome = writer.write(WEBSITE_ITEM, [(name, ids[name]) for name in as_read], as_read=as_read)
    return IdsWritten(outcome.written, {(WEBSITE_ITEM, name): error for name, error in outcome.failed.items()})


@dataclass(frozen=True, slots=True)
class Rename:
    """A product whose external_id must get the new name of its Website Item."""

    name: str
    product_id: str

    @property
    def fingerprint(self) -> str:
        """A refusal stands until the ids change."""
        return f"rename {self.product_id}"


@dataclass(kw_only=True)
class BindingRepair(WebsiteItemSync):
    """Check and correct all ids of one batch. Raises TransientError, and MassLossError for too many lost products."""

    writer: ErpNextWriter
    guard: Guard

    def run(self) -> None:
        """Check the whole batch first: a wrong Medusa must be noticed before the first id is changed."""
        self._bindings = Bindings(self.erp, self.medusa, self.batch.home)
        bound: set[str] = set()
        found, judged = Findings(), 0
        for rows in self._bindings.bound(self.batch):
            bound.update(row["name"] for row in rows)
            for some, findings in self._read(rows, lambda some: self._bindings.judge(some, whole=True)):
                found.add(findings)
                judged += len(some)
        if judged == len(bound) and not found.copied:
            self._bindings.know_none_foreign(self.batch)
        own: dict[str, dict[str, str]] = {}
        wrong: list[Row] = []
        for some, ids in self._read([*found.copied, *found.missing], self._own_ids):
            own |= ids
            wrong += some
        known = {row["name"] for row in wrong}
        missing = [row for row in found.missing if row["name"] in known and row["name"] not in own]
        self._refuse_the_wrong_medusa(missing, bound)
        self._rename(found.renamed)
        self._rebind([row for row in wrong if row["name"] in own], own)
        self._release([row for row in wrong if row["name"] not in own])
        rebound = [{**row, **own[row["name"]]} for row in wrong if row["name"] in own]
        self._mend(found.halves + (self._bindings.judge(rebound, whole=True).halves if rebound else []))

    def _read(self, rows: Sequence[Row], read: Callable[[Sequence[Row]], T]) -> Iterator[tuple[Sequence[Row], T]]:
        """Yield what is read of these rows; one that cannot be looked up is rejected. Raises TransientError."""

        def leave(_rows: Sequence[Row], error: TransientError) -> None:
            raise error

        return self.looked_up(rows, read, lambda row: row["name"], leave=leave)

    def _own_ids(self, rows: Sequence[Row]) -> dict[str, dict[str, str]]:
        """Return the ids of products that name these Website Items, for instance after a restored backup of ERPNext."""
        codes = {row["name"]: row["item_code"] for row in rows}
        fields = "id,external_id,variants.id,variants.sku"
        ids: dict[str, dict[str, str]] = {}
        for product in self.medusa.products_by("external_id", codes, fields) if codes else ():
            name, variants = product["external_id"], product["variants"]
            same = [variant for variant in variants if variant["sku"] == codes[name]] or variants
            # With several candidates, the export decides when it adopts one.
            if len(same) == 1 and name not in ids:
                ids[name] = {"medusa_id": product["id"], "medusa_variant_id": same[0]["id"]}
        return ids

    # --- is it the right Medusa? ------------------------------------------------------------------------------

    def _refuse_the_wrong_medusa(self, missing: Sequence[Row], bound: set[str]) -> None:
        if refused := self.guard.refusal(_loss(missing, bound), self._missing_in_shop):
            raise refused

    def _missing_in_shop(self) -> Loss:
        """Return the Website Items of all batches whose product is missing."""
        found = Loss()
        for rows in self._bindings.bound(None):
            gone = self._bindings.judge(rows).missing
            own = self._own_ids(gone)
            found.add(_loss([row for row in gone if row["name"] not in own], {row["name"] for row in rows}))
        return found

    # --- half-made products -----------------------------------------------------------------------------------

    def _mend(self, found: Sequence[tuple[Row, Row]]) -> None:
        if wait_until_settled(self.medusa, (product for _, product in found)):
            found = self._bindings.judge([row for row, _ in found], whole=True).halves
        for some in batched(found, self.options.window):
            halves = self._halves(some)
            errors = Mender(self.medusa, None, self.options.chunk).mend(halves)
            self.report.count("mended", len(halves) - len(errors))
            for name, error in errors.items():
                if isinstance(error, TransientError):
                    self.defer([name], error)
                else:
                    self.reject(name, MENDED, error.reason, "medusa_variant_id", lies=Lies.ELSEWHERE, kind=MENDED)
            self._write_variants([half for half in halves if half.name not in errors and Part.VARIANT in half.lacks])

    def _halves(self, found: Sequence[tuple[Row, Row]]) -> list[Half]:
        parts = {row["name"]: lacks_of(row, product) for row, product in found}
        without = [name for name, lacking in parts.items() if Part.VARIANT in lacking]
        items = {item.name: item for item in self.reader.read(without)} if without else {}
        return [
            Half(
                name := row["name"],
                row["item_code"] or "",
                product,
                variant_of(row, product),
                parts[name],
                items.get(name),
            )
            for row, product in found
        ]

    def _write_variants(self, halves: Sequence[Half]) -> None:
        changes = [(half.name, {"medusa_variant_id": half.variant["id"]}) for half in halves if half.variant]
        self._note(self.writer.write(WEBSITE_ITEM, changes).failed if changes else {}, WEBSITE_ITEM)

    # --- repairs ----------------------------------------------------------------------------------------------

    def _rename(self, rows: Iterable[Row]) -> None:
        renames = (Rename(row["name"], row["medusa_id"]) for row in rows)
        for some in batched(renames, self.options.chunk):
            self.send_chunk(some, self._send, lies=lies_elsewhere)

    def _send(self, group: Sequence[Rename]) -> None:
        updates = [{"id": one.product_id, "external_id": one.name} for one in group]
        self.medusa.batch_products(update=updates, fields="id")
        self.report.count("renamed", len(group))

    def _rebind(self, rows: Sequence[Row], own: Mapping[str, Mapping[str, str]]) -> None:
        changed = self._write(rows, own)
        self.report.count("rebound", len(changed))
        for name in changed:
            log.warning("%s %s had the ids of another product: its own were restored", WEBSITE_ITEM, name)

    def _release(self, rows: Sequence[Row]) -> None:
        changed = self._write(rows, {row["name"]: EMPTY for row in rows})
        self.report.count("released", len(changed))
        for name in changed:
            log.warning(
                "%s %s had the ids of a product that is missing or belongs to another item: cleared", WEBSITE_ITEM, name
            )

    def _write(self, rows: Sequence[Row], ids: Mapping[str, Mapping[str, str]]) -> list[str]:
        outcome = write_ids(self.erp, self.writer, rows, ids)
        for doctype in ("File", WEBSITE_ITEM):
            self._note({name: error for (of, name), error in outcome.failed.items() if of == doctype}, doctype)
        return outcome.written

    def _note(self, failed: Mapping[str, Any], doctype: str) -> None:
        for name, error in failed.items():
            if isinstance(error, TransientError):
                self.report.defer(doctype, name, error)
            else:
                reason = f"its wrong ids could not be corrected: {error.reason}"
                self.report.reject(Reject(doctype, name, reason, "medusa_id"))
