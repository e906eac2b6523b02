"""Find exported products that no Website Item owns, and ids that two Website Items share, in the whole shop.

They remain after a lost write-back, an old deletion or a restored backup: the shop shows them and no task updates
them. By policy they become drafts, or are only reported.

Finding them. A product that the next export corrects by itself - of a renamed or copied Website Item, or of one that
waits for its ids - is not an orphan.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import AccessError, ApiError
from erp_medusa_pipelines.clients.medusa import MedusaClient, metadata_of
from erp_medusa_pipelines.setting_types import OrphanPolicy
from erp_medusa_pipelines.sync.catalogue.bindings import existing_website_items
from erp_medusa_pipelines.sync.catalogue.deletions import DeletedProducts
from erp_medusa_pipelines.sync.catalogue.product_bodies import HASH_KEY, WITHDRAWN
from erp_medusa_pipelines.sync.catalogue.retired import is_retired
from erp_medusa_pipelines.sync.engine.brake import Guard, Loss
from erp_medusa_pipelines.sync.engine.delivery import deliver
from erp_medusa_pipelines.sync.engine.report import SyncReport
from erp_medusa_pipelines.sync.shop.for_sale import for_sale_in

GONE = "its Website Item no longer exists"
UNKNOWN = "its Website Item is not for sale and does not refer to it"
SECOND = "its Website Item has another product"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Orphan:
    """A product, the Website Item name in its external_id, and what is wrong."""

    product_id: str
    title: str
    status: str
    website_item: str
    reason: str


@dataclass(frozen=True, slots=True)
class SharedId:
    """A product id that several Website Items have."""

    medusa_id: str
    website_items: tuple[str, ...]


def find_orphans(products: Sequence[Row], rows: Sequence[Row], sold: Collection[str]) -> list[Orphan]:
    """Compare exported products (id, title, status, external_id) with Website Items (name, medusa_id).

    `sold` names those that the next export gives their product's ids, because the shop sells them.
    """
    items = {row["name"]: row for row in rows}
    known_ids = {row["medusa_id"] for row in rows if row["medusa_id"]}
    named: dict[str, set[str]] = defaultdict(set)
    for product in products:
        named[product["external_id"]].add(product["id"])
    return [
        Orphan(product["id"], product["title"], product["status"], product["external_id"], reason)
        for product in products
        if (reason := _reason(product, items.get(product["external_id"]), known_ids, named, sold))
    ]


def _reason(
    product: Row, item: Row | None, known_ids: set[str], named: Mapping[str, set[str]], sold: Collection[str]
) -> str:
    if item is None:
        # A Website Item that has the product's id was renamed.
        return "" if product["id"] in known_ids else GONE
    if item["medusa_id"] == product["id"]:
        return ""
    if item["medusa_id"] in named[item["name"]]:
        return SECOND
    return "" if item["medusa_id"] or item["name"] in sold else UNKNOWN


def find_shared_ids(rows: Sequence[Row], home: Mapping[str, str] = MappingProxyType({})) -> list[SharedId]:
    """Return the product ids that several Website Items have, but for variants that are one product by intention."""
    owners: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row["medusa_id"] and row["name"] not in home:
            owners[row["medusa_id"]].append(row["name"])
    return [SharedId(medusa_id, tuple(names)) for medusa_id, names in sorted(owners.items()) if len(names) > 1]


@dataclass(kw_only=True)
class OrphanedProducts:
    """One search of the whole shop. `run` fills `orphans` and `shared`."""

    erp: ErpNextClient
    medusa: MedusaClient
    report: SyncReport
    policy: OrphanPolicy
    guard: Guard
    chunk: int
    home: Mapping[str, str] = field(default_factory=dict[str, str])
    """The templates of variants that are one product with them."""
    orphans: list[Orphan] = field(default_factory=list)
    shared: list[SharedId] = field(default_factory=list)

    deletion: DeletedProducts | None = None
    """Deletes what was withdrawn long ago; without it, nothing is."""

    def run(self) -> None:
        """Find orphans and make drafts of published ones. Raises MassLossError when there are too many."""
        # Products first: one that is exported meanwhile certainly has a Website Item.
        products = self._own_products()
        if self.deletion:
            deleted = self.deletion.run(products)
            products = [product for product in products if product["id"] not in deleted]
        for_sale, today = for_sale_in(self.erp), self.erp.clock().date()
        rows = list(self.erp.rows(WEBSITE_ITEM, ["name", "medusa_id", *for_sale.fields], page_size=10_000))
        sold = {row["name"] for row in rows if for_sale.reason_against(row, today) is None}
        sold |= {template for name, template in self.home.items() if name in sold}
        self.shared = find_shared_ids(rows, self.home)
        self.orphans = self._confirmed(find_orphans(products, rows, sold))
        self.report.count("found", len(products))
        self.report.count("orphans", len(self.orphans))
        self.report.count("shared_ids", len(self.shared))
        shown = [orphan for orphan in self.orphans if orphan.status == "published"]
        if self.policy == "draft" and shown:
            had = {product["id"] for product in products if product["status"] == "published"}
            loss = Loss({orphan.product_id: orphan.website_item for orphan in shown}, had)
            self.guard.refuse(loss)
            for some in batched(shown, self.chunk):
                self._withdraw(some)

    def _own_products(self) -> list[Row]:
        """Return the products that the export made or adopted, without their long metadata."""
        fields = "id,title,status,external_id,updated_at,metadata"
        return [
            {key: product[key] for key in ("id", "title", "status", "external_id", "updated_at")}
            for product in self.medusa.all_of("/admin/products", "products", fields)
            if product["external_id"] and HASH_KEY in metadata_of(product) and not is_retired(product)
        ]

    def _confirmed(self, orphans: Sequence[Orphan]) -> list[Orphan]:
        """Look each one up in ERPNext by name again: a truncated list must not hide products."""
        gone = [orphan for orphan in orphans if orphan.reason == GONE]
        there = existing_website_items(self.erp, (orphan.website_item for orphan in gone)) if gone else frozenset()
        return [orphan for orphan in orphans if orphan.reason != GONE or orphan.website_item not in there]

    def _withdraw(self, group: Sequence[Orphan]) -> None:
        delivery = deliver(group, self._send, check_way=self.medusa.check_way)
        for orphan, error in delivery.rejected:
            self._note(orphan, error)
        for orphan, error in [*delivery.failed, *delivery.alone]:
            self._note(orphan, error)

    def _send(self, group: Sequence[Orphan]) -> None:
        updates = [{"id": one.product_id, "status": "draft", "metadata": {HASH_KEY: WITHDRAWN}} for one in group]
        self.medusa.batch_products(update=updates, fields="id")
        self.report.count("withdrawn", len(group))

    def _note(self, orphan: Orphan, error: ApiError) -> None:
        if isinstance(error, AccessError):
            raise error
        self.report.defer("Product", orphan.product_id, error)
