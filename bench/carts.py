"""Carts in number: reading 100,000 customers for the mails, deleting 20,000 carts while the shop goes on.

    python -m bench.carts read --customers 100000     against the embedded Medusa, in a process of its own
    python -m bench.carts delete --carts 20000        against the Medusa of `make medusa`; SQL writes its carts

Requests, seconds and memory of our own process are measured; of the shop, how long a customer waits for a product list.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import requests

from erp_medusa_pipelines.clients.http import HttpClient, HttpOptions
from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.clients.medusa_carts import MedusaCarts
from erp_medusa_pipelines.sync.engine.report import SyncReport
from erp_medusa_pipelines.sync.storefront.cart_mailing import SLIM
from erp_medusa_pipelines.sync.storefront.expired_carts import ExpiredCarts, ExpiryOptions

ROOT = Path(__file__).resolve().parents[1]
KEY = "sk_" + "0" * 64
SERVED = "served at "


def serve(customers: int) -> None:
    """Serve an embedded Medusa in which every second customer left a cart with two lines, until stdin is closed."""
    from erp_medusa_sandbox.medusa.app import create_app
    from erp_medusa_sandbox.medusa.store import MedusaStore, iso
    from erp_medusa_sandbox.server import running

    store = MedusaStore(None)
    then = iso(datetime.now(UTC) - timedelta(days=60))
    with store.transaction():
        for number in range(customers):
            address = f"guest{number}@customers.example"
            customer = store.put("customer", store.stamped("cus", email=address, has_account=False, metadata=None))
            if number % 2:
                continue
            about = {"customer_id": customer["id"], "email": address, "currency_code": "omr", "completed_at": None}
            cart = store.put("cart", {**store.stamped("cart", **about, metadata=None), "updated_at": then})
            for _ in range(2):
                line = store.stamped("cali", cart_id=cart["id"], quantity=2, unit_price=1.5)
                store.put("line_item", {**line, "updated_at": then})
    with running(create_app(store, api_key=KEY)) as url:
        print(f"{SERVED}{url}", flush=True)
        sys.stdin.read()


def read(customers: int) -> int:
    """Read all customers as the task does; returns the exit code."""
    command = [sys.executable, "-m", "bench.carts", "serve", "--customers", str(customers)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        url = next(line for line in server.stdout or () if SERVED in line).strip().removeprefix(SERVED)
        http = HttpClient("Medusa", url, {"Authorization": f"Basic {KEY}"}, options=HttpOptions())
        memory, began, found, carts = peak(), time.monotonic(), 0, 0
        for page in MedusaCarts(MedusaClient(http)).pages(SLIM):
            found += len(page)
            carts += sum(len(row["carts"]) for row in page)
        seconds = time.monotonic() - began
        print(
            json.dumps(
                {
                    "customers": found,
                    "carts": carts,
                    "requests": http.requests_sent,
                    "customers_per_request": round(found / http.requests_sent),
                    "seconds": round(seconds, 1),
                    "megabytes_more": round((peak() - memory) / 1024, 1),
                }
            )
        )
        http.close()
        server.communicate()
    return 0 if found == customers and http.requests_sent <= customers / 500 + 1 else 1


def delete(carts: int) -> int:
    """Delete carts of the real Medusa, and watch how long a customer waits meanwhile; returns the exit code."""
    known = dict(
        line.split("=", 1)
        for line in (ROOT / ".medusa" / "env").read_text(encoding="utf-8").splitlines()
        if "=" in line
    )
    state = json.loads((ROOT / ".medusa" / "state.json").read_text(encoding="utf-8"))
    dsn = f"postgresql://postgres:{state['database_password']}@127.0.0.1:{state['database_port']}/medusa"
    _write_carts(os.environ.get("MEDUSA_DATABASE_URL", dsn), carts)
    login = {"email": known["MEDUSA_ADMIN_EMAIL"], "password": known["MEDUSA_ADMIN_PASSWORD"]}
    token = requests.post(f"{known['MEDUSA_URL']}/auth/user/emailpass", json=login, timeout=60).json()["token"]
    http = HttpClient(
        "Medusa", known["MEDUSA_URL"], {"Authorization": f"Bearer {token}"}, options=HttpOptions(read_timeout=120)
    )
    stop, waits = threading.Event(), list[float]()
    quiet = [_customer_waits(known) for _ in range(20)]
    thread = threading.Thread(target=_watch, args=(known, stop, waits))
    thread.start()
    report, began = SyncReport(), time.monotonic()
    ExpiredCarts(MedusaClient(http), report, ExpiryOptions(days=30, most=carts, seconds=7200)).run()
    seconds = time.monotonic() - began
    stop.set()
    thread.join()
    waited = {"median": round(statistics.median(waits), 2), "longest": round(max(waits), 2)}
    print(
        json.dumps(
            {
                **report.counts,
                "requests": http.requests_sent,
                "seconds": round(seconds),
                "carts_per_second": round(report.counts["deleted"] / seconds, 1),
                "customer_waits": waited,
                "before": {"median": round(statistics.median(quiet), 2), "longest": round(max(quiet), 2)},
            }
        )
    )
    return 0 if report.counts["deleted"] == carts else 1


def _write_carts(dsn: str, carts: int) -> None:
    """Write carts without an address, two months old, each with a line: nobody could make so many by the Store API."""
    with psycopg2.connect(dsn) as connection, connection.cursor() as cursor:
        old = "now() - interval '60 days'"
        cursor.execute(
            f"INSERT INTO cart (id, currency_code, created_at, updated_at)"  # noqa: S608 - nothing comes from outside
            f" SELECT 'cart_B' || lpad(n::text, 24, '0'), 'omr', {old}, {old} FROM generate_series(1, {int(carts)}) n"
        )
        cursor.execute(
            "INSERT INTO cart_line_item"  # noqa: S608
            " (id, cart_id, title, quantity, unit_price, raw_unit_price, created_at, updated_at)"
            f" SELECT 'cali_B' || lpad(n::text, 24, '0'), 'cart_B' || lpad(n::text, 24, '0'), 'Gloves', 1, 1.5,"
            f' \'{{"value": "1.5", "precision": 20}}\', {old}, {old} FROM generate_series(1, {int(carts)}) n'
        )


def _watch(known: dict[str, str], stop: threading.Event, waits: list[float]) -> None:
    while not stop.wait(0.25):
        waits.append(_customer_waits(known))


def _customer_waits(known: dict[str, str]) -> float:
    began = time.monotonic()
    headers = {"x-publishable-api-key": known["MEDUSA_PUBLISHABLE_KEY"]}
    requests.get(f"{known['MEDUSA_URL']}/store/products?limit=5&fields=id,title", headers=headers, timeout=120)
    return time.monotonic() - began


def peak() -> int:
    """Return the most memory that this process had, in kilobytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> int:
    """Return the exit code: 1 if a figure is not what is promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("read", "delete", "serve"))
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--carts", type=int, default=20_000)
    options = parser.parse_args()
    if options.what == "serve":
        serve(options.customers)
        return 0
    return read(options.customers) if options.what == "read" else delete(options.carts)


if __name__ == "__main__":
    sys.exit(main())
