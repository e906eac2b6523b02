"""How fast stock levels get into a real Medusa, beside the bare batch endpoint.

    python -m bench.stock [--items 5000] [--batches 4] [--rounds 3]

The reference reads and writes the same, and does nothing else: all Website Items, Bins and inventory items in the
sync's pages, both servers at once; then POST /admin/inventory-items/location-levels/batch with bodies prepared
beforehand, in the chunks and threads that the sync uses, and beside it as many in-stock flags in ERPNext. In the same
run. The items are exported first; that is not measured here. The runs of the batches are of one tick, as at night.

Medusa runs for weeks, so both ways run once before anything is measured: Node compiles code that has run for a
while. All is done several times, each time without levels to begin with, and the sums are compared.
"""

import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bench.batch_runs import RUNS_AT_ONCE, BatchRuns, batch_runs
from bench.export import export, medusa_address, shop
from bench.prices import AGAIN, BARE, FIRST, Row, arguments, show
from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.medusa_inventory import INVENTORY_ITEMS, ITEM_FIELDS, ITEMS_PER_PAGE, MedusaInventory
from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.sync.engine.batch_sync import BatchScope, SyncOptions
from erp_medusa_pipelines.sync.engine.batches import Batch
from erp_medusa_pipelines.sync.engine.brake import Guard, Memory
from erp_medusa_pipelines.sync.engine.quarantine import Quarantine
from erp_medusa_pipelines.sync.engine.report import SyncReport
from erp_medusa_pipelines.sync.stock.items import FIELDS as LISTED
from erp_medusa_pipelines.sync.stock.items import SHOWN_OR_EXPORTED
from erp_medusa_pipelines.sync.stock.locations import StockLocations
from erp_medusa_pipelines.sync.stock.quantities import BIN
from erp_medusa_pipelines.sync.stock.stock_sync import StockSync, stock_limit

CHANGED = 20
LEVEL_FIELDS = "id,location_levels.location_id,location_levels.stocked_quantity"
LEVELS_ROUTE = "/admin/inventory-items/location-levels/batch"


def scope_of(opened: Shop, batch: Batch) -> BatchScope:
    """Build the scope of one run of a batch."""
    options = SyncOptions(parallel=opened.settings.medusa_parallel_calls)
    return BatchScope(opened.erp, opened.medusa, batch, Quarantine(), SyncReport(), options)


def sync(runs: BatchRuns, name: str, location: str) -> Row:
    """Sync all batches, as the runs of one tick."""
    began = time.perf_counter()
    done = runs.tick(partial(stock_of, location))
    seconds = time.perf_counter() - began
    written = sum(done.counts[key] for key in ("written", "updated", "flags_written"))
    return name, done.counts["found"], seconds, done.requests, written


def stock_of(location: str, opened: Shop, batch: Batch) -> SyncReport:
    """Sync the stock of one batch."""
    return StockSync(
        scope_of(opened, batch),
        writer=opened.writer,
        inventory=MedusaInventory(opened.medusa),
        locations=StockLocations(location, {}, no_longer_used={}, not_sold_from={}),
        guard=Guard(stock_limit(100, "STOCK_ZERO_PERCENT"), Memory("stock")),
        levels_per_call=opened.settings.medusa_level_chunk,
    ).run()


def forget_levels(opened: Shop) -> None:
    """Delete every stock level."""
    rows = opened.medusa.all_of("/admin/inventory-items", "inventory_items", "location_levels.id", page_size=2000)
    for ids in batched([level["id"] for row in rows for level in row["location_levels"]], 1000):
        body = {"delete": ids, "force": True}
        opened.medusa.http.request("POST", LEVELS_ROUTE, json=body, repeatable=True)


def forget_flags(opened: Shop) -> None:
    """Clear every in-stock flag, as before the first sync."""
    opened.writer.write("Website Item", [(name, {"custom_in_stock": 0}) for name in flagged(opened)])


def flagged(opened: Shop) -> list[str]:
    """Return the Website Items whose in-stock flag is set."""
    rows = opened.erp.rows("Website Item", ["name"], filters=[["custom_in_stock", "=", 1]], page_size=10_000)
    return [row["name"] for row in rows]


def bare(opened: Shop, location: str, flags: Sequence[str]) -> Row:
    """Read what the sync reads, then build a level for every inventory item and set these flags."""
    forget_levels(opened)
    forget_flags(opened)
    http, chunk = opened.medusa.http, opened.settings.medusa_level_chunk
    items = opened.medusa.all_of("/admin/inventory-items", "inventory_items", "id", page_size=2000)
    levels = [{"inventory_item_id": item["id"], "location_id": location, "stocked_quantity": 7} for item in items]
    calls = [{"create": some} for some in batched(levels, chunk)]
    before, began = opened.requests_sent, time.perf_counter()
    with ThreadPoolExecutor(RUNS_AT_ONCE * opened.settings.medusa_parallel_calls) as pool:
        pages = opened.medusa.all_of(INVENTORY_ITEMS, "inventory_items", ITEM_FIELDS, page_size=ITEMS_PER_PAGE)
        listing = pool.submit(list, pages)
        sold = opened.erp.rows("Website Item", LISTED, or_filters=SHOWN_OR_EXPORTED, page_size=10_000)
        codes = sorted({row["item_code"] for row in sold if row["item_code"]})
        opened.erp.get_list("Bin", ["item_code", "warehouse", *BIN], filters=[["item_code", "in", codes]])
        listing.result()
        sent = [pool.submit(http.request, "POST", LEVELS_ROUTE, json=body) for body in calls]
        opened.writer.write("Website Item", [(name, {"custom_in_stock": 1}) for name in flags])
        for each in sent:
            each.result()
    seconds = time.perf_counter() - began
    return BARE, len(levels), seconds, opened.requests_sent - before, len(levels) + len(flags)


def first_sync(opened: Shop, runs: BatchRuns, location: str) -> Row:
    """Run the sync with no level and no flag set on either server."""
    forget_levels(opened)
    forget_flags(opened)
    return sync(runs, FIRST, location)


def change_some(opened: Shop) -> None:
    """Change some levels in Medusa, so that they differ from the Bins: the pipelines' user may not write those."""
    rows = opened.medusa.all_of("/admin/inventory-items", "inventory_items", LEVEL_FIELDS, page_size=2000)
    levels = [{"inventory_item_id": row["id"], **level} for row in rows for level in row["location_levels"]]
    keys = ("inventory_item_id", "location_id", "stocked_quantity")
    changed = [{key: level[key] for key in keys} for level in levels[:CHANGED]]
    for level in changed:
        level["stocked_quantity"] += 11
    MedusaInventory(opened.medusa).write_levels(update=changed)


def main() -> None:
    """Measure and print a table."""
    options = arguments()
    medusa = medusa_address()
    location, rows = medusa["MEDUSA_STOCK_LOCATION_ID"], list[Row]()
    with shop(options.items, medusa, batches=options.batches) as opened, batch_runs(opened.settings) as runs:
        print(f"load before: {os.getloadavg()[0]:.1f}", flush=True)
        print(json.dumps({"exported": export(opened)[0]}), flush=True)
        first_sync(opened, runs, location)
        flags = flagged(opened)
        bare(opened, location, flags)
        for _ in range(options.rounds):
            rows += [bare(opened, location, flags), first_sync(opened, runs, location), bare(opened, location, flags)]
        first_sync(opened, runs, location)
        rows.append(sync(runs, AGAIN, location))
        change_some(opened)
        rows.append(sync(runs, f"{CHANGED} changed", location))
    show(rows)


if __name__ == "__main__":
    main()
