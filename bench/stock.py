"""How fast stock levels get into a real Medusa, beside the bare batch endpoint.

    python -m bench.stock [--items 5000]

The reference is POST /admin/inventory-items/location-levels/batch with bodies prepared beforehand, for a second stock
location, in the chunks and threads that the sync uses, nothing read, compared or written back; in the same run. The
items are exported first; that is not measured here.
"""

import argparse
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.export import BATCHES, export, medusa_address, shop
from bench.prices import RUNS_AT_ONCE, Row, show
from erp_medusa_pipelines.clients.medusa_inventory import VARIANT_FIELDS, MedusaInventory
from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.sync.batch_sync import SyncOptions
from erp_medusa_pipelines.sync.batches import Batch
from erp_medusa_pipelines.sync.quarantine import Quarantine
from erp_medusa_pipelines.sync.report import SyncReport
from erp_medusa_pipelines.sync.stock import StockSync

CHANGED = 20


def sync(opened: Shop, name: str, location: str) -> Row:
    """All batches."""
    settings = opened.settings
    before, began = opened.requests_sent, time.perf_counter()

    def one(index: int) -> SyncReport:
        return StockSync(
            erp=opened.erp,
            medusa=opened.medusa,
            batch=Batch(index, BATCHES),
            quarantine=Quarantine(),
            report=SyncReport(),
            options=SyncOptions(parallel=settings.medusa_parallel_calls),
            writer=opened.writer,
            inventory=MedusaInventory(opened.medusa),
            locations={},
            default_location=location,
            levels_per_call=settings.medusa_level_chunk,
        ).run()

    with ThreadPoolExecutor(RUNS_AT_ONCE) as pool:
        reports = list(pool.map(one, range(BATCHES)))
    seconds = time.perf_counter() - began
    assert not any(report.leftovers for report in reports)
    found = sum(report.counts["found"] for report in reports)
    written = sum(report.counts[key] for report in reports for key in ("written", "updated", "flags_written"))
    return name, found, seconds, opened.requests_sent - before, written


def bare(opened: Shop, name: str) -> Row:
    """A level for every variant's inventory item, at a location made for it."""
    http, chunk = opened.medusa.http, opened.settings.medusa_level_chunk
    location = http.request("POST", "/admin/stock-locations", json={"name": name})["stock_location"]["id"]
    levels: list[dict[str, Any]] = [
        {"inventory_item_id": link["inventory_item_id"], "location_id": location, "stocked_quantity": 7}
        for variant in opened.medusa.all_of("/admin/product-variants", "variants", VARIANT_FIELDS, page_size=2000)
        for link in variant["inventory_items"]
    ]
    calls = [{"create": levels[start : start + chunk]} for start in range(0, len(levels), chunk)]
    path = "/admin/inventory-items/location-levels/batch"
    began = time.perf_counter()
    with ThreadPoolExecutor(RUNS_AT_ONCE * opened.settings.medusa_parallel_calls) as pool:
        list(pool.map(lambda body: http.request("POST", path, json=body), calls))
    return name, len(levels), time.perf_counter() - began, len(calls), len(levels)


def change_some(opened: Shop) -> None:
    """Let more lie in some Bins."""
    for row in opened.erp.get_list("Bin", ["name", "actual_qty"], filters=[["actual_qty", ">", 0]], limit=CHANGED):
        opened.erp.update("Bin", row["name"], {"actual_qty": row["actual_qty"] + 11})


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=5000)
    options = parser.parse_args()
    medusa = medusa_address()
    location = medusa["MEDUSA_STOCK_LOCATION_ID"]
    with shop(options.items, medusa) as opened:
        print(f"load before: {os.getloadavg()[0]:.1f}", flush=True)
        print(json.dumps({"exported": export(opened)[0]}), flush=True)
        rows = [
            bare(opened, "bare endpoint, before"),
            sync(opened, "first sync, flags by Server Script", location),
            bare(opened, "bare endpoint, after"),
            sync(opened, "again: nothing changed", location),
        ]
        change_some(opened)
        rows.append(sync(opened, f"{CHANGED} changed", location))
    show(rows, 1, (0, 2))


if __name__ == "__main__":
    main()
