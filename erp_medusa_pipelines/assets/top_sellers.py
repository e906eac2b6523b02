"""The best sellers of each category: three thin assets over sync/.

sales_by_item --> top_selling_items --> product_collection

The first two return a DataFrame that other assets can load; its columns are documented on the asset.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from erp_medusa_pipelines.assets.bar_chart import bar_chart
from erp_medusa_pipelines.assets.doctypes import DOCTYPES, doctype
from erp_medusa_pipelines.assets.links import writes
from erp_medusa_pipelines.assets.reporting import SyncConfig, SyncRun, sync_run
from erp_medusa_pipelines.orchestration.frames import FRAMES, Frame, frame_schema, frame_table, frame_type
from erp_medusa_pipelines.orchestration.resources import ShopConnection
from erp_medusa_pipelines.orchestration.shops import pool
from erp_medusa_pipelines.orchestration.tables import rows_check, table
from erp_medusa_pipelines.sync.merchandising.dtypes import RANKING_DTYPES, SALES_DTYPES
from erp_medusa_pipelines.sync.merchandising.item_groups import ItemGroupTree

if TYPE_CHECKING:
    from erp_medusa_pipelines.sync.merchandising.sales import SalesReader

GROUP = "merchandising"
SUMS_CHECK, FILLED_CHECK, SELLABLE_CHECK = (
    "sums_match_a_direct_count",
    "every_category_is_filled",
    "listed_items_are_sold",
)
SAMPLE = 5

SALES_COLUMNS = {
    "item_code": "Item, name and item_code alike",
    "sales_qty": "Quantity on submitted Sales Invoices; returns count negative",
    "lines": "Invoice lines summed",
}
RANKING_COLUMNS = {
    "category": "Category, as the setting names it",
    "table_field": "Child table of Product Collection that shows it",
    "rank": "From 1; equal quantities are ordered by item_code",
    "item_code": "Item",
    "item_name": "Its name",
    "item_group": "Its own Item Group, somewhere under the category",
    "sales_qty": SALES_COLUMNS["sales_qty"],
    "lines": SALES_COLUMNS["lines"],
}
CHANGE_COLUMNS = {
    "category": "string",
    "change": "string",
    "item_code": "string",
    "item_name": "string",
    "rank_before": "int",
    "rank_now": "int",
    "sales_before": "float",
    "sales_now": "float",
}


def _lineage(columns: Mapping[str, Sequence[tuple[str, str]]]) -> dg.TableColumnLineage:
    """Where each column comes from: (DocType or asset, its field or column)."""
    return dg.TableColumnLineage(
        deps_by_column={
            column: [
                dg.TableColumnDep(doctype(source) if source in DOCTYPES else dg.AssetKey(source), name)
                for source, name in sources
            ]
            for column, sources in columns.items()
        }
    )


@dg.asset(
    group_name=GROUP,
    kinds={"erpnext", "pandas"},
    io_manager_key=FRAMES,
    deps=[doctype("Sales Invoice")],
    metadata={
        "dagster/column_schema": frame_schema(SALES_DTYPES, SALES_COLUMNS),
        "dagster/column_lineage": _lineage(
            {
                "item_code": [("Sales Invoice", "items.item_code")],
                "sales_qty": [("Sales Invoice", "items.qty"), ("Sales Invoice", "items.stock_qty")],
                "lines": [("Sales Invoice", "items.name")],
            }
        ),
    },
    dagster_type=frame_type("SalesByItem", SALES_DTYPES),
    check_specs=[
        dg.AssetCheckSpec(
            SUMS_CHECK,
            asset="sales_by_item",
            description="Sums of some items equal what their invoice lines add up to when they are counted directly.",
        )
    ],
    description="Quantity sold per item: the lines of submitted Sales Invoices, summed by ERPNext where it can.",
)
def sales_by_item(context: dg.AssetExecutionContext, shop: ShopConnection) -> dg.MaterializeResult:
    # Loaded here because it loads pandas, which only the runs of these assets need.
    from erp_medusa_pipelines.sync.merchandising.sales import SalesOptions, SalesReader
    from erp_medusa_pipelines.sync.merchandising.top_sellers import check_categories

    with sync_run(context, shop, SyncConfig(), "Item") as run:
        settings = run.shop.settings
        check_categories(ItemGroupTree.read(run.shop.erp), settings.top_seller_categories)
        began = run.shop.erp.now()
        since = began.date() - timedelta(days=settings.top_seller_days) if settings.top_seller_days else None
        reader = SalesReader(
            run.shop.erp, SalesOptions(quantity=settings.top_seller_quantity, window=settings.sales_window)
        )
        sales = reader.read(since)
        frame = sales.table()
        run.report.count("found", len(frame))
        metadata = {
            "lines": sales.lines,
            "windows": sales.windows,
            "summed_by": "ERPNext" if sales.pushed_down else "this run, from single lines",
            "since": since.isoformat() if since else "the beginning",
            "dagster/row_count": len(frame),
        }
        moment = began.strftime("%Y-%m-%d %H:%M:%S")
        return run.result(metadata=metadata, checks=[_sums_check(reader, frame, since, moment)], value=frame)


def _sums_check(reader: "SalesReader", frame: Frame, since: date | None, began: str) -> dg.AssetCheckResult:
    from erp_medusa_pipelines.sync.merchandising.sales import sample

    sums: dict[str, float] = dict(zip(frame["item_code"], frame["sales_qty"], strict=True))
    rows = []
    for code in sample(frame, SAMPLE):
        summed, counted = sums[code], reader.quantity_of(code, since)
        # An invoice that was submitted or cancelled while this ran is counted on one side only.
        verdict = "equal" if summed == counted else "sold meanwhile" if reader.changed_since(code, began) else "differs"
        rows.append({"item_code": code, "summed": summed, "counted": counted, "verdict": verdict})
    columns = {"item_code": "string", "summed": "float", "counted": "float", "verdict": "string"}
    passed = not any(row["verdict"] == "differs" for row in rows)
    return dg.AssetCheckResult(passed=passed, check_name=SUMS_CHECK, metadata={"sample": table(rows, columns)})


@dg.asset(
    group_name=GROUP,
    kinds={"pandas"},
    io_manager_key=FRAMES,
    deps=[doctype("Item"), doctype("Item Group")],
    metadata={
        "dagster/column_schema": frame_schema(RANKING_DTYPES, RANKING_COLUMNS),
        "dagster/column_lineage": _lineage(
            {
                "category": [("Item Group", "name")],
                "rank": [("sales_by_item", "sales_qty")],
                "item_code": [("sales_by_item", "item_code")],
                "item_name": [("Item", "item_name")],
                "item_group": [("Item", "item_group")],
                "sales_qty": [("sales_by_item", "sales_qty")],
                "lines": [("sales_by_item", "lines")],
            }
        ),
    },
    dagster_type=frame_type("TopSellingItems", RANKING_DTYPES),
    check_specs=[
        dg.AssetCheckSpec(
            FILLED_CHECK, asset="top_selling_items", description="Each category has at least one item that was sold."
        )
    ],
    description="The best sellers of each category and its descendants, ranked by quantity.",
)
def top_selling_items(
    context: dg.AssetExecutionContext, shop: ShopConnection, sales_by_item: Frame
) -> dg.MaterializeResult:
    from erp_medusa_pipelines.sync.merchandising.top_sellers import rank, read_items

    with sync_run(context, shop, SyncConfig(), "Item") as run:
        settings = run.shop.settings
        ranking = rank(
            sales_by_item,
            read_items(run.shop.erp, sales_by_item["item_code"].tolist()),
            ItemGroupTree.read(run.shop.erp),
            settings.top_seller_categories,
            most=settings.top_seller_count,
            include_hidden=settings.top_seller_include_hidden,
        )
        run.report.count("found", len(ranking))
        charts = {
            f"chart: {category}": dg.MetadataValue.md(_chart(category, ranking.loc[ranking["category"] == category, :]))
            for category in settings.top_seller_categories
        }
        empty = [name for name in settings.top_seller_categories if name not in set(ranking["category"])]
        check = dg.AssetCheckResult(
            passed=not empty, check_name=FILLED_CHECK, metadata={"empty": ", ".join(empty) or "none"}
        )
        metadata = {"ranking": frame_table(ranking), **charts, "dagster/row_count": len(ranking)}
        return run.result(metadata=metadata, checks=[check], value=ranking)


def _chart(category: str, part: Frame) -> str:
    if part.empty:
        return f"{category}: nothing was sold"
    numbered = zip(part["rank"], part["item_name"], part["item_code"], part["sales_qty"], strict=True)
    return bar_chart(category, [(f"{place}. {name or code}", float(qty)) for place, name, code, qty in numbered])


class CollectionConfig(dg.Config):
    """Launchpad config for one run."""

    allow_empty: bool = Field(
        default=False, description="Go on although a category that shows best sellers would show none"
    )


@dg.asset(
    group_name=GROUP,
    metadata=writes(
        erpnext="Product Collection: its four child tables",
        desk_list="Product Collection",
    ),
    kinds={"erpnext"},
    pool=pool("product_collection"),
    check_specs=[
        dg.AssetCheckSpec(
            SELLABLE_CHECK,
            asset="product_collection",
            description="Every item that Product Collection shows exists, is published and is enabled.",
        )
    ],
    description="The Single Product Collection shows the ranking; nothing is written where it does already.",
)
def product_collection(
    context: dg.AssetExecutionContext,
    config: CollectionConfig,
    shop: ShopConnection,
    top_selling_items: Frame,
) -> dg.MaterializeResult:
    from erp_medusa_pipelines.sync.merchandising.top_sellers import write_collection

    with sync_run(context, shop, SyncConfig(), "Item") as run:
        categories = run.shop.settings.top_seller_categories
        changes = write_collection(
            run.shop.erp, top_selling_items, categories, run.report, allow_empty=config.allow_empty
        )
        metadata = {
            **{f"items_{kind}": sum(one.change == kind for one in changes) for kind in ("entered", "left", "moved")},
            "changes": table([asdict(one) for one in changes], CHANGE_COLUMNS),
        }
        return run.result(metadata=metadata, checks=[_sellable_check(run, list(categories.items()))])


def _sellable_check(run: SyncRun, categories: Sequence[tuple[str, str]]) -> dg.AssetCheckResult:
    from erp_medusa_pipelines.sync.merchandising.top_sellers import unsellable_listed

    include_hidden = run.shop.settings.top_seller_include_hidden
    problems = [
        {"category": category, "item_code": code, "reason": reason}
        for category, code, reason in unsellable_listed(run.shop.erp, dict(categories))
        # Hidden items that a setting asks for are no mistake; missing ones are.
        if not (include_hidden and reason != "does not exist")
    ]
    return rows_check(SELLABLE_CHECK, problems, ("category", "item_code", "reason"))


ASSETS = [sales_by_item, top_selling_items, product_collection]
