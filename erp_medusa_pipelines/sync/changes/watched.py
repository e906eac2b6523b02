"""Which DocTypes are watched for changes, and which parts of a Website Item each of them concerns.

The table. How it is asked is in feed.py, which items are concerned in concerned.py.

Not seen by any of these, so left to the night: a renamed Brand, an Item's stock that changes by its own expiry date,
rows that were written by SQL, and a File that was detached.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import Filters


class Part(StrEnum):
    """A part of an item in the shop that can be brought up to date by itself; ITEM is all of it."""

    ITEM = "item"
    PICTURES = "pictures"
    PRICES = "prices"
    STOCK = "stock"


@dataclass(frozen=True)
class Watched:
    """One DocType. `column` moves with each change; `part` is what a change concerns, None for more than items."""

    doctype: str
    fields: tuple[str, ...]
    part: Part | None
    filters: Filters = ()
    column: str = "modified"


ITEM_GROUP, PRICE_LIST, DELETED, COMMENT = "Item Group", "Price List", "Deleted Document", "Comment"
TRANSLATION, CUSTOMER = "Translation", "Customer"
OF_A_PRODUCT = (WEBSITE_ITEM, "Item")
"""DocTypes whose attached Files are pictures of a product."""

WATCHED: tuple[Watched, ...] = (
    Watched(WEBSITE_ITEM, ("item_code",), Part.ITEM),
    Watched("Item", (), Part.ITEM),
    Watched("Item Price", ("item_code",), Part.PRICES),
    Watched("Bin", ("item_code",), Part.STOCK),
    Watched("Batch", ("item",), Part.STOCK),
    Watched("Product Bundle", ("new_item_code",), Part.ITEM),
    # An order that becomes Medusa's, or stops being so, moves no Bin.
    Watched("Sales Order", (), Part.STOCK, [["docstatus", ">", 0]]),
    Watched(
        "File",
        ("attached_to_doctype", "attached_to_name"),
        Part.PICTURES,
        [["attached_to_doctype", "in", list(OF_A_PRODUCT)]],
    ),
    Watched(ITEM_GROUP, (), None),
    # Saving one sets `modified` of all its Item Prices to the database's clock, which may be hours behind.
    Watched(PRICE_LIST, (), None),
    Watched(
        DELETED,
        ("deleted_doctype", "deleted_name"),
        None,
        [["deleted_doctype", "in", [WEBSITE_ITEM, "Item", "Item Price", "Product Bundle"]]],
        column="creation",
    ),
    # A rename moves no other document that the shop reads, and leaves only this trace.
    Watched(
        COMMENT,
        ("reference_doctype", "reference_name"),
        Part.ITEM,
        [["comment_type", "=", "Edit"], ["reference_doctype", "=", "Item"]],
        column="creation",
    ),
)


def watched_with(languages: Collection[str], *, customers: bool = False) -> tuple[Watched, ...]:
    """Return what is watched in a shop with these further Languages of ERPNext.

    `customers`: whether Item Prices for one Customer count. A Customer with another Price List has others of them.
    """
    watched = (*WATCHED, Watched(CUSTOMER, (), Part.PRICES)) if customers else WATCHED
    if not languages:
        return watched
    into = [["language", "in", sorted(languages)]]
    return (
        *(_with_deleted(each) if each.doctype == DELETED else each for each in watched),
        Watched(TRANSLATION, ("source_text",), None, into),
    )


def _with_deleted(watched: Watched) -> Watched:
    ((column, operator, doctypes),) = watched.filters
    return replace(watched, filters=[[column, operator, [*doctypes, TRANSLATION]]])
