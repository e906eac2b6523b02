"""What of the stock in ERPNext cannot be promised to the shop's customers: expired batches and orders.

Belongs here: reading both in grouped requests. How they are subtracted is in `on_hand.py`.

Each frame has the columns item_code, warehouse and one quantity in the Item's stock unit, at most a row per pair.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date

import pandas as pd

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.erpnext import Aggregate, ErpNextClient, Filters
from erp_medusa_pipelines.clients.failures import PermanentError

PER_REQUEST = 2000
Pairs = Mapping[tuple[str, str], float]

OPEN_ORDERS = [["docstatus", "=", 1], ["status", "not in", ["Closed", "On Hold", "Completed"]]]
"""Sales Orders that ERPNext counts into Bin.reserved_qty."""
FROM_MEDUSA = ["medusa_order_id", "is", "set"]
NO_SUCH_FIELD = "Field not permitted in query"
LINES = ("item_code", "warehouse", "stock_qty", "qty", "delivered_qty", "conversion_factor", "delivered_by_supplier")


def expired(erp: ErpNextClient, codes: Iterable[str], today: date) -> pd.DataFrame:
    """Return what the ledger says of these Items' expired batches, as `expired`.

    A batch still counts on its expiry date, as in ERPNext's get_batch_qty. Codes of Items without batches cost nothing.
    """
    found: dict[tuple[str, str], float] = defaultdict(float)
    for some in batched(codes, PER_REQUEST):
        # `<` alone also finds batches without a date: Frappe takes NULL for the year 1.
        dated = [["expiry_date", "is", "set"], ["expiry_date", "<", today.isoformat()]]
        rows = erp.get_list("Batch", ["name", "item"], filters=[["item", "in", some], *dated])
        item_of = {row["name"]: row["item"] for row in rows}
        for names in batched(sorted(item_of), PER_REQUEST):
            for batch, warehouse, quantity in _ledger(erp, names):
                found[item_of[batch], warehouse] += quantity
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
    """Return what open Sales Orders that came from Medusa reserve of these Items, as `ordered`.

    Medusa has reserved the same for its orders, or has shipped it. `bundles` are the codes of Product Bundles: an order
    for one reserves its parts. A site without the app's field has no orders from Medusa.
    """
    lines = [f"items.{column}" for column in LINES]
    try:
        rows = erp.get_list("Sales Order", ["name", *lines], filters=[*OPEN_ORDERS, FROM_MEDUSA])
    except PermanentError as error:
        if NO_SUCH_FIELD not in error.reason:
            raise
        rows = []
    found: dict[tuple[str, str], float] = defaultdict(float)
    # (pieces, pieces delivered) by order and bundle: a bundle may be in several lines.
    of_bundles: dict[str, dict[str, tuple[float, float]]] = defaultdict(dict)
    wanted, kits = set(codes), set(bundles)
    for row in rows:
        if row["delivered_by_supplier"]:
            continue
        whole, delivered = row["qty"] or 0.0, row["delivered_qty"] or 0.0
        if row["item_code"] in kits:
            before = of_bundles[row["name"]].get(row["item_code"], (0.0, 0.0))
            of_bundles[row["name"]][row["item_code"]] = (before[0] + whole, before[1] + delivered)
        elif row["item_code"] in wanted:
            found[row["item_code"], row["warehouse"] or ""] += max(
                0.0, (row["stock_qty"] or 0.0) - delivered * (row["conversion_factor"] or 1.0)
            )
    for some in batched(sorted(of_bundles), PER_REQUEST):
        fields = ["parent", "parent_item", "item_code", "warehouse", "qty"]
        for row in erp.get_list("Packed Item", fields, filters=[["parent", "in", some]], parent="Sales Order"):
            whole, delivered = of_bundles[row["parent"]].get(row["parent_item"], (0.0, 0.0))
            share = max(0.0, 1 - delivered / whole) if whole else 0.0
            found[row["item_code"], row["warehouse"] or ""] += share * (row["qty"] or 0.0)
    return _frame(found, "ordered")


def _frame(found: Pairs, column: str) -> pd.DataFrame:
    rows = [(code, warehouse, quantity) for (code, warehouse), quantity in found.items()]
    frame = pd.DataFrame(rows, columns=pd.Index(["item_code", "warehouse", column]))
    return frame.astype({column: "float64"})
