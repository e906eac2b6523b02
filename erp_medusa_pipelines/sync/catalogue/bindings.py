"""Which Medusa product belongs to which Website Item: decided here, before anything is sent for either.

A product belongs to the Website Item that its `external_id` names. The ids on the Website Item only remember that. They
are wrong after the desk's Duplicate (it copies them), after a rename (the product still has the old name), and after a
product was deleted or Medusa was restored. Wrong ids are emptied, so that the export finds the right product or makes
one; a renamed item keeps its product, which learns the new name.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter
from erp_medusa_pipelines.clients.failures import TransientError
from erp_medusa_pipelines.sync.catalogue.website_item_sync import WebsiteItemSync
from erp_medusa_pipelines.sync.engine.brake import MassLossError
from erp_medusa_pipelines.sync.engine.report import Reject

log = logging.getLogger(__name__)

FEW_MISSING = 10
"""So many missing products are made again without asking, however small the shop is."""

LOOKED_UP = "id,external_id,variants.id"
EMPTY = {"medusa_id": "", "medusa_variant_id": ""}

Row = Mapping[str, Any]


@dataclass
class Findings:
    """What is wrong with ids of one batch; each list holds rows of Website Items."""

    copied: list[Row] = field(default_factory=list)
    """Their product belongs to another Website Item, which exists."""
    missing: list[Row] = field(default_factory=list)
    """Medusa has no such product, or the product has no such variant."""
    renamed: list[Row] = field(default_factory=list)
    """Their product names a Website Item that does not exist, and no other row has its id."""


def judge(rows: Sequence[Row], products: Mapping[str, Row], existing: frozenset[str]) -> Findings:
    """Compare the ids of `rows` (name, medusa_id, medusa_variant_id) with Medusa's `products` by id.

    `existing` holds the names of Website Items that exist, of those that products name.
    """
    found = Findings()
    claimed: set[str] = {row["medusa_id"] for row in rows if _owner(products.get(row["medusa_id"])) == row["name"]}
    for row in rows:
        product = products.get(row["medusa_id"])
        owner = _owner(product)
        if product is None:
            found.missing.append(row)
        elif owner and owner != row["name"]:
            if owner in existing or row["medusa_id"] in claimed:
                found.copied.append(row)
            else:
                claimed.add(row["medusa_id"])
                found.renamed.append(row)
        elif row["medusa_variant_id"] not in {variant["id"] for variant in product["variants"]}:
            found.missing.append(row)
    return found


def _owner(product: Row | None) -> str:
    return (product or {}).get("external_id") or ""


def existing_website_items(erp: ErpNextClient, names: Iterable[str]) -> frozenset[str]:
    """Of these names, those of Website Items that exist."""
    return frozenset(row["name"] for row in erp.rows_in(WEBSITE_ITEM, ["name"], names))


@dataclass(frozen=True, slots=True)
class Rename:
    """A product that is to learn the new name of its Website Item."""

    name: str
    product_id: str

    @property
    def fingerprint(self) -> str:
        """A refusal stands until the ids change."""
        return f"rename {self.product_id}"


@dataclass(kw_only=True)
class BindingRepair(WebsiteItemSync):
    """One look at all ids of one batch. Raises TransientError, and MassLossError where too much is missing."""

    writer: ErpNextWriter
    missing_percent: int

    def run(self) -> None:
        """Judge the whole batch first: a wrong Medusa must be told before the first id is emptied."""
        bound, found = 0, Findings()
        for rows in self._windows():
            bound += len(rows)
            some = self._look(rows)
            found.copied += some.copied
            found.missing += some.missing
            found.renamed += some.renamed
        self._refuse_the_wrong_medusa(len(found.missing), bound)
        self._rename(found.renamed)
        self._release([*found.copied, *found.missing])

    def _windows(self) -> Iterator[list[Row]]:
        fields = ["name", "modified", "medusa_id", "medusa_variant_id"]
        filters = [["medusa_id", "is", "set"], ["medusa_variant_id", "is", "set"]]
        for page in self.erp.pages(WEBSITE_ITEM, fields, filters=filters, page_size=10_000):
            own: list[Row] = [row for row in page if self.batch.contains(row["name"])]
            if own:
                yield own

    def _look(self, rows: Sequence[Row]) -> Findings:
        found = self.medusa.products_by("id", (row["medusa_id"] for row in rows), LOOKED_UP)
        products = {product["id"]: product for product in found}
        names = {row["name"]: row["medusa_id"] for row in rows}
        strangers = {
            owner
            for row in rows
            if (owner := _owner(products.get(row["medusa_id"]))) and names.get(owner) != row["medusa_id"]
        }
        return judge(rows, products, existing_website_items(self.erp, strangers) if strangers else frozenset())

    def _refuse_the_wrong_medusa(self, missing: int, bound: int) -> None:
        if missing > FEW_MISSING and missing * 100 > bound * self.missing_percent:
            raise MassLossError(
                f"{missing} of {bound} Website Items of this batch have ids of products that this Medusa does not have:"
                " is it the right Medusa, and was it restored whole? Nothing was changed. If they are to be made"
                " again, raise MISSING_PRODUCTS_PERCENT"
            )

    def _rename(self, rows: Iterable[Row]) -> None:
        renames = (Rename(row["name"], row["medusa_id"]) for row in rows)
        for some in batched(renames, self.options.chunk):
            self.send_chunk(some, self._send)

    def _send(self, group: Sequence[Rename]) -> None:
        updates = [{"id": one.product_id, "external_id": one.name} for one in group]
        self.medusa.batch_products(update=updates, fields="id")
        self.report.count("renamed", len(group))

    def _release(self, rows: Sequence[Row]) -> None:
        """Empty the ids, and those of the images: the product that comes in their place has none of them yet."""
        if not rows:
            return
        as_read = {row["name"]: row["modified"] for row in rows}
        outcome = self.writer.write(WEBSITE_ITEM, [(name, EMPTY) for name in as_read], as_read=as_read)
        self.report.count("released", len(outcome.written))
        for name in outcome.written:
            log.warning("%s %s had ids of a product that is not its own or not there: emptied", WEBSITE_ITEM, name)
        self._note(outcome.failed, WEBSITE_ITEM)
        files = self.erp.rows_in(
            "File",
            ["name"],
            outcome.written,
            key="attached_to_name",
            filters=[["attached_to_doctype", "=", WEBSITE_ITEM], ["medusa_id", "is", "set"]],
        )
        emptied = self.writer.write("File", [(file["name"], {"medusa_id": ""}) for file in files])
        self._note(emptied.failed, "File")

    def _note(self, failed: Mapping[str, Any], doctype: str) -> None:
        for name, error in failed.items():
            if isinstance(error, TransientError):
                self.report.defer(doctype, name, error)
            else:
                reason = f"its wrong ids could not be emptied: {error.reason}"
                self.report.reject(Reject(doctype, name, reason, "medusa_id"))
