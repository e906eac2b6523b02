"""Mails to customers while their runs are killed: `python -m dev.killed_mails --about carts --number 1000 --kills 30`.

A process of its own does each run, with Dagster's storage on a disk, and gets SIGKILL at a random moment; another one
takes over. The mail server counts. Each cart that is due, or each subscriber of a newsletter, has to get one mail: two
are never right, and one that is missing has to stand among the rejects as being in doubt. `--real` takes the Medusa of
`make medusa`.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests

from dev.mail_sink import mail_sink

ROOT = Path(__file__).resolve().parents[1]
JOBS = {"carts": "send_abandoned_cart_emails", "newsletters": "send_weekly_newsletter"}
ASSETS = {"carts": "abandoned_carts", "newsletters": "newsletter"}
CONFIGS = {"carts": {}, "newsletters": {"ops": {"newsletter": {"config": {"send": True}}}}}
"""Of an operator who has seen the preview, which the first run is."""
STARTED, DOMAIN = "the run begins", "killed.example"
PAUSE, REAL_PAUSE = 0.5, 4.0
"""In place of the ten seconds in which other installations would be heard: here is none. A note that takes longer than
half of it is not trusted, and a real Medusa on a busy machine takes its time."""
LONGEST, REAL_LONGEST = 6.0, 30.0
"""Seconds from a run's beginning until it is killed, at most."""
MOST_RUNS = 30
PAUSE_VARIABLE, ABOUT_VARIABLE = "KILLED_MAILS_PAUSE", "KILLED_MAILS_ABOUT"


@dataclass(frozen=True)
class Outcome:
    """What the mail server and the last run say."""

    number: int
    kills: int
    runs: int
    mails: Counter[int]
    """How many carts or subscribers got so many mails."""
    in_doubt: int
    seconds: float

    @property
    def holds(self) -> bool:
        """Return whether nobody got two, and every one without is said to be in doubt."""
        return max(self.mails) <= 1 and self.mails[0] <= self.in_doubt <= self.kills


@dataclass(frozen=True)
class Servers:
    """Where the run works, and how carts are made there."""

    environment: dict[str, str]
    publishable_key: str
    region_id: str
    sales_channel_id: str


def kill_at_random(about: str, number: int, kills: int, seed: int, *, real: bool = False) -> Outcome:
    """Make carts or subscribers, send the mails under kills, and count."""
    chance = random.Random(seed)  # noqa: S311 - nothing secret hangs on it
    began = time.monotonic()
    with serve(real=real) as servers, mail_sink() as sink, tempfile.TemporaryDirectory() as home:
        make = make_subscribers if about == "newsletters" else make_carts
        addresses = make(servers, number)
        environment = environment_of(servers, sink.port, home, about=about, pause=REAL_PAUSE if real else PAUSE)
        longest = REAL_LONGEST if real else LONGEST
        time.sleep(3)
        if about == "newsletters":
            run_once(environment, None)
            if sink.messages:
                raise RuntimeError("a preview sent mails")
        killed = sum(run_once(environment, chance.uniform(0.0, longest)) for _ in range(kills))
        runs = kills
        # Until a run finds nothing more to send.
        while runs < kills + MOST_RUNS:
            before = len(sink.messages)
            run_once(environment, None)
            runs += 1
            if len(sink.messages) == before:
                break
        if real and about == "newsletters":
            _delete_customers(servers, addresses.values())
        received = sink.times_received
        mails = Counter(received[address] for address in addresses)
        return Outcome(number, killed, runs, mails, _in_doubt(home, ASSETS[about]), time.monotonic() - began)


def environment_of(
    servers: Servers, smtp_port: int, home: str, *, about: str = "carts", pause: float = PAUSE
) -> dict[str, str]:
    """Return the environment of a run that sends what is due at once, to a mail server on this machine."""
    return {
        **os.environ,
        **servers.environment,
        "DAGSTER_HOME": home,
        "MAIL_BY": "smtp",
        "SMTP_URL": f"smtp://127.0.0.1:{smtp_port}",
        "MAIL_FROM": "Shop <shop@shop.example>",
        "MAIL_QUIET_HOURS": "00:00-00:00",
        "CART_URL": "https://shop.example/cart?id={cart}",
        "ABANDONED_CART_HOURS": "0.0005",
        "ABANDONED_CARTS_PER_RUN": "5000",
        "NEWSLETTER_PER_RUN": "5000",
        "PRODUCT_URL": "https://shop.example/p/{handle}",
        ABOUT_VARIABLE: about,
        PAUSE_VARIABLE: str(pause),
    }


@contextmanager
def serve(*, real: bool) -> Iterator[Servers]:
    """Serve an embedded ERPNext, and an embedded Medusa or the one of `make medusa`."""
    from erp_medusa_sandbox.erpnext.app import create_app as create_erpnext
    from erp_medusa_sandbox.erpnext.store import ErpStore
    from erp_medusa_sandbox.medusa.app import create_app as create_medusa
    from erp_medusa_sandbox.medusa.plugin import PluginOptions
    from erp_medusa_sandbox.medusa.store import MedusaStore
    from erp_medusa_sandbox.server import running

    erp, medusa, key, secret = ErpStore(None), MedusaStore(None), "sk_" + "0" * 64, "a-secret-of-this-run"
    erp_app = create_erpnext(erp, api_key="key", api_secret=secret)
    medusa_app = create_medusa(medusa, api_key=key, plugin=PluginOptions(secret=secret))
    with running(erp_app) as erp_url, running(medusa_app) as medusa_url:
        environment = {
            "ERPNEXT_URL": erp_url,
            "ERPNEXT_API_KEY": "key",  # pragma: allowlist secret
            "ERPNEXT_API_SECRET": secret,
            "MEDUSA_URL": medusa_url,
            "MEDUSA_API_KEY": key,
            "MEDUSA_PLUGIN_SECRET": secret,
        }
        if real:
            lines = (ROOT / ".medusa" / "env").read_text(encoding="utf-8").splitlines()
            known = dict(line.split("=", 1) for line in lines)
            names = ("PUBLISHABLE_KEY", "REGION_ID", "SALES_CHANNEL_ID")
            yield Servers({**environment, **known}, *(known[f"MEDUSA_{name}"] for name in names))
        else:
            ids = medusa.ids("region")[0], medusa.ids("sales_channel")[0]
            yield Servers(environment, medusa.publishable_key, *ids)
    erp.close()
    medusa.close()


def _make_product(servers: Servers, prefix: str) -> dict[str, Any]:
    """Make a product as an export does, so that a newsletter shows it as new."""
    price = {"currency_code": "omr", "amount": 1.5}
    variant = {"title": "Default", "sku": prefix, "manage_inventory": False, "options": {"Default": "Default"}}
    body = {
        "title": "Gloves",
        "handle": prefix,
        "external_id": f"WEB-{prefix}",
        "status": "published",
        "options": [{"title": "Default", "values": ["Default"]}],
        "sales_channels": [{"id": servers.sales_channel_id}],
        "variants": [{**variant, "prices": [price]}],
    }
    return _as_admin(servers, "/admin/products", body)["product"]


def _as_admin(servers: Servers, path: str, body: dict[str, Any]) -> dict[str, Any]:
    url, key = servers.environment["MEDUSA_URL"], servers.environment["MEDUSA_API_KEY"]
    answer = requests.post(f"{url}{path}", json=body, auth=(key, ""), timeout=120)
    answer.raise_for_status()
    return answer.json()


def make_subscribers(servers: Servers, number: int) -> dict[str, str]:
    """Make customers who subscribed, and a product to write about; returns their ids by address."""
    prefix = uuid4().hex[:8]
    _make_product(servers, prefix)

    def make(address: str) -> tuple[str, str]:
        body = {"email": address, "metadata": {"newsletter_subscribed": True}}
        return address, _as_admin(servers, "/admin/customers", body)["customer"]["id"]

    with ThreadPoolExecutor(4) as pool:
        return dict(pool.map(make, (f"reader{each}.{prefix}@{DOMAIN}" for each in range(number))))


def _delete_customers(servers: Servers, ids: Iterable[str]) -> None:
    """Whoever uses this Medusa next has subscribers of his own."""
    url, key = servers.environment["MEDUSA_URL"], servers.environment["MEDUSA_API_KEY"]
    for identifier in ids:
        requests.delete(f"{url}/admin/customers/{identifier}", auth=(key, ""), timeout=120).raise_for_status()


def make_carts(servers: Servers, number: int) -> dict[str, str]:
    """Make carts that guests left; returns their ids by address."""
    url, prefix = servers.environment["MEDUSA_URL"], uuid4().hex[:8]
    items = [{"variant_id": _make_product(servers, prefix)["variants"][0]["id"], "quantity": 2}]

    def make(address: str) -> tuple[str, str]:
        cart: dict[str, Any] = {"region_id": servers.region_id, "email": address, "items": items}
        headers = {"x-publishable-api-key": servers.publishable_key}
        answer = requests.post(f"{url}/store/carts", json=cart, headers=headers, timeout=120)
        answer.raise_for_status()
        return address, answer.json()["cart"]["id"]

    with ThreadPoolExecutor(4) as pool:
        return dict(pool.map(make, (f"guest{each}.{prefix}@{DOMAIN}" for each in range(number))))


def run_once(environment: dict[str, str], seconds: float | None) -> bool:
    """Do one run in a process; kill it so many seconds after it began. Returns whether it was killed at its work."""
    command = [sys.executable, "-m", "dev.killed_mails", "--one-run"]
    with subprocess.Popen(  # noqa: S603
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        for line in process.stdout or ():
            if STARTED in line:
                break
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return True
    return False


def _one_run() -> None:
    """Do a run here, as a run worker does."""
    import dagster as dg

    from erp_medusa_pipelines.definitions import defs
    from erp_medusa_pipelines.sync.storefront import cart_mailing

    cart_mailing.PAUSE = float(os.environ[PAUSE_VARIABLE])
    about = os.environ[ABOUT_VARIABLE]
    job = defs.resolve_job_def(JOBS[about])
    with dg.DagsterInstance.get() as instance:
        print(STARTED, flush=True)
        job.execute_in_process(instance=instance, raise_on_error=False, run_config=CONFIGS[about])


def _in_doubt(home: str, asset: str) -> int:
    import dagster as dg

    with dg.DagsterInstance.from_config(home) as instance:
        records = instance.fetch_materializations(dg.AssetKey(asset), limit=1).records
        event = records[0].asset_materialization if records else None
        table = event.metadata.get("rejects") if event else None
        rows = table.value.records if isinstance(table, dg.TableMetadataValue) else ()
        reasons = [str(row.data["reason"]) for row in rows]
        waiting = event.metadata.get("in_doubt") if event else None
        return sum("may have arrived" in reason for reason in reasons) + int(str(waiting.value) if waiting else 0)


def main() -> int:
    """Return the exit code: 1 if somebody got two mails, or none and nobody says so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--about", choices=(*JOBS,), default="carts")
    parser.add_argument("--number", type=int, default=1000, help="of carts or subscribers")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--real", action="store_true", help="the Medusa of `make medusa`")
    parser.add_argument("--one-run", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one_run:
        _one_run()
        return 0
    outcome = kill_at_random(options.about, options.number, options.kills, options.seed, real=options.real)
    print(
        f"{outcome.number} {options.about}, {outcome.kills} runs killed at work of {outcome.runs},"
        f" {outcome.seconds:.0f} s: {outcome.mails[1]} got one mail,"
        f" {outcome.mails[0]} none ({outcome.in_doubt} in doubt),"
        f" {sum(number for times, number in outcome.mails.items() if times > 1)} more than one"
    )
    return 0 if outcome.holds else 1


if __name__ == "__main__":
    sys.exit(main())
