"""What of the stock in ERPNext cannot be promised to the shop's customers: expired batches and orders from Medusa.

Reading the ledger in grouped requests, and the shape of both. Orders are read in `orders.py`; how both are subtracted
is in `on_hand.py`.

Each frame has the columns item_code, warehouse and one quantity in the Item's stock unit, at most a row per pair.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date

import pandas as pd

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.erpnext import Aggregate, ErpNextClient, Filters
from erp_medusa_pipelines.sync.engine.names import folded
from erp_medusa_pipelines.sync.stock.orders import left_to_deliver

PER_REQUEST = 2000
Pairs = Mapping[tuple[str, str], float]


def expired(erp: ErpNextClient, codes: Iterable[str], today: date) -> pd.DataFrame:
    """Return what the ledger says of these Items' expired batches, as `expired`.

    A batch still counts on its expiry date, as in ERPNext's get_batch_qty. Codes of Items without batches cost nothing.
    """
    found: dict[tuple[str, str], float] = defaultdict(float)
    for some in batched(codes, PER_REQUEST):
        # `<` alone also finds batches without a date: Frappe takes NULL for the year 1.
        dated = [["expiry_date", "is", "set"], ["expiry_date", "<", today.isoformat()]]
        rows = erp.get_list("Batch", ["name", "item"], filters=[["item", "in", some], *dated])
        item_of = {folded(row["name"]): row["item"] for row in rows}
        for names in batched(sorted(row["name"] for row in rows), PER_REQUEST):
            for batch, warehouse, quantity in _ledger(erp, names):
                found[item_of.get(folded(batch), ""), warehouse] += quantity
    return _frame({pair: quantity for pair, quantity in found.items() if quantity > 0}, "expired")


def _ledger(erp: ErpNextClient, batches: Collection[str]) -> Iterable[tuple[str, str, float]]:
    """Yield (batch, warehouse, quantity): bundles' entries, and entries from before there were bundles."""
    chosen = ["batch_no", "in", list(batches)]
    sources: tuple[tuple[str, str, Filters, str | None], ...] = (
        ("Serial and Batch Entry", "qty", [["docstatus", "=", 1]], "Serial and Batch Bundle"),
        (
            "Stock Ledger Entry",
            "actual_qty",
            [["is_cancelled", "=", 0], ["serial_and_batch_bundle", "is", "not set"]],
            None,
        ),
    )
    for doctype, column, filters, parent in sources:
        fields = ["batch_no", "warehouse", Aggregate("SUM", column, "quantity")]
        options = {"group_by": "batch_no, warehouse", "order_by": "batch_no asc", "parent": parent}
        for row in erp.get_list(doctype, fields, filters=[*filters, chosen], **options):
            yield row["batch_no"], row["warehouse"] or "", row["quantity"] or 0.0


def ordered(erp: ErpNextClient, codes: Collection[str], bundles: Collection[str]) -> pd.DataFrame:
    """Return what open Sales Orders that came from Medusa reserve of these Items, as `ordered`."""
    return _frame(left_to_deliver(erp, codes, bundles), "ordered")


def _frame(found: Pairs, column: str) -> pd.DataFrame:
    rows = [(code, warehouse, quantity) for (code, warehouse), quantity in found.items()]
    frame = pd.DataFrame(rows, columns=pd.Index(["item_code", "warehouse", column]))
    return frame.astype({column: "float64"})
