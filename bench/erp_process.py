"""An embedded ERPNext in a process of its own, so that a measurement does not share its interpreter with the server.

with erp_process(items=2000) as erp: ...      erp.url, erp.key, erp.secret
"""

import argparse
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dev.server_script import install_server_script
from erp_medusa_sandbox.erpnext.app import create_app
from erp_medusa_sandbox.erpnext.store import ErpStore
from erp_medusa_sandbox.faults import FaultInjector
from erp_medusa_sandbox.server import running
from erp_medusa_sandbox.shop.seed import seed_shop

SIZE = "Size"


@dataclass(frozen=True)
class ErpProcess:
    """Address and credentials of the server."""

    url: str
    key: str
    secret: str = field(repr=False)


@contextmanager
def erp_process(
    *, items: int = 0, images: int = 0, variants: int = 0, server_script: bool = True, store: Path | None = None
) -> Iterator[ErpProcess]:
    """Serve a sample shop of `items` Website Items, or the one in the file `store`, until the block ends.

    With `variants` each template among the items is followed by so many of its variants.
    """
    command = [sys.executable, "-m", "bench.erp_process", "--items", str(items), "--images", str(images)]
    command += ["--variants", str(variants)]
    command += ["--store", str(store)] if store else []
    if server_script:
        command.append("--server-script")
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the embedded ERPNext did not start; its error stands above")
        yield ErpProcess(**json.loads(line))
    finally:
        process.communicate("")


def make_families(store: ErpStore, variants: int) -> None:
    """Make every first of 1 + `variants` items a template, and those after it its variants, of sizes 1 and more."""
    rows = sorted(store.rows("Website Item"), key=lambda row: row["name"])
    sizes = [{"attribute_value": f"{size:02d}", "abbr": f"{size:02d}"} for size in range(1, variants + 1)]
    with store.transaction():
        store.insert("Item Attribute", attribute_name=SIZE, item_attribute_values=sizes)
        for number, row in enumerate(rows):
            template, size = rows[number - number % (variants + 1)]["item_code"], number % (variants + 1)
            own = {"variant_of": template} if size else {"has_variants": 1}
            store.set("Website Item", row["name"], published=1, **own)
            store.set("Item", row["item_code"], disabled=0, **own)
            value = {"attribute_value": f"{size:02d}", "variant_of": template} if size else {}
            place = {"parent": row["item_code"], "parenttype": "Item", "parentfield": "attributes", "idx": 1}
            store.insert("Item Variant Attribute", attribute=SIZE, **place, **value)


def main() -> None:
    """Serve until stdin closes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, required=True)
    parser.add_argument("--images", type=int, default=0)
    parser.add_argument("--variants", type=int, default=0)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--server-script", action="store_true")
    options = parser.parse_args()
    key, secret = secrets.token_hex(8), secrets.token_hex(16)
    store = ErpStore(options.store)
    if options.store is None:
        seed_shop(store, items=options.items, images=options.images)
        if options.variants:
            make_families(store, options.variants)
        if options.server_script:
            install_server_script(store)
    app = create_app(store, api_key=key, api_secret=secret, server_scripts=options.server_script)
    with running(FaultInjector(app, "erpnext")) as url:
        print(json.dumps({"url": url, "key": key, "secret": secret}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
