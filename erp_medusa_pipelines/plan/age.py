"""How old a difference is: when ERPNext last changed what the shop does not show yet.

A difference that somebody made in Medusa is as old as ERPNext's last change of that document.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.plan.drift import Difference
from erp_medusa_pipelines.sync.engine.names import folded

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
