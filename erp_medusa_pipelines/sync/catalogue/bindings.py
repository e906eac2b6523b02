"""Which Medusa product belongs to which Website Item: the one place that decides it, for every task.

A product belongs to the Website Item that its `external_id` names. The ids on the Website Item are a cache of that.
They are wrong after the desk's Duplicate (it copies them), after a rename (the product still has the old name), after
a product was deleted, and after either server was restored from a backup.

Belongs here: the judgment, which writes nothing. `medusa_products` puts wrong ids right (binding_repair.py). Tasks that
may run before it does, as prices and stock do, are handed `Bindings.foreign` by their asset, since domains of sync/ do
not import each other; they leave out the Website Items that it names.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.sync.engine.batches import Batch

LOOKED_UP = "id,external_id,variants.id"
FIELDS = ["name", "modified", "item_code", "medusa_id", "medusa_variant_id"]
BOUND = [["medusa_id", "is", "set"], ["medusa_variant_id", "is", "set"]]

Row = Mapping[str, Any]


@dataclass
class Findings:
    """What is wrong with the ids of some Website Items; each list holds their rows."""

    copied: list[Row] = field(default_factory=list)
    """Their product belongs to another Website Item, which exists."""
    missing: list[Row] = field(default_factory=list)
    """Medusa has no such product, or the product has no such variant."""
    renamed: list[Row] = field(default_factory=list)
    """Their product names a Website Item that does not exist, and they are the first with its id."""

    def add(self, other: "Findings") -> None:
        """Take over what was found about other rows."""
        self.copied += other.copied
        self.missing += other.missing
        self.renamed += other.renamed


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
        elif owner != row["name"] and (owner in existing or row["medusa_id"] in claimed):
            found.copied.append(row)
        elif row["medusa_variant_id"] not in {variant["id"] for variant in product["variants"]}:
            found.missing.append(row)
        elif owner != row["name"]:
            claimed.add(row["medusa_id"])
            if owner:
                found.renamed.append(row)
    return found


def _owner(product: Row | None) -> str:
    return (product or {}).get("external_id") or ""


def is_own(row: Row, product: Row | None) -> bool:
    """Whether what is sent to this product is sent for this Website Item (name, maybe medusa_variant_id)."""
    if product is None or _owner(product) not in ("", row["name"]):
        return False
    return "medusa_variant_id" not in row or row["medusa_variant_id"] in {each["id"] for each in product["variants"]}


def existing_website_items(erp: ErpNextClient, names: Iterable[str]) -> frozenset[str]:
    """Return those of these names that Website Items have."""
    return frozenset(row["name"] for row in erp.rows_in(WEBSITE_ITEM, ["name"], names))


class Bindings:
    """Looks ids up on both servers. Reads only."""

    def __init__(self, erp: ErpNextClient, medusa: MedusaClient) -> None:
        self._erp = erp
        self._medusa = medusa

    def judge(self, rows: Sequence[Row]) -> Findings:
        """Judge the ids of these Website Items (name, medusa_id, medusa_variant_id): one request per 350 of them."""
        found = self._medusa.products_by("id", (row["medusa_id"] for row in rows), LOOKED_UP)
        products = {product["id"]: product for product in found}
        names = {row["name"]: row["medusa_id"] for row in rows}
        strangers = {
            owner
            for row in rows
            if (owner := _owner(products.get(row["medusa_id"]))) and names.get(owner) != row["medusa_id"]
        }
        return judge(rows, products, existing_website_items(self._erp, strangers) if strangers else frozenset())

    def bound(self, batch: Batch | None) -> Iterator[Sequence[Row]]:
        """The Website Items that have ids, of a batch or of the whole shop, some at a time."""
        for page in self._erp.pages(WEBSITE_ITEM, FIELDS, filters=BOUND, page_size=10_000):
            if rows := [row for row in page if batch is None or batch.contains(row["name"])]:
                yield rows

    def foreign(self, batch: Batch) -> frozenset[str]:
        """Return the Website Items of a batch whose ids are another's.

        Nothing may be sent for them until `medusa_products` has put their ids right. Ids that Medusa does not have
        harm nobody: who sends to them is told so, and tells it.
        """
        found = Findings()
        for rows in self.bound(batch):
            found.add(self.judge(rows))
        return frozenset(row["name"] for row in found.copied)
