"""How fast the catalogue export is against a real Medusa, beside the bare batch endpoint and the one-call-per-step way.

    python -m bench.export [--items 8000] [--rounds 1] [--log-in]

Reference (a) is what the Frappe job does for each item: product with variant, price list of its own, price, then the
ids on the Website Item. Reference (b) is POST /admin/products/batch with the export's own bodies, prepared beforehand,
posted by as many threads as the export uses, nothing read, looked up or written back. All three on the same machine in
the same run; (b) runs before and after the export, since a growing catalogue makes Medusa slower. Medusa's own speed
differs by a fifth from one minute to the next, so all that is done several times, and the sums are compared.
(a) takes place once, at the end: where the load changes meanwhile, the share of it says nothing. Collections are one
call each in Medusa. All use the secret key, which Medusa takes 50 ms of CPU to check in each call, or with `--log-in`
the token of an admin, as the Frappe job does: that makes (a) a third faster, which is little else than calls.

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
from erp_medusa_pipelines.sync.catalogue.collections import collection_ids, sync_collections
from erp_medusa_pipelines.sync.catalogue.filing import Filing
from erp_medusa_pipelines.sync.catalogue.images import ImageSync
from erp_medusa_pipelines.sync.catalogue.product_bodies import HASH_KEY, Placement, create_body, fingerprint_of
from erp_medusa_pipelines.sync.catalogue.product_updates import ProductUpdates
from erp_medusa_pipelines.sync.catalogue.products import CREATED_FIELDS, PUBLISHED, UNBOUND, ProductExport
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItemReader
from erp_medusa_pipelines.sync.engine.batch_sync import BatchScope, SyncOptions
from erp_medusa_pipelines.sync.engine.batches import Batch
from erp_medusa_pipelines.sync.engine.quarantine import Quarantine
from erp_medusa_pipelines.sync.engine.report import SyncReport

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
def shop(
    items: int, medusa: dict[str, str], *, server_script: bool = True, batches: int = BATCHES, log_in: bool = False
) -> Iterator[Shop]:
    """Yield a fresh embedded ERPNext with `items` uniquely named Website Items, and the real Medusa."""
    with erp_process(items=items, server_script=server_script) as erp:
        settings = Settings(
            _env_file=None,  # pyright: ignore[reportCallIssue]
            erpnext_url=erp.url,
            erpnext_api_key=SecretStr(erp.key),
            erpnext_api_secret=SecretStr(erp.secret),
            medusa_url=medusa["MEDUSA_URL"],
            medusa_api_key=SecretStr(medusa["MEDUSA_API_KEY"]),
            medusa_admin_email=medusa["MEDUSA_ADMIN_EMAIL"] if log_in else None,
            medusa_admin_password=SecretStr(medusa["MEDUSA_ADMIN_PASSWORD"]) if log_in else None,
            export_batches=batches,
        )
        with open_shop(settings) as opened:
            yield opened


def scope_of(opened: Shop, batch: Batch, **options: int) -> BatchScope:
    """Build the scope of a batch as the assets do; `options` overrides some of the sizes."""
    settings = opened.settings
    sizes = {
        "window": settings.erpnext_read_chunk,
        "chunk": settings.medusa_chunk,
        "chunk_bytes": settings.medusa_chunk_bytes,
        "parallel": settings.medusa_parallel_calls,
    }
    chosen = SyncOptions(**{**sizes, **options})
    return BatchScope(opened.erp, opened.medusa, batch, Quarantine(), SyncReport(), chosen)


def placement_of(opened: Shop) -> Placement:
    """Return where products go in the shop."""
    return Placement(opened.medusa.sales_channel_id(None), opened.medusa.shipping_profile_id(None))


def export(opened: Shop) -> tuple[int, float, int]:
    """(items, seconds, requests) of the whole export: the collections, then all batches."""
    before, began = opened.requests_sent, time.perf_counter()
    sync_collections(opened.erp, opened.writer, opened.medusa, SyncReport())
    items, _, _ = export_products(opened)
    return items, time.perf_counter() - began, opened.requests_sent - before


def export_products(opened: Shop) -> tuple[int, float, int]:
    """(items, seconds, requests) of the products and their ids: all batches, two at a time as the queue allows."""
    before, began = opened.requests_sent, time.perf_counter()
    placement, filing = placement_of(opened), Filing(collection_ids(opened.erp))

    def one(index: int) -> SyncReport:
        own = scope_of(opened, Batch(index, BATCHES))
        return ProductExport(own, writer=opened.writer, filing=filing, placement=placement).run()

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
    filing = Filing(collection_ids(opened.erp))
    unchanged = 0
    for index in range(BATCHES):
        batch = Batch(index, BATCHES)
        own = scope_of(opened, batch)
        ImageSync(own, writer=opened.writer, image_max_bytes=opened.settings.image_max_bytes).run()
        updates = ProductUpdates(scope_of(opened, batch), filing=filing, placement=placement_of(opened))
        unchanged += updates.run().counts["unchanged"]
    seconds += time.perf_counter() - began
    return unchanged, seconds, sent + opened.requests_sent - before, opened.medusa.http.counts["POST"] - posts


def one_bad(medusa: dict[str, str], exported: int, *, log_in: bool) -> tuple[int, list[str], int]:
    """(exported, rejects, create calls) of a chunk of 100 items, one with a collection of another shop.

    The items do not exist in the shop of `exported` items.
    """
    with shop(exported + 200, medusa, log_in=log_in) as opened:
        erp, placement = opened.erp, placement_of(opened)
        names = list(WebsiteItemReader(erp).names(Batch(0, 1), filters=PUBLISHED, or_filters=UNBOUND))[-100:]
        sync_collections(erp, opened.writer, opened.medusa, SyncReport())
        bad = erp.get("Website Item", names[36])
        erp.insert("Item Group", {"item_group_name": "Elsewhere", "medusa_id": "pcol_of_another_shop"})
        erp.update("Item", bad["item_code"], {"item_group": "Elsewhere"})
        erp.update("Website Item", bad["name"], {"item_group": "Elsewhere"})
        own = scope_of(opened, Batch(0, 1, frozenset(names)), chunk=100)
        before = opened.medusa.http.counts["POST"]
        report = ProductExport(own, writer=opened.writer, filing=Filing(collection_ids(erp)), placement=placement).run()
        rejects = [f"{reject.name}: {reject.reason}" for reject in report.rejects]
        return report.counts["written"], rejects, opened.medusa.http.counts["POST"] - before


def bodies(opened: Shop) -> list[dict[str, Any]]:
    """Build the bodies that the export would send for these items, with new keys each time."""
    reader, salt = WebsiteItemReader(opened.erp), uuid4().hex[:6]
    placement, filing = placement_of(opened), Filing(collection_ids(opened.erp))
    made = []
    names = list(reader.names(Batch(0, 1), filters=PUBLISHED))
    for start in range(0, len(names), 400):
        for item in reader.read(names[start : start + 400]):
            filed = filing.of(item)
            body = create_body(item, filed, placement, {HASH_KEY: fingerprint_of(item, filed)}, "published")
            body["external_id"] += salt
            body["handle"] += f"-{salt}"
            body["variants"][0]["sku"] += salt
            # Of all the keys only barcodes cannot be made anew.
            body["variants"][0].pop("barcode", None)
            made.append(body)
    return made


def authorization(opened: Shop) -> str:
    """Return the header that the sync uses: of the log-in, else of the key."""
    settings = opened.settings
    if settings.medusa_admin_password is None:
        assert settings.medusa_api_key is not None
        return f"Basic {settings.medusa_api_key.get_secret_value()}"
    login = {"email": settings.medusa_admin_email, "password": settings.medusa_admin_password.get_secret_value()}
    answer = requests.post(f"{opened.medusa.http.base_url}/auth/user/emailpass", json=login, timeout=60)
    return f"Bearer {answer.json()['token']}"


def bare(opened: Shop, made: list[dict[str, Any]]) -> tuple[int, float]:
    """(items, seconds) of the bare endpoint for these bodies."""
    chunk, threads = opened.settings.medusa_chunk, 2 * opened.settings.medusa_parallel_calls
    session = requests.Session()
    url = f"{opened.medusa.http.base_url}/admin/products/batch?fields={CREATED_FIELDS}"
    headers = {"Authorization": authorization(opened), "Content-Type": "application/json"}
    chunks = [json.dumps({"create": made[start : start + chunk]}) for start in range(0, len(made), chunk)]

    def post(data: str) -> None:
        session.post(url, data=data, headers=headers, timeout=300).raise_for_status()

    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(post, chunks))
    return len(made), time.perf_counter() - began


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


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    number: int
    seconds: float
    requests_each: float = 0.0

    def __str__(self) -> str:
        rate = self.number / self.seconds if self.number else 0.0
        return f"{self.what:32}{self.number:8}{self.seconds:10.2f}{rate:10.1f}{self.requests_each:15.3f}"


def first_run(opened: Shop) -> tuple[Row, Row, Row, Row]:
    """The whole export of a shop new to Medusa, and reference (b) with as many bodies before and after the products."""
    # Apart from the products: Medusa makes collections one call each, and the references make none.
    began, sent = time.perf_counter(), opened.requests_sent
    groups = SyncReport()
    sync_collections(opened.erp, opened.writer, opened.medusa, groups)
    number, seconds = groups.counts["written"], time.perf_counter() - began
    collections = Row("export: collections", number, seconds, (opened.requests_sent - sent) / number)
    # Medusa's first products cost more, whoever makes them.
    bare(opened, bodies(opened)[:400])
    before = Row("(b) bare endpoint, before", *bare(opened, bodies(opened)))
    items, seconds, requests_sent = export_products(opened)
    products = Row("export: products and their ids", items, seconds, requests_sent / items)
    return collections, before, products, Row("(b) bare endpoint, after", *bare(opened, bodies(opened)))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=8000)
    parser.add_argument("--rounds", type=int, default=1, help="first runs, each in a Medusa emptied before")
    parser.add_argument("--log-in", action="store_true", help="by an admin's log-in instead of the key")
    options = parser.parse_args()
    rounds: list[tuple[Row, Row, Row, Row]] = []
    medusa, compared, seconds, sent, posts, slow = {}, 0, 0.0, 0, 0, Row("", 0, 0.0)
    while len(rounds) < options.rounds:
        medusa = medusa_address()
        with shop(options.items, medusa, log_in=options.log_in) as opened:
            print(f"load before: {os.getloadavg()[0]:.1f}", flush=True)
            print(f"{'':32}{'items':>8}{'seconds':>10}{'items/s':>10}{'requests/item':>15}")
            rounds.append(first_run(opened))
            print(*rounds[-1], sep="\n", flush=True)
            if len(rounds) == options.rounds:
                compared, seconds, sent, posts = second_run(opened)
                slow = Row("(a) one call per step", NAIVE_ITEMS, naive(opened, bodies(opened)[:NAIVE_ITEMS]), 4)
                print(Row("whole job again: nothing to do", compared, seconds, sent / compared), slow, sep="\n")
    groups, before, products, after = (
        Row("", sum(row.number for row in rows), sum(row.seconds for row in rows)) for rows in zip(*rounds, strict=True)
    )
    rate = products.number / products.seconds
    reference = (before.number + after.number) / (before.seconds + after.seconds)
    whole = products.number / (products.seconds + groups.seconds)
    print(f"all rounds: export / (a): {rate / (slow.number / slow.seconds):.1f}", end="")
    print(f"    export / (b): {rate / reference:.2f}    with the collections / (b): {whole / reference:.2f}")
    print(f"second run: {sent / compared * 1000:.1f} requests per 1,000 items, {posts} of them writes to Medusa")
    exported, rejects, calls = one_bad(medusa, options.items, log_in=options.log_in)
    print(f"one bad item in 100: {exported} exported in {calls} create calls; rejected: {'; '.join(rejects)}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process: {peak:.0f} MB; load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
