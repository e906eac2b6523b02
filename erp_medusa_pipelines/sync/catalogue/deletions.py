"""With WITHDRAWN_ITEMS=delete, products whose items are not for sale any more are deleted, days after they were hidden.

The export makes drafts of them, as ever; this deletes drafts that nobody changed for so many days. A product that an
open order still needs waits: Medusa reserves stock for orders, and refuses to delete what is reserved. Of a product
whose stock it does not manage it cannot say, so that one stays a draft. Order lines keep their own copy of title, sku
and price. Medusa deletes variants, price list entries and inventory items with a product.

The ids in ERPNext are emptied first. A run that ends in between leaves a draft that names its Website Item, which the
next run deletes, or the export takes up again.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter
from erp_medusa_pipelines.clients.failures import AccessError, TransientError
from erp_medusa_pipelines.clients.medusa import MedusaClient, metadata_of
from erp_medusa_pipelines.sync.catalogue.binding_repair import EMPTY, write_ids
from erp_medusa_pipelines.sync.catalogue.product_bodies import HASH_KEY
from erp_medusa_pipelines.sync.engine.brake import Guard, Limit, Loss
from erp_medusa_pipelines.sync.engine.delivery import deliver
from erp_medusa_pipelines.sync.engine.report import Reject, SyncReport
from erp_medusa_pipelines.sync.shop.families import Families
from erp_medusa_pipelines.sync.shop.for_sale import for_sale_in

PRODUCTS_A_CALL = 25
"""Medusa deletes some 20 products a second, and answers only when all are gone."""

_FIELDS = (
    "id,external_id,status,updated_at,metadata,variants.id,variants.manage_inventory,variants.metadata,"
    "variants.inventory_items.inventory.location_levels.reserved_quantity"
)

Row = Mapping[str, Any]


def deletion_limit(percent: int, setting: str) -> Limit:
    """Return how many products may be deleted."""
    return Limit(
        name="deleted",
        what="products would be deleted, because their items are not for sale any more",
        percent=percent,
        setting=setting,
        allow="allow_hiding",
        check="Check that it is the right ERPNext, and that its user sees all Website Items and Items.",
    )


@dataclass(frozen=True, slots=True)
class Doomed:
    """A product that may be deleted, and the Website Items that have its id."""

    product: Row
    owners: tuple[Row, ...]

    @property
    def product_id(self) -> str:
        """Its id in Medusa."""
        return str(self.product["id"])


@dataclass(kw_only=True)
class DeletedProducts:
    """The deletions of one run over the whole shop."""

    erp: ErpNextClient
    medusa: MedusaClient
    writer: ErpNextWriter
    report: SyncReport
    guard: Guard
    families: Families
    days: int

    def run(self, products: Collection[Row]) -> frozenset[str]:
        """Delete what is due among these products of the export (id, status, external_id, updated_at); return the ids.

        Raises AccessError, TransientError, and MassLossError when there are too many.
        """
        doomed = self.due(products)
        had = {str(product["id"]) for product in products}
        self.guard.refuse(Loss({one.product_id: str(one.product["external_id"]) for one in doomed}, had))
        deleted: set[str] = set()
        for some in batched(doomed, PRODUCTS_A_CALL):
            deleted |= self._delete(self._released(some))
        return frozenset(deleted)

    def due(self, products: Collection[Row]) -> list[Doomed]:
        """Return what may be deleted. Everything is looked up again: a list that was cut short must delete nothing."""
        since = (datetime.now(UTC) - timedelta(days=self.days)).isoformat()
        old = [one["id"] for one in products if one["status"] == "draft" and one["updated_at"] < since]
        found = [
            product
            for product in (self.medusa.products_by("id", old, _FIELDS) if old else ())
            if product["status"] == "draft" and product["updated_at"] < since and _is_ours(product)
        ]
        due = self._not_for_sale(found)
        ready = [one for one in due if not _may_be_needed(one.product)]
        self.report.count("kept_for_orders", len(due) - len(ready))
        return ready

    def _not_for_sale(self, found: Sequence[Row]) -> list[Doomed]:
        """Return these products with their Website Items, without those of which one is for sale."""
        sold = for_sale_in(self.erp)
        today = self.erp.clock().date()
        fields = ["name", "medusa_id", "modified", *sold.fields]
        ids = [product["id"] for product in found]
        names = [product["external_id"] for product in found]
        by_id: dict[str, list[Row]] = defaultdict(list)
        for row in self.erp.rows_in(WEBSITE_ITEM, fields, ids, key="medusa_id") if ids else ():
            by_id[row["medusa_id"]].append(row)
        by_name = {row["name"]: row for row in self.erp.rows_in(WEBSITE_ITEM, fields, names)} if names else {}
        due: list[Doomed] = []
        for product in found:
            owners = by_id[product["id"]]
            named = by_name.get(product["external_id"])
            items = [*owners, named] if named else owners
            if all(sold.reason_against(row, today) and row["name"] not in self.families.sold for row in items):
                due.append(Doomed(product, tuple(owners)))
        return due

    def _released(self, some: Sequence[Doomed]) -> list[Doomed]:
        """Empty the ids of their Website Items; return those whose ids are empty."""
        rows = [row for one in some for row in one.owners]
        outcome = write_ids(self.erp, self.writer, rows, {row["name"]: EMPTY for row in rows})
        self.report.count("released", len(outcome.written))
        for (doctype, name), error in outcome.failed.items():
            if isinstance(error, TransientError):
                self.report.defer(doctype, name, error)
            else:
                self.report.reject(Reject(doctype, name, f"its ids could not be emptied: {error.reason}", "medusa_id"))
        return [one for one in some if all(row["name"] in outcome.written for row in one.owners)]

    def _delete(self, some: Sequence[Doomed]) -> set[str]:
        delivery = deliver(some, self._send, check_way=self.medusa.check_way)
        left: set[str] = set()
        for one, error in (*delivery.rejected, *delivery.failed, *delivery.alone):
            left.add(one.product_id)
            if isinstance(error, AccessError):
                raise error
            if isinstance(error, TransientError):
                self.report.defer("Product", one.product_id, error)
            else:
                self.report.reject(Reject("Product", one.product_id, f"it could not be deleted: {error.reason}", ""))
        return {one.product_id for one in some} - left

    def _send(self, group: Sequence[Doomed]) -> None:
        self.medusa.delete_products([one.product_id for one in group])
        self.report.count("deleted", len(group))


def _is_ours(product: Row) -> bool:
    """Return whether the export sent the product, and nobody added a variant to it in Medusa."""
    variants = product["variants"] or ()
    of_export = len(variants) <= 1 or all(HASH_KEY in metadata_of(variant) for variant in variants)
    return HASH_KEY in metadata_of(product) and of_export


def _may_be_needed(product: Row) -> bool:
    """Return whether an order may need a product: stock of it is reserved, or Medusa does not say."""
    return any(
        not variant["manage_inventory"]
        or any(
            level["reserved_quantity"]
            for link in variant["inventory_items"] or ()
            for level in (link["inventory"] or {}).get("location_levels") or ()
        )
        for variant in product["variants"] or ()
    )
