"""An embedded ERPNext with millions of invoice lines, in a process of its own.

    python -m bench.sales_store fill FILE --lines 1000000      writes the store
    python -m bench.sales_store serve FILE --key K --secret S  serves it until stdin closes

The lines go straight into the store, as rows: through the API five million would take a day.
"""

import argparse
import json
import random
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

from erp_medusa_sandbox.erpnext.app import create_app
from erp_medusa_sandbox.erpnext.store import ErpStore
from erp_medusa_sandbox.faults import FaultInjector
from erp_medusa_sandbox.server import running
from erp_medusa_sandbox.shop.seed import seed_shop
from erp_medusa_sandbox.shop.trade import INVOICE_COLUMNS, LINE_COLUMNS, stamp

ITEMS, LINES_PER_INVOICE = 2_000, 50
QUANTITIES = (0.5, 1.0, 2.0, 5.0, 10.0, 50.0)
CHUNK = 100_000


def write(path: Path, lines: int) -> None:
    """Fill a sample shop of ITEMS items with `lines` invoice lines on top of its own."""
    store = ErpStore(path)
    store.execute("PRAGMA synchronous = OFF")
    seed_shop(store, items=ITEMS, images=0)
    chance = random.Random(lines)  # noqa: S311 - sample data, no secret
    items = store.tuples('SELECT name, item_name, item_group, stock_uom FROM "tabItem" ORDER BY name')
    weights = list(accumulate(1 / (1 + number * 37 % len(items)) for number in range(len(items))))
    now = datetime(2026, 1, 1)  # noqa: DTZ001 - the site's wall clock
    for start in range(0, lines, CHUNK):
        some = min(CHUNK, lines - start)
        store.bulk_insert("Sales Invoice", INVOICE_COLUMNS, _invoices(start, some, now))
        sold = chance.choices(items, cum_weights=weights, k=some)
        quantities = chance.choices(QUANTITIES, k=some)
        store.bulk_insert("Sales Invoice Item", LINE_COLUMNS, _lines(start, sold, quantities, now))
    store.close()


def _head(invoice: int, now: datetime) -> tuple[str, str, int]:
    """(name, creation, docstatus): one draft and one cancelled invoice in forty."""
    made = stamp(now - timedelta(seconds=invoice * 61 % (730 * 86400)))
    return f"BENCH-SINV-{invoice:07d}", made, {0: 0, 1: 2}.get(invoice % 40, 1)


def _invoices(start: int, lines: int, now: datetime) -> Iterator[tuple[Any, ...]]:
    for invoice in range(start // LINES_PER_INVOICE, (start + lines) // LINES_PER_INVOICE):
        name, made, docstatus = _head(invoice, now)
        rest = ("Hospital 001", "Hospital 001", "Sandbox Trading", made[:10], "OMR", 1.0, 0, "Paid", 0.0, 0.0)
        yield name, "Administrator", "Administrator", made, made, docstatus, *rest


def _lines(start: int, sold: list[Any], quantities: list[float], now: datetime) -> Iterator[tuple[Any, ...]]:
    for place, ((code, name, group, uom), quantity) in enumerate(zip(sold, quantities, strict=True)):
        number = start + place
        invoice, made, docstatus = _head(number // LINES_PER_INVOICE, now)
        # Every 25th line comes back.
        signed = -quantity if number % 25 == 0 else quantity
        system = (f"{number:010x}", "Administrator", "Administrator", made, made, docstatus)
        place_in = (number % LINES_PER_INVOICE + 1, invoice, "items", "Sales Invoice")
        yield *system, *place_in, code, name, group, signed, signed, uom, uom, 1.0, 1.0, signed


def serve(path: Path, key: str, secret: str) -> None:
    """Serve until stdin closes; prints the address."""
    app = FaultInjector(create_app(ErpStore(path), api_key=key, api_secret=secret), "erpnext")
    with running(app, keep_alive=65) as url:
        print(json.dumps({"url": url}), flush=True)
        sys.stdin.read()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=("fill", "serve"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--key")
    parser.add_argument("--secret")
    options = parser.parse_args()
    if options.command == "fill":
        write(options.file, options.lines)
    else:
        serve(options.file, options.key, options.secret)


if __name__ == "__main__":
    main()
