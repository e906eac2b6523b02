"""`make demo`: the Dagster UI with the nightly jobs on the embedded sandbox, from an empty shop to a full one.

The jobs are launched like any other run, so that the UI's timeline shows them, and only in an installation of the
demo's own making. It has a home of its own, reads no .env and no setting of the environment, and before each run asks
the webserver for a mark that was made in that home just now: a demo must never write into somebody's shop, nor start a
run in somebody's Dagster.
"""

import argparse
import errno
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dev.local_dagster import (
    FIRST_PORT,
    HOST,
    LocalDagsterError,
    add_port,
    alone_in,
    ended_sandbox,
    ending_by_signal,
    free_port,
    started,
)

if TYPE_CHECKING:
    import dagster as dg

    from dev.demo_shop import DemoShop

ROOT = Path(__file__).resolve().parents[1]

MARKER = "this-is-the-demo.txt"
NUMBERS = ("found", "written", "adopted", "updated", "unchanged", "rejected", "requests", "seconds")
START_SECONDS = 240
PORT_IS_TAKEN = f"[Errno {errno.EADDRINUSE}]"
"""What the webserver says before it ends; `dg dev` itself takes up to a minute more."""

SECONDS_BETWEEN_LOOKS = 2.0
FIRST_JOBS = ("sync_customer_groups",)
"""By the clock it has run long before the night, whose price lists are for its groups."""
JOBS = ("export_items_and_images_custom", "add_top_selling_items_to_collection", "fetch_clearance_items")
"""The export makes prices and stock as well; the minute tasks need somebody who signs in and a mail server."""


class DemoError(Exception):
    """The demo cannot continue; the text says why."""


def main() -> int:
    """Start the installation, run the nightly jobs, print a summary, leave the UI open. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_port(parser)
    parser.add_argument("--home", type=Path, default=Path(".demo"), help="its folder (default: .demo)")
    parser.add_argument("--no-serve", action="store_true", help="end after the summary")
    options = parser.parse_args()
    try:
        home = _make_home(options.home.resolve())
        with ending_by_signal(), alone_in(home):
            _move_into(home)
            return _show(home, options.port, serve=not options.no_serve)
    except (DemoError, LocalDagsterError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _make_home(home: Path) -> Path:
    """Make the demo's own folder, or find it again. Raises DemoError for a folder that is somebody else's."""
    marker = home / MARKER
    if home.exists() and any(home.iterdir()) and not marker.exists():
        raise DemoError(f"{home} is not the demo's folder: name an empty one, or one that does not exist yet")
    home.mkdir(parents=True, exist_ok=True)
    marker.write_text("Made by `make demo`. It may be deleted while no demo runs.\n", encoding="utf-8")
    (home / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    return home


def _set(home: Path, settings: Mapping[str, str]) -> None:
    """Write the demo's settings. Dagster's code servers read .env in the folder that they are started in."""
    lines = {"DAGSTER_HOME": str(home), "USE_SANDBOX": "true", **settings}
    text = "".join(f"{name}='{value}'\n" for name, value in lines.items())
    (home / ".env").write_text(text, encoding="utf-8")
    # .env wins over the environment of those alone.
    os.environ.update(lines)


def _move_into(home: Path) -> None:
    """From here on this process and all that it starts know the demo's settings and no others."""
    from erp_medusa_pipelines.settings import FOLDER_OF_SECRETS, Settings, variable_name

    for name in (FOLDER_OF_SECRETS, *map(variable_name, Settings.model_fields)):
        os.environ.pop(name, None)
    _set(home, {})
    os.chdir(home)


def _open_shop(home: Path) -> "DemoShop":
    """Start both servers with the demo's sample shop, and set up what its settings name."""
    from dev.demo_shop import DemoShop
    from erp_medusa_sandbox.server import CLINIC, ensure_running

    shop = DemoShop(ensure_running(home / "sandbox", sample=CLINIC))
    _set(home, shop.settings())
    shop.sign_in()
    return shop


def _show(home: Path, wanted_port: int | None, *, serve: bool) -> int:
    """The demo itself. Returns the exit code."""
    import dagster as dg

    from erp_medusa_pipelines.connections import SANDBOX_NOTICE

    print(f"\n{SANDBOX_NOTICE}\n", flush=True)
    with (
        dg.DagsterInstance.get() as instance,
        ended_sandbox(),
    ):
        shop = _open_shop(home)
        with _installation(wanted_port, home / "demo.log", instance) as (process, port):
            began = time.monotonic()
            rows, good = _night(port, instance)
            _print_summary(rows, time.monotonic() - began)
            if good:
                print(f"\n{shop.seen()}")
            print(f"\n{SANDBOX_NOTICE}")
            if good and serve:
                print(f"\nThe Dagster UI: {_url(port)}  (Ctrl+C ends it; its history stays in {home})", flush=True)
                print(_what_to_try(home), flush=True)
                process.wait()
    return 0 if good else 1


@contextmanager
def _installation(
    wanted: int | None, log: Path, instance: "dg.DagsterInstance"
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Webserver and daemon on a free port, as `make dev` starts them; ended with the context."""
    port = free_port(wanted)
    while True:
        print(f"Starting Dagster on port {port}; its log is {log}", flush=True)
        with (
            log.open("wb") as output,
            started(port, "--workspace", str(ROOT / "workspace.yaml"), cwd=log.parent, output=output) as process,
        ):
            if _is_up(process, port, instance, log):
                yield process, port
                return
        print(f"Port {port} was taken meanwhile.", flush=True)
        port = free_port(wanted, after=max(port, FIRST_PORT - 1))


def _is_up(process: subprocess.Popen[bytes], port: int, instance: "dg.DagsterInstance", log: Path) -> bool:
    """Wait until our own webserver has loaded the project; False if somebody else took the port before it."""
    deadline = time.monotonic() + START_SECONDS
    while not _is_ours(port, instance):
        # Looked at in this order: a process that has ended says nothing more.
        ended, said = process.poll() is not None, log.read_text(errors="replace")
        if PORT_IS_TAKEN in said:
            return False
        if ended or time.monotonic() > deadline:
            raise DemoError(f"Dagster does not start on port {port}:\n{said[-2000:]}")
        time.sleep(0.5)
    return True


def _is_ours(port: int, instance: "dg.DagsterInstance") -> bool:
    """Whether what answers on the port works on this instance and has loaded the project."""
    from erp_medusa_pipelines.cli.dagster_api import DagsterApi
    from erp_medusa_pipelines.cli.frame import CommandError

    api = DagsterApi(_url(port), timeout=10)
    try:
        return api.serves(instance) and bool(api.installation())
    except CommandError:
        return False


def _what_to_try(home: Path) -> str:
    """What there is to see and to break, by addresses and keys of this start. Each line can be copied as it is."""
    from erp_medusa_sandbox.server import CLINIC, ensure_running

    shop = ensure_running(home / "sandbox", sample=CLINIC)
    key = f"token {shop.erpnext_api_key}:{shop.erpnext_api_secret}"
    item, website_item, picture, price, rate = _an_item(shop.erpnext_url, key)
    customer = f"curl -g -H 'x-publishable-api-key: {shop.medusa_publishable_key}'"
    json = "-H 'Content-Type: application/json'"
    erp, change = f"curl -g -H 'Authorization: {key}'", f"curl -g -X PUT -H 'Authorization: {key}' {json} -d"
    command = f"{Path(sys.executable).with_name('erp-medusa')}"
    with_status = '{"action": "status", "status": 503}'
    return f"""
Both servers, with the keys of this shop, which is in {home / "sandbox"}:
    ERPNext  {erp} '{shop.erpnext_url}/api/resource/Website%20Item?limit_page_length=3'
    Medusa   curl -g -u '{shop.medusa_api_key}:' '{shop.medusa_url}/admin/products?limit=1'
    the shop as customers see it
             {customer} '{shop.medusa_url}/store/products?limit=1'

Commands see this shop in its folder (cd {home}):
    {command} status               what runs, what is red, what waits
    {command} {f"explain {item}":21}one item from both sides
    {command} explain SP           why an item is not in this shop
    {command} doctor               what is missing, and how to fix it

What doctor finds here was planted, so that you see it, or is a demo's: anyone can list Email OTP (planted); a Pricing
Rule gives free items, which Medusa does not know (planted); there is no Server Script, so ids are written by saving;
the site's time zone is not SCHEDULE_TIMEZONE; the schedules are off.

Break something and watch it heal. After each change: {command} sync {item}
    1. Another price:
       {change} '{{"price_list_rate": 99}}' '{shop.erpnext_url}/api/resource/Item%20Price/{price}'
    2. A price that is rejected, with item, list and reason. The one before it stays in the shop:
       {change} '{{"price_list_rate": 0}}' '{shop.erpnext_url}/api/resource/Item%20Price/{price}'
       The way out is a rate:
       {change} '{{"price_list_rate": {rate}}}' '{shop.erpnext_url}/api/resource/Item%20Price/{price}'
    3. A picture that is rejected: its file is not there.
       {change} '{{"website_image": "/files/gone.jpg"}}' '{shop.erpnext_url}/api/resource/Website%20Item/{website_item}'
       The way out is a file that exists:
       {change} '{{"website_image": "{picture}"}}' '{shop.erpnext_url}/api/resource/Website%20Item/{website_item}'
    4. Stop Medusa:
       curl -X POST {json} -d '{with_status}' {shop.medusa_url}/__sandbox__/faults
       Materialize a batch of medusa_stock in the UI: it is red. {command} status says why.
       Heal it:
       curl -X DELETE {shop.medusa_url}/__sandbox__/faults
       Then {command} again, or turn the sensor retry_failed_partitions on, and the batch is green."""


def _an_item(url: str, key: str) -> tuple[str, str, str, str, float]:
    """One that is sold: its code, its Website Item, that one's picture, its Item Price and the rate."""
    import requests

    from erp_medusa_pipelines.settings import load_settings

    def first(doctype: str, fields: list[str], **filters: object) -> Mapping[str, Any]:
        query = {"fields": dumps(fields), "filters": dumps(filters), "order_by": "name asc", "limit_page_length": 1}
        found = requests.get(f"{url}/api/resource/{doctype}", query, headers={"Authorization": key}, timeout=30)
        return found.json()["data"][0]

    fields = ["name", "item_code", "website_image"]
    item = first("Website Item", fields, published=1, has_variants=0, website_image=["is", "set"])
    of_item = {"item_code": item["item_code"], "price_list": load_settings().erpnext_price_list}
    price = first("Item Price", ["name", "price_list_rate"], **of_item)
    return item["item_code"], item["name"], item["website_image"], price["name"], price["price_list_rate"]


def _url(port: int) -> str:
    return f"http://{HOST}:{port}"


def _night(port: int, instance: "dg.DagsterInstance") -> tuple[list[dict[str, Any]], bool]:
    """Launch every job and follow it to its end: numbers of each materialization, and whether all went well."""
    from erp_medusa_pipelines.settings import load_settings
    from erp_medusa_pipelines.sync.engine.batches import batch_keys
    from erp_medusa_pipelines.tasks import task_named

    rows: list[dict[str, Any]] = []
    good = True
    for jobs in (FIRST_JOBS, JOBS):
        runs: dict[str, str] = {}
        assets = 0
        for task in map(task_named, jobs):
            for batch in batch_keys(load_settings().export_batches) if task.partitioned else (None,):
                run_id = _launch(port, instance, task.name, {"dagster/partition": batch} if batch else {})
                runs[run_id] = f"{task.name} {batch or ''}".strip()
                assets += len(task.assets)
        made, went_well = _follow(runs, assets)
        rows, good = rows + made, good and went_well
    return rows, good


def _launch(port: int, instance: "dg.DagsterInstance", job: str, tags: Mapping[str, str]) -> str:
    """Start one run in our own installation and return its id. Raises DemoError if another one answers meanwhile."""
    from dagster_graphql import DagsterGraphQLClient

    if not _is_ours(port, instance):
        raise DemoError(f"The demo's own Dagster does not answer on port {port} any more: nothing more was started")
    return DagsterGraphQLClient(HOST, port_number=port).submit_job_execution(job, tags=dict(tags))


def _follow(runs: dict[str, str], assets: int) -> tuple[list[dict[str, Any]], bool]:
    """Say how far it is, a line for each change, until every run has ended."""
    import dagster as dg

    rows: list[dict[str, Any]] = []
    said = ""
    shown: set[str] = set()
    with dg.DagsterInstance.get() as instance:
        while True:
            states = [run for run in (instance.get_run_by_id(run_id) for run_id in runs) if run]
            for run in states:
                rows += _materializations(instance, run.run_id, shown)
            ended = [run for run in states if run.is_finished]
            if len(ended) == len(runs):
                print(f"{len(ended)} of {len(runs)} runs, {len(rows)} of {assets} assets", flush=True)
                failed = [runs[run.run_id] for run in ended if run.status != dg.DagsterRunStatus.SUCCESS]
                for name in failed:
                    print(f"    {name} FAILED: open it in the UI", flush=True)
                return rows, not failed
            latest = f": {_line(rows[-1])}" if rows else ""
            line = f"{len(ended)} of {len(runs)} runs, {len(rows)} of {assets} assets{latest}"
            if line != said:
                print(line, flush=True)
                said = line
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _materializations(instance: Any, run_id: str, shown: set[str]) -> Iterator[dict[str, Any]]:
    """Those of the run that were not shown yet."""
    import dagster as dg

    for entry in instance.all_logs(run_id, of_type={dg.DagsterEventType.ASSET_MATERIALIZATION}):
        made = entry.asset_materialization
        if made is None or f"{run_id}/{made.asset_key}" in shown:
            continue
        shown.add(f"{run_id}/{made.asset_key}")
        yield {"asset": made.asset_key.to_user_string(), **{key: value.value for key, value in made.metadata.items()}}


def _line(row: dict[str, Any]) -> str:
    numbers = [f"{name} {row[name]}" for name in NUMBERS if row.get(name) and name != "seconds"]
    return f"{row['asset']} {', '.join(numbers)}".strip()


def _print_summary(rows: Sequence[dict[str, Any]], seconds: float) -> None:
    """A table with one line per asset, batches added up."""
    totals: dict[str, Counter[str]] = {}
    for row in rows:
        totals.setdefault(row["asset"], Counter()).update({name: row.get(name) or 0 for name in NUMBERS})
    print(f"\n{'asset':26}" + "".join(f"{name:>11}" for name in NUMBERS))
    for asset, total in totals.items():
        numbers = (f"{total[name]:11.1f}" if name == "seconds" else f"{int(total[name]):11}" for name in NUMBERS)
        print(f"{asset:26}" + "".join(numbers))
    print(f"\nDone in {seconds:.0f} s.")


if __name__ == "__main__":
    sys.exit(main())
