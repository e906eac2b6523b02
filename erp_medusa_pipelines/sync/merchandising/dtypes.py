"""Columns and dtypes of the frames that assets pass on.

What the code location shows of them, without loading pandas, which only a run needs.
"""

SALES_DTYPES = {"item_code": "str", "sales_qty": "float64", "lines": "int64"}
"""Columns of the sales table: one row per item sold, sorted by item_code. `sales_qty` may be negative."""

RANKING_DTYPES = {
    "category": "str",
    "table_field": "str",
    "rank": "int64",
    "item_code": "str",
    "item_name": "str",
    "item_group": "str",
    "sales_qty": "float64",
    "lines": "int64",
}
"""Columns of the ranking: one row per listed item, by category in the order of the setting, then by rank from 1."""
