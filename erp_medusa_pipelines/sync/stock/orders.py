"""What open Sales Orders that came from Medusa reserve in ERPNext.

Medusa has reserved the same for its orders, or has shipped it, so these must be kept apart from others. A site may
hide Sales Orders from lists by rules of its own (permission_query_conditions, User Permissions), or answer such a
list with an error. Child rows are not hidden, so hidden orders are noticed, and read one by one.

Finding the orders and what is left to deliver of them. How that is subtracted is in `on_hand.py`.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import AccessError, PermanentError
from erp_medusa_pipelines.clients.refusals import FIELD_NOT_PERMITTED
from erp_medusa_pipelines.sync.engine.names import folded

log = logging.getLogger(__name__)

ORDER, LINE, PACKED = "Sales Order", "Sales Order Item", "Packed Item"
CLOSED = ("Closed", "On Hold", "Completed")
"""States in which ERPNext reserves nothing for an order."""

LINE_FIELDS = [
    "parent", "item_code", "warehouse", "stock_qty", "qty", "delivered_qty", "conversion_factor",
    "delivered_by_supplier",
]  # fmt: skip
PACKED_FIELDS = ["parent", "parent_item", "item_code", "warehouse", "qty"]
PER_REQUEST = 500
PROBED = 20
"""Newest orders that are looked for in the list, to see whether it shows them all."""
MOST_READ_ALONE = 300
"""Hidden orders that are read one by one in a run. Others count as from elsewhere: that sells less, never more."""

Row = Mapping[str, Any]
Pairs = dict[tuple[str, str], float]


def left_to_deliver(erp: ErpNextClient, codes: Collection[str], bundles: Collection[str]) -> Pairs:
    """Return what Medusa's open orders reserve, by Item and warehouse, in the Item's stock unit.

    `codes` are Items that have anything reserved, and `bundles` the codes of Product Bundles: an order for one reserves
    its parts. No request without codes.
    """
    found: Pairs = defaultdict(float)
    if not codes:
        return found
    ours, sets = frozenset(map(folded, codes)), frozenset(map(folded, bundles))
    for lines, packed in _open_orders(erp, sorted({*codes, *bundles})):
        _add(found, lines, packed, ours, sets)
    return found


def _open_orders(erp: ErpNextClient, codes: Sequence[str]) -> Iterator[tuple[Sequence[Row], Sequence[Row]]]:
    """Yield (lines, packed items) of Medusa's open orders."""
    newest = _newest(erp, codes, PROBED)
    if not newest:
        return
    listed = _listed(erp, newest)
    if listed is None:
        yield from _read_alone(erp, _newest(erp, codes, MOST_READ_ALONE))
        return
    for some in batched(listed, PER_REQUEST):
        chosen = [["parent", "in", some]]
        lines = erp.get_list(LINE, LINE_FIELDS, filters=chosen, parent=ORDER)
        yield lines, erp.get_list(PACKED, PACKED_FIELDS, filters=chosen, parent=ORDER)


def _newest(erp: ErpNextClient, codes: Sequence[str], most: int) -> list[str]:
    """Return the newest submitted orders with undelivered lines of these Items, newest first."""
    found: dict[str, str] = {}
    for some in batched(codes, PER_REQUEST):
        rows = erp.get_list(
            LINE,
            ["parent", "creation"],
            filters=[["docstatus", "=", 1], ["item_code", "in", some]],
            order_by="creation desc",
            limit=4 * most,
            parent=ORDER,
        )
        for row in rows:
            found[row["parent"]] = max(row["creation"], found.get(row["parent"], ""))
    return sorted(found, key=lambda name: found[name], reverse=True)[:most]


def _listed(erp: ErpNextClient, probe: Sequence[str]) -> list[str] | None:
    """Return Medusa's open orders, or None where the list does not show all orders that there are."""
    is_open = [["docstatus", "=", 1], ["status", "not in", list(CLOSED)]]
    try:
        shown = {row["name"] for row in erp.get_list(ORDER, ["name"], filters=[["name", "in", list(probe)]])}
        if shown != set(probe):
            return None
        rows = erp.get_list(ORDER, ["name"], filters=[*is_open, ["medusa_order_id", "is", "set"]])
    except AccessError:
        raise
    except PermanentError as error:
        if FIELD_NOT_PERMITTED.search(error.reason):
            # Without the app's field there are no orders from Medusa.
            return []
        log.warning("Sales Orders cannot be listed, so they are read one by one: %s", error.reason)
        return None
    return [row["name"] for row in rows]


def _read_alone(erp: ErpNextClient, names: Sequence[str]) -> Iterator[tuple[Sequence[Row], Sequence[Row]]]:
    for name in names:
        try:
            order = erp.get(ORDER, name)
        except AccessError:
            raise
        except PermanentError as error:
            log.warning("Sales Order %s cannot be read, so it counts as one from elsewhere: %s", name, error.reason)
            continue
        if order.get("medusa_order_id") and order.get("docstatus") == 1 and order.get("status") not in CLOSED:
            lines = [{**dict.fromkeys(LINE_FIELDS), **row, "parent": name} for row in order.get("items") or ()]
            packed = [
                {**dict.fromkeys(PACKED_FIELDS), **row, "parent": name} for row in order.get("packed_items") or ()
            ]
            yield lines, packed


def _add(
    found: Pairs, lines: Sequence[Row], packed: Sequence[Row], codes: frozenset[str], bundles: frozenset[str]
) -> None:
    """Add what is left to deliver of some orders, as ERPNext counts it into Bin.reserved_qty.

    `codes` and `bundles` are folded.
    """
    # (pieces, pieces delivered) by order and bundle: a bundle may be in several lines.
    of_bundles: dict[tuple[str, str], tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
    for row in lines:
        if row["delivered_by_supplier"]:
            continue
        whole, delivered, code = row["qty"] or 0.0, row["delivered_qty"] or 0.0, folded(row["item_code"] or "")
        if code in bundles:
            before = of_bundles[row["parent"], code]
            of_bundles[row["parent"], code] = (before[0] + whole, before[1] + delivered)
        elif code in codes:
            left = (row["stock_qty"] or 0.0) - delivered * (row["conversion_factor"] or 1.0)
            found[row["item_code"], row["warehouse"] or ""] += max(0.0, left)
    for row in packed:
        whole, delivered = of_bundles[row["parent"], folded(row["parent_item"] or "")]
        share = max(0.0, 1 - delivered / whole) if whole else 0.0
        found[row["item_code"], row["warehouse"] or ""] += share * (row["qty"] or 0.0)
