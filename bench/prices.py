"""How fast prices get into a real Medusa, beside the bare batch endpoint.

    python -m bench.prices [--items 5000] [--batches 4] [--rounds 3]

The reference is POST /admin/price-lists/<id>/prices/batch with bodies prepared beforehand, in the chunks and threads
that the sync uses, nothing read, looked up or written back; in the same run, before the sync and after it: one entry
for each item, in one list per batch that was made beforehand. A second reference makes the sync's own calls: the lists
with their entries, whose ids they return, which is what they cost more. The runs of the batches are of one tick, as at
night. The export of the items is not measured here.

Medusa runs for weeks, so both ways of writing run once before anything is measured: Node compiles code that has run
for a while. Its speed still differs by a fifth from one minute to the next, so all is done several times, and the sums
are compared. Between rounds the lists that the sync made are detached from it and stay as drafts.

The sync reads ERPNext's prices and writes an id for each entry, which no reference does: on two cores, which the runs,
Medusa and PostgreSQL share, not all of that is done beside Medusa's work.
"""

import argparse
import json
import os
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.batch_runs import RUNS_AT_ONCE, BatchRuns, batch_runs
from bench.export import BATCHES, export, medusa_address, shop
from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.medusa_prices import LISTS, MedusaPrices, entry_variant
from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.sync.engine.batch_sync import BatchScope, SyncOptions
from erp_medusa_pipelines.sync.engine.batches import Batch
from erp_medusa_pipelines.sync.engine.brake import Guard, Memory
from erp_medusa_pipelines.sync.engine.quarantine import Quarantine
from erp_medusa_pipelines.sync.engine.report import SyncReport
from erp_medusa_pipelines.sync.prices.amounts import AmountRule
from erp_medusa_pipelines.sync.prices.books import Book
from erp_medusa_pipelines.sync.prices.item_prices import PricedItems
from erp_medusa_pipelines.sync.prices.lists import PriceLists
from erp_medusa_pipelines.sync.prices.losses import price_limit
from erp_medusa_pipelines.sync.prices.price_sync import PriceSync

CHANGED = 20
REFERENCE = {"title": "reference", "description": "reference", "type": "override", "status": "draft"}

BARE, FIRST, AGAIN = "bare endpoint", "first sync", "again: nothing changed"
SAME = "the sync's own calls, bare"

Call = tuple[str, dict[str, Any]]
"""(address, body)."""

Row = tuple[str, int, float, int, int]
"""(what, entries, seconds, requests, entries and ids written)."""


def scope_of(opened: Shop, batch: Batch) -> BatchScope:
    """Build the scope of one run of a batch."""
    options = SyncOptions(parallel=opened.settings.medusa_parallel_calls)
    return BatchScope(opened.erp, opened.medusa, batch, Quarantine(), SyncReport(), options)


def sync(opened: Shop, runs: BatchRuns, name: str) -> Row:
    """Sync the price lists, then all batches, as the runs of one tick."""
    before, began = opened.requests_sent, time.perf_counter()
    _lists(opened).reconcile(SyncReport())
    done = runs.tick(prices_of)
    seconds = time.perf_counter() - began
    # Other processes have made lists that this one does not know.
    opened.medusa.http.forget(LISTS)
    written = sum(done.counts[key] for key in ("written", "updated", "removed", "ids_written"))
    return name, done.counts["found"], seconds, opened.requests_sent - before + done.requests, written


def _lists(opened: Shop) -> PriceLists:
    book, zone, today = Book(opened.settings.erpnext_price_list), opened.erp.time_zone, opened.erp.clock().date()
    return PriceLists(MedusaPrices(opened.medusa), book, zone, today)


def prices_of(opened: Shop, batch: Batch) -> SyncReport:
    """Sync the prices of one batch."""
    prices = MedusaPrices(opened.medusa)
    return PriceSync(
        scope_of(opened, batch),
        writer=opened.writer,
        prices=prices,
        lists=_lists(opened),
        rule=AmountRule(prices.currencies()),
        guard=Guard(price_limit(100, "PRICE_REMOVAL_PERCENT"), Memory("prices")),
        guard_of_more=Guard(price_limit(100, "PRICE_REMOVAL_PERCENT"), Memory("group_prices")),
        entries_per_call=opened.settings.medusa_price_chunk,
    ).run()


def bare(opened: Shop, name: str) -> Row:
    """One entry for each exported variant, in a list per batch that was made before."""
    http, chunk, batches = opened.medusa.http, opened.settings.medusa_price_chunk, opened.settings.export_batches
    variants = [item.variant_id for item in PricedItems(opened.erp, Batch(0, 1)) if item.variant_id]
    calls: list[Call] = []
    for index in range(batches):
        list_id = http.request("POST", "/admin/price-lists", json=REFERENCE)["price_list"]["id"]
        entries = [{"variant_id": one, "currency_code": "omr", "amount": 12.345} for one in variants[index::batches]]
        path = f"/admin/price-lists/{list_id}/prices/batch"
        calls += [(path, {"create": some}) for some in batched(entries, chunk)]
    return post(opened, name, len(variants), calls)


def warm_up(opened: Shop) -> None:
    """Run both ways once, into drafts."""
    _, _, _, calls, _ = bare(opened, "warm-up")
    variants = [item.variant_id for item in PricedItems(opened.erp, Batch(0, 1)) if item.variant_id]
    prices, chunk = MedusaPrices(opened.medusa), len(variants) // calls + 1
    for some in batched(variants, chunk):
        entries = [{"variant_id": one, "currency_code": "omr", "amount": 1.5} for one in some]
        prices.create_list({**REFERENCE, "prices": entries})


def bare_lists(opened: Shop, name: str) -> Row:
    """The entries that the sync made, in as many lists, each made with its entries in one call that returns ids."""
    prices, chunk = MedusaPrices(opened.medusa), opened.settings.medusa_price_chunk
    entries: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for list_id, row in prices.entries_of([kept["id"] for kept in prices.lists() if kept["metadata"]]):
        entry = {"variant_id": entry_variant(row), "currency_code": row["currency_code"], "amount": row["amount"]}
        entries[list_id].append(entry)
    bodies = [{**REFERENCE, "prices": some} for listed in entries.values() for some in batched(listed, chunk)]
    began = time.perf_counter()
    with ThreadPoolExecutor(RUNS_AT_ONCE * opened.settings.medusa_parallel_calls) as pool:
        list(pool.map(prices.create_list, bodies))
    number = sum(map(len, entries.values()))
    return name, number, time.perf_counter() - began, len(bodies), number


def post(opened: Shop, name: str, entries: int, calls: list[Call]) -> Row:
    """Make these calls as fast as possible."""
    began = time.perf_counter()
    with ThreadPoolExecutor(RUNS_AT_ONCE * opened.settings.medusa_parallel_calls) as pool:
        list(pool.map(lambda call: opened.medusa.http.request("POST", call[0], json=call[1]), calls))
    return name, entries, time.perf_counter() - began, len(calls), entries


def disown(opened: Shop) -> None:
    """Make the next sync a first one: it finds its lists by their metadata."""
    prices = MedusaPrices(opened.medusa)
    for kept in prices.lists():
        if kept["metadata"]:
            prices.update_list(kept["id"], {"metadata": None, "status": "draft"})


def change_some(opened: Shop) -> None:
    """Raise the rates of some existing prices, as staff do."""
    rows = opened.erp.get_list(
        "Item Price",
        ["name", "price_list_rate"],
        filters=[["medusa_price_id", "is", "set"], ["valid_upto", "is", "not set"]],
        limit=CHANGED,
    )
    for row in rows:
        opened.erp.update(
            "Item Price", row["name"], {"price_list_rate": round(row["price_list_rate"] * 1.1 + 0.001, 3)}
        )


def show(rows: list[Row]) -> None:
    """Print a table, rows of one name as one, and the share of the bare endpoint that the first sync reaches."""
    rows_of: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        rows_of[row[0]].append(row)
    speeds: dict[str, float] = {}
    print(f"{'':34}{'rounds':>7}{'entries':>9}{'seconds':>9}{'per s':>7}{'requests':>10}{'written':>9}")
    for name, rounds in rows_of.items():
        entries, seconds, requests, written = (sum(column) for column in zip(*(row[1:] for row in rounds), strict=True))
        speeds[name] = entries / seconds
        each = f"{entries / len(rounds):9.0f}{seconds / len(rounds):9.2f}{speeds[name]:7.0f}"
        print(f"{name:34}{len(rounds):7}{each}{requests / len(rounds):10.0f}{written / len(rounds):9.0f}")
    print(f"first sync / bare endpoint: {speeds[FIRST] / speeds[BARE]:.2f}")
    if SAME in speeds:
        print(f"first sync / its own calls: {speeds[FIRST] / speeds[SAME]:.2f}")
    ((_, entries, _, requests, written),) = rows_of[AGAIN]
    print(f"nothing changed: {written} written, a request for {entries / requests:.0f} entries")
    print(f"load after: {os.getloadavg()[0]:.1f}")


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--batches", type=int, default=BATCHES)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def main() -> None:
    """Measure and print a table."""
    options = arguments()
    medusa = medusa_address()
    rows: list[Row] = []
    with shop(options.items, medusa, batches=options.batches) as opened, batch_runs(opened.settings) as runs:
        print(f"load before: {os.getloadavg()[0]:.1f}", flush=True)
        print(json.dumps({"exported": export(opened)[0]}), flush=True)
        warm_up(opened)
        sync(opened, runs, FIRST)
        disown(opened)
        for number in range(options.rounds):
            if number:
                disown(opened)
            rows += [bare(opened, BARE), sync(opened, runs, FIRST), bare(opened, BARE)]
            rows.append(bare_lists(opened, SAME))
        rows.append(sync(opened, runs, AGAIN))
        change_some(opened)
        rows.append(sync(opened, runs, f"{CHANGED} changed"))
    show(rows)


if __name__ == "__main__":
    main()
