"""Variants as options: the first export beside the bare batch endpoint, and a quiet night beside one of items.

    python -m bench.variants [--products 400] [--rounds 2] [--quiet-products 4000] [--batches 16]

Every product has five variants. The first export is against a real Medusa, and is what OptionProducts does: reading
templates, variants and attributes, looking for what is there, creating, and writing ids back. The reference is POST
/admin/products/batch with the same bodies, prepared beforehand, posted by as many threads as the export uses,
before and after it in the same run. The quiet nights are those of bench/quiet_night.py, on the embedded servers: of as
many variants, and of as many items that are products of their own.
"""

import argparse
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import requests
from pydantic import SecretStr

from bench.erp_process import erp_process
from bench.export import Row, medusa_address, placement_of, scope_of
from bench.quiet_night import ROOT, Cost, nights
from erp_medusa_pipelines.connections import Shop, open_shop
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.sync.catalogue.collections import collection_ids, sync_collections
from erp_medusa_pipelines.sync.catalogue.filing import Filing
from erp_medusa_pipelines.sync.catalogue.option_products import CREATED_FIELDS, OptionProducts
from erp_medusa_pipelines.sync.catalogue.retired import Keys
from erp_medusa_pipelines.sync.engine.batches import Batch
from erp_medusa_pipelines.sync.engine.report import SyncReport
from erp_medusa_pipelines.sync.shop.families import read_families

VARIANTS = 5


def option_products(opened: Shop) -> OptionProducts:
    """Build the sync of a shop's new products, in one batch."""
    return OptionProducts(
        scope_of(opened, Batch(0, 1)), writer=opened.writer, families=read_families(opened.erp, "options"),
        filing=Filing(collection_ids(opened.erp)), placement=placement_of(opened), only_new=True,
    )  # fmt: skip


def bodies(opened: Shop) -> list[dict[str, Any]]:
    """Build the bodies that the export would send."""
    sync = option_products(opened)
    sync.reader.families = sync.families
    found, _ = sync._read(sorted(sync.families.incomplete))  # pyright: ignore[reportPrivateUsage]
    return [sync._new(family, Keys()).body for family in found]  # pyright: ignore[reportPrivateUsage]


def bare(opened: Shop, made: list[dict[str, Any]]) -> Row:
    """Post these bodies with new keys, as many chunks at once as the export does."""
    salt, chunk, key = uuid4().hex[:6], opened.settings.medusa_chunk, opened.settings.medusa_api_key
    assert key is not None
    fresh = [
        {
            **body,
            "external_id": f"{body['external_id']}{salt}",
            "handle": f"{body['handle']}-{salt}",
            "variants": [
                {**{name: each for name, each in one.items() if name != "barcode"}, "sku": f"{one['sku']}{salt}"}
                for one in body["variants"]
            ],
        }
        for body in made
    ]
    chunks = [json.dumps({"create": fresh[start : start + chunk]}) for start in range(0, len(fresh), chunk)]
    url = f"{opened.medusa.http.base_url}/admin/products/batch?fields={CREATED_FIELDS}"
    headers = {"Authorization": f"Basic {key.get_secret_value()}", "Content-Type": "application/json"}
    session, began = requests.Session(), time.perf_counter()

    def post(data: str) -> None:
        session.post(url, data=data, headers=headers, timeout=300).raise_for_status()

    with ThreadPoolExecutor(opened.settings.medusa_parallel_calls) as pool:
        list(pool.map(post, chunks))
    return Row("bare batch endpoint", sum(len(body["variants"]) for body in fresh), time.perf_counter() - began)


def first(products: int) -> tuple[Row, Row, Row]:
    """Return (before, export, after) of one shop that is new to Medusa, counted in variants."""
    medusa = medusa_address()
    with erp_process(items=products * (1 + VARIANTS), variants=VARIANTS) as erp:
        settings = Settings(
            _env_file=None,  # pyright: ignore[reportCallIssue]
            erpnext_url=erp.url, erpnext_api_key=SecretStr(erp.key), erpnext_api_secret=SecretStr(erp.secret),
            medusa_url=medusa["MEDUSA_URL"], medusa_api_key=SecretStr(medusa["MEDUSA_API_KEY"]), variants="options",
        )  # fmt: skip
        with open_shop(settings) as opened:
            sync_collections(opened.erp, opened.writer, opened.medusa, SyncReport())
            made = bodies(opened)
            # Medusa's first products cost more, whoever makes them.
            bare(opened, made[:50])
            before = bare(opened, made)
            sent, began = opened.requests_sent, time.perf_counter()
            sync = option_products(opened)
            sync.run()
            seconds = time.perf_counter() - began
            assert not sync.report.rejects, sync.report.rejects[:3]
            assert not sync.report.leftovers, sync.report.leftovers[:3]
            number = sync.report.counts["bound"] - sync.report.counts["written"]
            exported = Row("export with VARIANTS=options", number, seconds, (opened.requests_sent - sent) / number)
            return before, exported, bare(opened, made)


def quiet(items: int, batches: int, variants: int = 0) -> tuple[int, int]:
    """Return (requests, writes) of a night in which nothing has changed."""
    (night,) = nights(ROOT, items, batches, 1, variants)
    costs: list[Cost] = list(night.values())
    return sum(cost.requests for cost in costs), sum(cost.writes for cost in costs)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quiet-products", type=int, default=4000)
    parser.add_argument("--batches", type=int, default=16)
    options = parser.parse_args()
    print(f"{'':32}{'variants':>8}{'seconds':>10}{'per s':>10}{'requests each':>15}   load {os.getloadavg()[0]:.1f}")
    rounds: list[tuple[Row, Row, Row]] = []
    for _ in range(options.rounds):
        rounds.append(first(options.products))
        print(*rounds[-1], sep="\n", flush=True)
    before, exported, after = (
        Row("", sum(row.number for row in rows), sum(row.seconds for row in rows)) for rows in zip(*rounds, strict=True)
    )
    reference = (before.number + after.number) / (before.seconds + after.seconds)
    print(f"export / bare endpoint: {exported.number / exported.seconds / reference:.2f}", flush=True)
    number = options.quiet_products * VARIANTS
    of_variants, writes = quiet(options.quiet_products * (1 + VARIANTS), options.batches, VARIANTS)
    of_items, _ = quiet(number, options.batches)
    print(f"{number:,} variants in {options.quiet_products:,} products: writes of a quiet night: {writes}")
    print(f"requests per 500 variants: {of_variants / number * 500:.2f}, per 500 items: {of_items / number * 500:.2f}")
    print(f"variants / items: {of_variants / of_items:.2f}   load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
