"""Where the storefront differs from ERPNext, by the plans of the tasks that would correct it, and since when.

A difference is as old as ERPNext's last change of what the shop does not show yet; one that somebody made in Medusa is
as old as ERPNext's last change of that document.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.plan.rows import PlanRow
from erp_medusa_pipelines.product_fields import IMAGE_KEY
from erp_medusa_pipelines.sync.catalogue.arrangement import PICTURES_KEY, THUMBNAIL_KEY
from erp_medusa_pipelines.sync.catalogue.product_bodies import HASH_KEY
from erp_medusa_pipelines.sync.catalogue.product_changes import SENT_KEY
from erp_medusa_pipelines.sync.engine.names import folded

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


Row = Mapping[str, Any]

_DOCTYPE_OF = {"price": "Item Price", "stock": "Bin", "inventory item": "Bin", "pictures": "File"}
"""By what differs, the DocType that it is made of. All else is the Website Item's and its Item's."""
_SEPARATELY = frozenset({"price list", "collection"})
"""Not of a single item."""


@dataclass(frozen=True, order=True)
class Waiting:
    """A change of ERPNext that the shop does not show: when it was made (aware), where, and of which Website Item."""

    changed: datetime
    doctype: str
    website_item: str

    def seconds(self, now: datetime) -> float:
        """Return how long it has waited."""
        return max(0.0, (now - self.changed).total_seconds())

    def sentence(self, now: datetime) -> str:
        """Return it for people."""
        return f"its {self.doctype} was changed in ERPNext {_ago(self.seconds(now))} ago"


def waiting_changes(erp: ErpNextClient, found: Iterable[Difference]) -> list[Waiting]:
    """Return what stands behind these differences, oldest first, one for each Website Item and DocType.

    A few requests per 400 differing items, none without differences. Raises ApiError.
    """
    wanted: dict[str, set[str]] = defaultdict(set)
    for one in found:
        if one.sort != "orphaned" and one.what not in _SEPARATELY:
            wanted[folded(one.document)].add(_DOCTYPE_OF.get(one.what, WEBSITE_ITEM))
    items = _items(erp, sorted({one.document for one in found if folded(one.document) in wanted}) if wanted else [])
    doctypes = {row["name"]: wanted[folded(row["name"])] | wanted[folded(row["item_code"] or "")] for row in items}
    changed: dict[tuple[str, str], str] = {}
    for doctype in sorted({doctype for each in doctypes.values() for doctype in each}):
        own = [row for row in items if doctype in doctypes[row["name"]]]
        for row, moment in _moments(erp, doctype, own):
            key = (row["name"], doctype)
            changed[key] = max(moment, changed.get(key, ""))
    zone = erp.time_zone if changed else None
    return sorted(
        Waiting(datetime.fromisoformat(moment).replace(tzinfo=zone), doctype, name)
        for (name, doctype), moment in changed.items()
    )


def _items(erp: ErpNextClient, documents: Sequence[str]) -> list[Row]:
    """Return the Website Items that these are, by name or by item_code."""
    fields = ["name", "item_code", "modified"]
    rows = [row for key in ("name", "item_code") for row in erp.rows_in(WEBSITE_ITEM, fields, documents, key=key)]
    return list({row["name"]: row for row in rows}.values())


def _moments(erp: ErpNextClient, doctype: str, items: Sequence[Row]) -> Iterable[tuple[Row, str]]:
    """Yield (Website Item, `modified`) of each document of this DocType that they have."""
    if doctype == "File":
        yield from _linked(erp, doctype, "attached_to_name", items, lambda row: (row["name"], row["item_code"]))
        return
    if doctype == WEBSITE_ITEM:
        yield from ((row, str(row["modified"])) for row in items)
        doctype, key = "Item", "name"
    else:
        key = "item_code"
    yield from _linked(erp, doctype, key, items, lambda row: (row["item_code"],))


def _linked(
    erp: ErpNextClient, doctype: str, key: str, items: Sequence[Row], links: Callable[[Row], tuple[str | None, ...]]
) -> Iterable[tuple[Row, str]]:
    by_link = {folded(link): row for row in items for link in links(row) if link}
    names = [link for row in items for link in links(row) if link]
    for found in erp.rows_in(doctype, [key, "modified"], names, key=key, order_by=f"{key} asc"):
        if row := by_link.get(folded(found[key])):
            yield row, str(found["modified"])


def _ago(seconds: float) -> str:
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"
