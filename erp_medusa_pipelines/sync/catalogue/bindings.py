"""Which Medusa product belongs to which Website Item: the one place that decides it, for every task.

A product belongs to the Website Item that its `external_id` names. The ids on the Website Item are a cache of that.
They are wrong after the desk's Duplicate (it copies them), after a rename (the product still has the old name), after a
product was deleted, and after either server was restored from a backup.

A product that somebody made by hand with several variants, without an external_id, belongs to nobody: Website Items are
bound to its variants by their skus, and its texts, pictures and status stay with who made it (`is_shared`).

The decision, which writes nothing. `medusa_products` corrects wrong ids (binding_repair.py). Tasks that may run before
it does, as prices and stock do, are handed `Bindings.foreign` by their asset, since domains of sync/ do not import each
other; they skip the Website Items that it names.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.sync.catalogue.seen_products import seen_products
from erp_medusa_pipelines.sync.catalogue.whole import BOUND_FIELDS, Part, lacks
from erp_medusa_pipelines.sync.engine.batches import WHOLE_SHOP, Batch
from erp_medusa_pipelines.sync.shop.listing import listed

LOOKED_UP = "id,external_id,variants.id"
FIELDS = ["name", "modified", "item_code", "medusa_id", "medusa_variant_id"]
JUDGED_AT_ONCE = 2000
"""Website Items whose products are in memory together."""
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
    halves: list[tuple[Row, Row]] = field(default_factory=list)
    """They are right, and their product is half-made: (row, product)."""

    def add(self, other: "Findings") -> None:
        """Merge the findings about other rows."""
        self.copied += other.copied
        self.missing += other.missing
        self.renamed += other.renamed
        self.halves += other.halves


def judge(
    rows: Sequence[Row],
    products: Mapping[str, Row],
    existing: frozenset[str],
    *,
    whole: bool = False,
    home: Mapping[str, str] = MappingProxyType({}),
) -> Findings:
    """Compare the ids of `rows` (FIELDS) with Medusa's products, keyed by id.

    `existing` holds the names that products carry and that Website Items have. With `whole`, `products` have
    BOUND_FIELDS, and those that are half-made are found. `home` has the templates of variants that are one product
    with them.
    """
    shared = {
        row["name"]
        for row in rows
        if is_shared(product := products.get(row["medusa_id"])) or _is_at_home(row, product, home)
    }
    found = _judge_shared([row for row in rows if row["name"] in shared], products, whole=whole)
    claimed: set[str] = {row["medusa_id"] for row in rows if _owner(products.get(row["medusa_id"])) == row["name"]}
    for row in rows:
        if row["name"] in shared:
            continue
        product = products.get(row["medusa_id"])
        owner = _owner(product)
        if product is None:
            found.missing.append(row)
        elif owner != row["name"] and (owner in existing or row["medusa_id"] in claimed):
            found.copied.append(row)
        elif variant_of(row, product) is None and (product["variants"] or not whole):
            found.missing.append(row)
        else:
            if owner != row["name"]:
                claimed.add(row["medusa_id"])
                if owner:
                    found.renamed.append(row)
            if whole and lacks_of(row, product):
                found.halves.append((row, product))
    return found


def _judge_shared(rows: Iterable[Row], products: Mapping[str, Row], *, whole: bool) -> Findings:
    """Judge rows that are bound to a variant of a shared product: each variant is one item's."""
    found = Findings()
    claimed: set[str] = set()
    for row in rows:
        product = products[row["medusa_id"]]
        if variant_of(row, product) is None:
            found.missing.append(row)
        elif row["medusa_variant_id"] in claimed:
            found.copied.append(row)
        elif whole and lacks_of(row, product):
            found.halves.append((row, product))
        claimed.add(row["medusa_variant_id"])
    return found


def variant_of(row: Row, product: Row) -> Row | None:
    """Return the variant that the row has the id of; None where the product has no such variant."""
    return next((one for one in product["variants"] or () if one["id"] == row["medusa_variant_id"]), None)


def lacks_of(row: Row, product: Row) -> frozenset[Part]:
    """Return which parts the row's own product lacks."""
    return lacks(product, variant_of(row, product), row["item_code"] or "")


def _owner(product: Row | None) -> str:
    return (product or {}).get("external_id") or ""


def is_shared(product: Row | None) -> bool:
    """Return whether the product (external_id, variants) has several variants and no Website Item of its own."""
    return product is not None and not _owner(product) and len(product.get("variants") or ()) > 1


def _is_at_home(row: Row, product: Row | None, home: Mapping[str, str]) -> bool:
    """Return whether a variant's product is that of its template."""
    return _owner(product) != "" and _owner(product) == home.get(row["name"])


def is_own(row: Row, product: Row | None) -> bool:
    """Return whether the product, and the variant if the row has its id, belong to this Website Item alone.

    A template that is one product with its variants has no variant itself.
    """
    if product is None or is_shared(product) or _owner(product) not in ("", row["name"]):
        return False
    if not row.get("medusa_variant_id"):
        return "medusa_variant_id" not in row or _owner(product) == row["name"]
    return row["medusa_variant_id"] in {each["id"] for each in product["variants"]}


def existing_website_items(erp: ErpNextClient, names: Iterable[str]) -> frozenset[str]:
    """Return which of these names Website Items have."""
    return frozenset(row["name"] for row in erp.rows_in(WEBSITE_ITEM, ["name"], names))


class Bindings:
    """Check ids against both servers. Read-only."""

    def __init__(
        self, erp: ErpNextClient, medusa: MedusaClient, home: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._erp = erp
        self._medusa = medusa
        self._home = home

    def judge(self, rows: Sequence[Row], *, whole: bool = False) -> Findings:
        """Check the ids of these rows (FIELDS), and with `whole` what their products lack.

        It goes by what the run has seen, and looks again at what is wrong by that.
        """
        fields = BOUND_FIELDS if whole else LOOKED_UP
        found = self._judge(rows, seen_products(self._medusa, _products_of(rows), fields), whole=whole)
        doubtful = _products_of([*found.copied, *found.missing, *found.renamed, *(row for row, _ in found.halves)])
        if not doubtful or self._medusa.reading is None:
            return found
        again = [row for row in rows if row["medusa_id"] in doubtful]
        return self._judge(again, self._medusa.products_by("id", doubtful, fields), whole=whole)

    def _judge(self, rows: Sequence[Row], found: Sequence[Row], *, whole: bool) -> Findings:
        products = {product["id"]: product for product in found}
        names = {row["name"]: row["medusa_id"] for row in rows}
        strangers = {
            owner
            for row in rows
            if (owner := _owner(product := products.get(row["medusa_id"])))
            and names.get(owner) != row["medusa_id"]
            and not _is_at_home(row, product, self._home)
        }
        existing = existing_website_items(self._erp, strangers) if strangers else frozenset()
        return judge(rows, products, existing, whole=whole, home=self._home)

    def bound(self, batch: Batch | None) -> Iterator[Sequence[Row]]:
        """Yield the Website Items that have ids, in chunks, of a batch or of the whole shop."""
        yield from batched(listed(self._erp, batch or WHOLE_SHOP, FIELDS, filters=BOUND), JUDGED_AT_ONCE)

    def foreign(self, batch: Batch) -> frozenset[str]:
        """Return the Website Items of a batch whose ids belong to another Website Item.

        Nothing may be sent for them until `medusa_products` has corrected their ids. Ids that Medusa does not have
        do no harm: Medusa refuses a call for them, and the sync reports it.
        """
        return self._erp.http.once(_foreign_in(batch), lambda: self._foreign_of(self.bound(batch)))

    def foreign_among(self, batch: Batch, names: Collection[str]) -> frozenset[str]:
        """Return those of these Website Items of a batch that `foreign` names: no others' products are looked at."""
        wanted = frozenset(names)
        ids = {row["medusa_id"] for rows in self.bound(batch) for row in rows if row["name"] in wanted}
        # With them comes whoever else has the same product.
        of_ids = (row for rows in self.bound(batch) for row in rows if row["medusa_id"] in ids) if ids else ()
        return wanted & self._foreign_of(batched(of_ids, JUDGED_AT_ONCE))

    def know_none_foreign(self, batch: Batch) -> None:
        """Note for the next minutes that no id of the batch belongs to another Website Item."""
        self._erp.http.forget(_foreign_in(batch))
        self._erp.http.once(_foreign_in(batch), frozenset)

    def _foreign_of(self, bound: Iterable[Sequence[Row]]) -> frozenset[str]:
        found = Findings()
        for rows in bound:
            found.add(self.judge(rows))
        return frozenset(row["name"] for row in found.copied)


def _products_of(rows: Iterable[Row]) -> set[str]:
    return {row["medusa_id"] for row in rows}


def _foreign_in(batch: Batch) -> str:
    return f"ids of others in {batch.label} {hash(batch.items)}"
