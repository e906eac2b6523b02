"""Where the storefront differs from ERPNext, derived from the plans of the tasks that would correct it."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from erp_medusa_pipelines.plan.rows import PlanRow
from erp_medusa_pipelines.product_fields import IMAGE_KEY
from erp_medusa_pipelines.sync.catalogue.arrangement import PICTURES_KEY, THUMBNAIL_KEY
from erp_medusa_pipelines.sync.catalogue.product_bodies import HASH_KEY
from erp_medusa_pipelines.sync.catalogue.product_changes import SENT_KEY

Sort = Literal["missing", "orphaned", "differing"]

ORPHANS_TASK = "find_orphaned_products"
"""The only task whose plan drafts products that no Website Item owns."""

_WHAT = {
    "price": "price",
    "inventory level": "stock",
    "inventory item": "stock",
    "price list": "price list",
    "collection": "collection",
    "product category": "category",
    "variant": "variant",
}
_NOTES = frozenset(f"metadata.{key}" for key in (HASH_KEY, IMAGE_KEY, SENT_KEY, THUMBNAIL_KEY, PICTURES_KEY))
"""The export's own records in a product, which no customer sees."""

_PICTURES = frozenset({"thumbnail", "images"})


@dataclass(frozen=True, order=True)
class Difference:
    """One difference. `erpnext` is what the shop should show, `medusa` what it shows."""

    sort: Sort
    what: str
    document: str
    field: str
    erpnext: str
    medusa: str


def differences(plans: Iterable[tuple[str, Sequence[PlanRow]]]) -> list[Difference]:
    """Return the differences in plans, given as (task, rows). Writes to ERPNext, such as ids, are not differences."""
    found: set[Difference] = set()
    for task, rows in plans:
        made = _made(rows)
        for row in rows:
            if row.system == "Medusa" and row.field not in _NOTES and not _comes_with(row, made):
                found.add(_difference(task, row))
    return sorted(found)


def counts(found: Iterable[Difference]) -> dict[str, int]:
    """Count documents by sort, and by what differs: {"missing": 2, "differing": 1, "price": 1}."""
    documents = {(one.sort, one.document) for one in found} | {
        (one.what, one.document) for one in found if one.sort == "differing"
    }
    return dict(sorted(Counter(name for name, _ in documents).items()))


def _made(rows: Iterable[PlanRow]) -> set[str]:
    """Names of the products that are missing, and their skus, by which prices and stock are named."""
    made: set[str] = set()
    for row in rows:
        if (row.kind, row.action) == ("product", "create"):
            made.add(row.document)
            if row.field == "variants":
                made |= {variant["sku"] for variant in json.loads(row.new) if variant.get("sku")}
    return made


def _comes_with(row: PlanRow, made: set[str]) -> bool:
    """Whether the row only says what comes along: all that a missing product lacks, and files before they are shown."""
    return row.kind == "file" or (row.document in made and (row.kind, row.action) != ("product", "create"))


def _difference(task: str, row: PlanRow) -> Difference:
    if task == ORPHANS_TASK:
        return Difference("orphaned", "product", row.document, row.field, "no Website Item", row.old)
    if (row.kind, row.action) == ("product", "create"):
        return Difference("missing", "product", row.document, "", "published", "")
    return Difference("differing", _what(row), row.document, row.field, row.new, row.old)


def _what(row: PlanRow) -> str:
    if row.kind != "product":
        return _WHAT.get(row.kind, row.kind)
    return "pictures" if row.field in _PICTURES else row.field.removeprefix("metadata.")
