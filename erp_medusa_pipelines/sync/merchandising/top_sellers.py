"""The best-selling items of each category, and the Single `Product Collection` that shows them.

Which items count, the ranking, the changes, the write.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from erp_medusa_pipelines.clients.erpnext import ErpNextClient, Row
from erp_medusa_pipelines.settings import SettingsError
from erp_medusa_pipelines.sync.engine.brake import Limit, MassLossError
from erp_medusa_pipelines.sync.engine.merge_save import merge_save, reused_rows, same_text
from erp_medusa_pipelines.sync.engine.names import ByName, folded
from erp_medusa_pipelines.sync.engine.report import SyncReport
from erp_medusa_pipelines.sync.engine.values import number
from erp_medusa_pipelines.sync.merchandising.dtypes import RANKING_DTYPES
from erp_medusa_pipelines.sync.merchandising.item_groups import ItemGroupTree
from erp_medusa_pipelines.sync.shop.for_sale import for_sale_in

DOCTYPE = "Product Collection"

ITEM_DTYPES = {"item_code": "str", "item_name": "str", "item_group": "str", "disabled": "bool", "published": "bool"}
"""Columns of the item table: what the ranking needs to know of an item."""


ALLOW_EMPTY = "allow_empty: true"
SELLERS = Limit("sellers", "rows of best sellers would go", 50, "", "allow_empty", "")

SAME_QUANTITY = 1e-6
"""Frappe keeps nine decimals of a Float; sums are exact to six."""


class CategoryError(SettingsError):
    """A category in the setting does not exist in ERPNext; raised before anything is written."""


def read_items(erp: ErpNextClient, item_codes: Sequence[str]) -> pd.DataFrame:
    """Return what the ranking needs to know of these items, with ITEM_DTYPES; items deleted since are missing."""
    wanted = ByName((code, code) for code in item_codes)
    today = erp.clock().date()
    sold_here, shown = for_sale_in(erp), [["published", "=", 1]]
    pages = erp.rows("Website Item", ["name", *sold_here.fields], filters=shown, page_size=10_000)
    published = {folded(row["item_code"]) for row in pages if sold_here.reason_against(row, today) is None}
    rows = [
        (sold, row["item_name"] or "", row["item_group"] or "", bool(row["disabled"]), folded(sold) in published)
        for row in erp.rows("Item", ["name", "item_name", "item_group", "disabled"], page_size=10_000)
        if (sold := wanted.find(row["name"]))
    ]
    return pd.DataFrame(rows, columns=list(ITEM_DTYPES)).astype(ITEM_DTYPES)


def check_categories(tree: ItemGroupTree, categories: Mapping[str, str]) -> None:
    """Raise CategoryError for categories that are not Item Groups."""
    unknown = [category for category in categories if tree.get(category) is None]
    if unknown:
        known = tree.names()
        text = ", ".join(known[:30]) + (f" and {len(known) - 30} more" if len(known) > 30 else "")
        raise CategoryError(
            f"TOP_SELLER_CATEGORIES names {', '.join(map(repr, unknown))}, which ERPNext has no Item Group for."
            f" Nothing was written. Correct the setting or create the group. The groups are: {text}"
        )


def rank(
    sales: pd.DataFrame,
    items: pd.DataFrame,
    tree: ItemGroupTree,
    categories: Mapping[str, str],
    *,
    most: int,
    include_hidden: bool = False,
) -> pd.DataFrame:
    """Return the `most` best sellers of each category including its descendants, with RANKING_DTYPES.

    An item returned as often as it was sold is not listed. Equal quantities are ordered by item_code, so that the same
    sales always give the same ranking.
    """
    check_categories(tree, categories)
    table = sales.merge(items, on="item_code", how="inner", validate="one_to_one")
    table = _where(table, table["sales_qty"] > 0)
    if not include_hidden:
        table = _where(table, table["published"] & ~table["disabled"])
    spans = {group: tree.get(group) for group in set(table["item_group"])}
    lefts = {group: span.lft for group, span in spans.items() if span is not None}
    # An item of a deleted group has no place (NaN) and is in no category.
    table = table.assign(place=pd.Series([lefts.get(group) for group in table["item_group"]], table.index, "float64"))
    parts = []
    for category, table_field in categories.items():
        span = tree.get(category)
        assert span is not None  # noqa: S101 - checked above
        best = _where(table, table["place"].between(span.lft, span.rgt))
        best = best.sort_values(["sales_qty", "item_code"], ascending=[False, True]).head(most)
        parts.append(best.assign(category=category, table_field=table_field, rank=range(1, len(best) + 1)))
    return pd.concat(parts, ignore_index=True).reindex(columns=list(RANKING_DTYPES)).astype(RANKING_DTYPES)


def _where(frame: pd.DataFrame, mask: Any) -> pd.DataFrame:
    """Return the rows where the mask is true; typed, which indexing is not for a type checker."""
    return frame.loc[mask, :]


@dataclass(frozen=True)
class RankChange:
    """One item that entered, left or moved. Rank and quantity are None on the side that does not list it."""

    category: str
    change: str
    item_code: str
    item_name: str
    rank_before: int | None
    rank_now: int | None
    sales_before: float | None
    sales_now: float | None


def rank_changes(
    ranking: pd.DataFrame, shown: Mapping[str, Sequence[Row]], categories: Mapping[str, str]
) -> list[RankChange]:
    """Return the difference between the ranking and the rows shown so far, by table field."""
    found = []
    for category, table_field in categories.items():
        before = {row.get("item_code"): (place, row) for place, row in enumerate(shown.get(table_field) or [], start=1)}
        now = {row["item_code"]: row for row in _rows(ranking, table_field)}
        for place, (code, row) in enumerate(now.items(), start=1):
            old_place, old_row = before.get(code, (None, None))
            if old_place == place:
                continue
            found.append(
                RankChange(
                    category=category,
                    change="entered" if old_place is None else "moved",
                    item_code=code,
                    item_name=row["item_name"],
                    rank_before=old_place,
                    rank_now=place,
                    sales_before=old_row.get("sales_count") if old_row else None,
                    sales_now=row["sales_count"],
                )
            )
        found += [
            RankChange(
                category, "left", code or "", row.get("item_name") or "", place, None, row.get("sales_count"), None
            )
            for code, (place, row) in before.items()
            if code not in now
        ]
    return found


def write_collection(
    erp: ErpNextClient,
    ranking: pd.DataFrame,
    categories: Mapping[str, str],
    report: SyncReport,
    *,
    allow_empty: bool = False,
) -> list[RankChange]:
    """Update `Product Collection` to the ranking; tables without differences are not sent.

    Returns the changes. Raises before any write: CategoryError for a table that the DocType does not have, whose rows
    ERPNext would silently drop; MassLossError when a category that shows items would show none, unless that is
    allowed.
    """
    changes: list[RankChange] = []
    written: dict[str, list[dict[str, Any]]] = {}

    def change(document: Row) -> dict[str, Any]:
        missing = sorted({field for field in categories.values() if not isinstance(document.get(field), list)})
        if missing:
            raise CategoryError(
                f"TOP_SELLER_CATEGORIES names the table {', '.join(missing)}, which {DOCTYPE} does not have."
                " Nothing was written. Correct the setting or add the table to the DocType"
            )
        if not allow_empty:
            _refuse_to_empty(document, ranking, categories)
        if not changes:
            changes.extend(rank_changes(ranking, document, categories))
        differing = {}
        for table_field in categories.values():
            wanted = _rows(ranking, table_field)
            if not _same_rows(document[table_field], wanted):
                differing[table_field] = reused_rows(document[table_field], wanted, "item_code")
        written.update(differing)
        return differing

    report.count("found", len(ranking))
    report.count("saves", merge_save(erp, DOCTYPE, DOCTYPE, change))
    rows_written = sum(field in written for field in ranking["table_field"])
    report.count("written", rows_written)
    report.count("unchanged", len(ranking) - rows_written)
    return changes


def _refuse_to_empty(document: Row, ranking: pd.DataFrame, categories: Mapping[str, str]) -> None:
    after = ranking["table_field"].value_counts().to_dict()
    emptied = [name for name, field in categories.items() if _shrinks(len(document[field]), after.get(field, 0))]
    if emptied:
        raise MassLossError(
            f"{DOCTYPE} shows best sellers of {', '.join(emptied)}, and would show none, or less than half of them,"
            " after this run. Nothing was written. Check that ERPNext has the sales, groups and published items of that"
            f" category; if this is intended, start the run with {ALLOW_EMPTY}"
        )


def _shrinks(before: int, after: int) -> bool:
    """Return whether a category loses its rows, or most of them. Other items in the same places are no loss."""
    return bool(before and not after) or SELLERS.exceeds(before - after, before)


def unsellable_listed(erp: ErpNextClient, categories: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return (category, item_code, reason) of rows that `Product Collection` should not show."""
    document = erp.get_single(DOCTYPE)
    listed = [
        (category, row.get("item_code") or "") for category, field in categories.items() for row in document[field]
    ]
    codes = sorted({code for _, code in listed})
    existing = {row["name"] for row in erp.rows_in("Item", ["name"], codes)}
    sold_here = for_sale_in(erp)
    rows = erp.rows_in("Website Item", ["name", *sold_here.fields], codes, key="item_code")
    today = erp.clock().date()
    reasons = {row["item_code"]: sold_here.reason_against(row, today) for row in rows}
    problems = []
    for category, code in listed:
        if code not in existing:
            problems.append((category, code, "does not exist"))
        elif code not in reasons:
            problems.append((category, code, "has no Website Item"))
        elif reason := reasons[code]:
            problems.append((category, code, f"is not for sale: {reason}"))
    return problems


def _rows(ranking: pd.DataFrame, table_field: str) -> list[dict[str, Any]]:
    """Return the rows of one child table, with the fields of `Product Collection Item`."""
    part = _where(ranking, ranking["table_field"] == table_field).sort_values("rank")
    return [
        {"item_code": code, "item_name": name, "sales_count": float(quantity)}
        for code, name, quantity in zip(part["item_code"], part["item_name"], part["sales_qty"], strict=True)
    ]


def _same_rows(current: Sequence[Row], wanted: Sequence[Mapping[str, Any]]) -> bool:
    return len(current) == len(wanted) and all(
        row.get("item_code") == other["item_code"]
        and same_text(row.get("item_name"), other["item_name"])
        and abs(number(row.get("sales_count")) - other["sales_count"]) < SAME_QUANTITY
        for row, other in zip(current, wanted, strict=True)
    )
