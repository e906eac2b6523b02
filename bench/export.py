"""How fast the catalogue export is against a real Medusa, beside the bare batch endpoint and the one-call-per-step way.

    python -m bench.export [--items 2000]

Reference (a) is what the Frappe job does for each item: product with variant, price list of its own, price, then the
ids on the Website Item. Reference (b) is POST /admin/products/batch with the export's own bodies, prepared beforehand,
posted by as many threads as the export uses, nothing read, looked up or written back. All three on the same machine in
the same run; (b) runs before and after the export, since a growing catalogue makes Medusa slower.

Then the whole job once more, with nothing to do, and a chunk of 100 items of which Medusa refuses one.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests
from pydantic import SecretStr

from bench.erp_process import erp_process
from erp_medusa_pipelines.connections import Shop, open_shop
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.sync.batch_sync import SyncOptions
from erp_medusa_pipelines.sync.batches import Batch
from erp_medusa_pipelines.sync.collections import collection_ids, sync_collections
from erp_medusa_pipelines.sync.images import ImageSync
from erp_medusa_pipelines.sync.product_bodies import Placement, create_body, fingerprint
from erp_medusa_pipelines.sync.product_updates import ProductUpdates
from erp_medusa_pipelines.sync.products import CREATED_FIELDS, PUBLISHED, UNBOUND, ProductExport
from erp_medusa_pipelines.sync.quarantine import Quarantine
from erp_medusa_pipelines.sync.report import SyncReport
from erp_medusa_pipelines.sync.website_items import WebsiteItemReader

MEDUSA_SCRIPT = Path(__file__).parents[1] / "dev" / "medusa.py"
BATCHES = 4
NAIVE_ITEMS = 60


def medusa_address() -> dict[str, str]:
    """The Medusa of the environment, else the project's own, emptied first."""
    if os.environ.get("MEDUSA_URL"):
        return dict(os.environ)
    lines = subprocess.run(
        [sys.executable, MEDUSA_SCRIPT, "fresh"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


@contextmanager
def shop(items: int, medusa: dict[str, str], *, server_script: bool = True) -> Iterator[Shop]:
    """An ERPNext of its own with `items` Website Items under names of their own, and the real Medusa."""
    with erp_process(items=items, server_script=server_script) as erp:
        settings = Settings(
            _env_file=None,  # pyright: ignore[reportCallIssue]
            erpnext_url=erp.url,
            erpnext_api_key=SecretStr(erp.key),
            erpnext_api_secret=SecretStr(erp.secret),
            medusa_url=medusa["MEDUSA_URL"],
            medusa_api_key=SecretStr(medusa["MEDUSA_API_KEY"]),
            export_batches=BATCHES,
        )
        with open_shop(settings) as opened:
            yield opened


def parts(opened: Shop, batch: Batch, **options: int) -> dict[str, Any]:
    """What the sync of a batch is made with, as the assets make it; `options` replaces some of the sizes."""
    settings = opened.settings
    sizes = {
        "window": settings.erpnext_read_chunk,
        "chunk": settings.medusa_chunk,
        "chunk_bytes": settings.medusa_chunk_bytes,
        "parallel": settings.medusa_parallel_calls,
    }
    return {
        "erp": opened.erp,
        "medusa": opened.medusa,
        "batch": batch,
        "quarantine": Quarantine(),
        "report": SyncReport(),
        "options": SyncOptions(**{**sizes, **options}),
    }


def placement_of(opened: Shop) -> Placement:
    """Where products go in the shop."""
    return Placement(opened.medusa.sales_channel_id(None), opened.medusa.default_shipping_profile_id())


def export(opened: Shop) -> tuple[int, float, int]:
    """(items, seconds, requests) of the whole export: all batches, two at a time as the queue allows."""
    placement = placement_of(opened)
    before = opened.requests_sent
    began = time.perf_counter()
    sync_collections(opened.erp, opened.writer, opened.medusa, SyncReport())
    collections = collection_ids(opened.erp)

    def one(index: int) -> SyncReport:
        own = parts(opened, Batch(index, BATCHES))
        return ProductExport(**own, writer=opened.writer, collections=collections, placement=placement).run()

    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(one, range(BATCHES)))
    seconds = time.perf_counter() - began
    for report in reports:
        assert not report.rejects, report.rejects[:3]
        assert not report.leftovers, report.leftovers[:3]
    return sum(report.counts["written"] for report in reports), seconds, opened.requests_sent - before


def second_run(opened: Shop) -> tuple[int, float, int, int]:
    """(items compared, seconds, requests, of these writes to Medusa) of the whole job when nothing changed."""
    posts = opened.medusa.http.counts["POST"]
    _, seconds, sent = export(opened)
    before, began = opened.requests_sent, time.perf_counter()
    collections = collection_ids(opened.erp)
    unchanged = 0
    for index in range(BATCHES):
        batch = Batch(index, BATCHES)
        own = parts(opened, batch)
        ImageSync(**own, writer=opened.writer, image_max_bytes=opened.settings.image_max_bytes).run()
        unchanged += ProductUpdates(**parts(opened, batch), collections=collections).run().counts["unchanged"]
    seconds += time.perf_counter() - began
    return unchanged, seconds, sent + opened.requests_sent - before, opened.medusa.http.counts["POST"] - posts


@dataclass(frozen=True)
class Chosen(Batch):
    """A batch of certain items."""

    names: frozenset[str]

    def holds(self, website_item: str) -> bool:
        return website_item in self.names


def one_bad(medusa: dict[str, str], exported: int) -> tuple[int, list[str], int]:
    """(exported, rejects, create calls) of a chunk of 100 items, one with a collection of another shop.

    The items are ones that the shop of `exported` items does not have.
    """
    with shop(exported + 200, medusa) as opened:
        erp, placement = opened.erp, placement_of(opened)
        names = list(WebsiteItemReader(erp).names(Batch(0, 1), filters=PUBLISHED, or_filters=UNBOUND))[-100:]
        sync_collections(erp, opened.writer, opened.medusa, SyncReport())
        bad = erp.get("Website Item", names[36])
        erp.insert("Item Group", {"item_group_name": "Elsewhere", "medusa_id": "pcol_of_another_shop"})
        erp.update("Item", bad["item_code"], {"item_group": "Elsewhere"})
        erp.update("Website Item", bad["name"], {"item_group": "Elsewhere"})
        own = parts(opened, Chosen(0, 1, frozenset(names)), chunk=100)
        before = opened.medusa.http.counts["POST"]
        report = ProductExport(**own, writer=opened.writer, collections=collection_ids(erp), placement=placement).run()
        rejects = [f"{reject.name}: {reject.reason}" for reject in report.rejects]
        return report.counts["written"], rejects, opened.medusa.http.counts["POST"] - before


def bodies(opened: Shop, salt: str) -> list[dict[str, Any]]:
    """The export's bodies for the whole catalogue, made unlike the export's own by `salt`."""
    reader = WebsiteItemReader(opened.erp)
    names = list(reader.names(Batch(0, 1), filters=PUBLISHED, or_filters=UNBOUND))
    placement = Placement(opened.medusa.sales_channel_id(None), opened.medusa.default_shipping_profile_id())
    made = []
    for start in range(0, len(names), 400):
        for item in reader.read(names[start : start + 400]):
            body = create_body(item, None, placement, fingerprint(item, None))
            body["external_id"] += salt
            body["handle"] += f"-{salt}"
            body["variants"][0]["sku"] += salt
            body["variants"][0].pop("barcode", None)
            made.append(body)
    return made


def bare(medusa: dict[str, str], made: list[dict[str, Any]], chunk: int, threads: int) -> float:
    """Seconds of the bare endpoint for these bodies."""
    session = requests.Session()
    url = f"{medusa['MEDUSA_URL']}/admin/products/batch?fields={CREATED_FIELDS}"
    headers = {"Authorization": f"Basic {medusa['MEDUSA_API_KEY']}", "Content-Type": "application/json"}
    chunks = [json.dumps({"create": made[start : start + chunk]}) for start in range(0, len(made), chunk)]

    def post(data: str) -> None:
        session.post(url, data=data, headers=headers, timeout=300).raise_for_status()

    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(post, chunks))
    return time.perf_counter() - began


def naive(opened: Shop, made: list[dict[str, Any]]) -> float:
    """Seconds of one call per step: product, price list, price, ids back, one item after the other."""
    medusa, began = opened.medusa.http, time.perf_counter()
    rows = opened.erp.get_list("Website Item", ["name"], limit=len(made))
    for body, row in zip(made, rows, strict=True):
        product = medusa.request("POST", "/admin/products", json=body)["product"]
        variant = product["variants"][0]["id"]
        new_list = {"title": body["title"], "description": "placeholder", "type": "override", "status": "active"}
        price_list = medusa.request("POST", "/admin/price-lists", json=new_list)["price_list"]["id"]
        price = {"variant_id": variant, "amount": 1000, "currency_code": "omr"}
        medusa.request("POST", f"/admin/price-lists/{price_list}/prices/batch", json={"create": [price]})
        opened.erp.update("Website Item", row["name"], {"medusa_id": product["id"], "medusa_variant_id": variant})
    return time.perf_counter() - began


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=2000)
    options = parser.parse_args()
    medusa = medusa_address()
    print(f"load before: {os.getloadavg()[0]:.1f}", flush=True)
    rows: list[tuple[str, int, float, float]] = []
    with shop(options.items, medusa) as opened:
        settings = opened.settings
        threads = 2 * settings.medusa_parallel_calls
        made = bodies(opened, uuid4().hex[:6])
        # Medusa's first products cost more, whoever makes them.
        bare(medusa, bodies_again(made[:200], uuid4().hex[:6]), settings.medusa_chunk, threads)
        rows.append(("(b) bare endpoint, before", len(made), bare(medusa, made, settings.medusa_chunk, threads), 0))
        # Apart from the products: Medusa makes collections one call each, and the references make none.
        began, before = time.perf_counter(), opened.requests_sent
        groups = SyncReport()
        sync_collections(opened.erp, opened.writer, opened.medusa, groups)
        grouping = time.perf_counter() - began
        made_groups = groups.counts["written"]
        rows.append(("export: collections", made_groups, grouping, (opened.requests_sent - before) / made_groups))
        items, seconds, sent = export(opened)
        rows.append(("export: products and their ids", items, seconds, sent / items))
        compared, seconds, sent, posts = second_run(opened)
        rows.append(("whole job again: nothing to do", compared, seconds, sent / compared))
        made = bodies_again(made, uuid4().hex[:6])
        rows.append(("(b) bare endpoint, after", len(made), bare(medusa, made, settings.medusa_chunk, threads), 0))
        few = bodies_again(made[:NAIVE_ITEMS], uuid4().hex[:6])
        rows.append(("(a) one call per step", len(few), naive(opened, few), 4))
    print(f"{'':32}{'items':>8}{'seconds':>10}{'items/s':>10}{'requests/item':>15}")
    for name, number, took, per_item in rows:
        rate = number / took if number else 0.0
        print(f"{name:32}{number:8}{took:10.2f}{rate:10.1f}{per_item:15.3f}")
    (_, first, first_took, _), (_, _, grouping, _), (_, items, took, _), _, (_, last, last_took, _), slow = rows
    reference = (first + last) / (first_took + last_took)
    print(
        f"export / (a): {items / took / (slow[1] / slow[2]):.1f}    export / (b): {items / took / reference:.2f}",
        end="",
    )
    print(f"    with the collections / (b): {items / (took + grouping) / reference:.2f}")
    print(f"second run: {sent / compared * 1000:.1f} requests per 1,000 items, {posts} of them writes to Medusa")
    exported, rejects, calls = one_bad(medusa, options.items)
    print(f"one bad item in 100: {exported} exported in {calls} create calls; rejected: {'; '.join(rejects)}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process: {peak:.0f} MB; load after: {os.getloadavg()[0]:.1f}")


def bodies_again(made: list[dict[str, Any]], salt: str) -> list[dict[str, Any]]:
    """The same bodies under new keys."""
    again = json.loads(json.dumps(made))
    for body in again:
        body["external_id"] += salt
        body["handle"] += f"-{salt}"
        body["variants"][0]["sku"] += salt
    return again


if __name__ == "__main__":
    main()
