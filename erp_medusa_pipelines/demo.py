"""`make demo`: the Dagster UI with the nightly jobs on the embedded sandbox, from an empty shop to a full one.

Belongs here: what a newcomer sees in the terminal. The installation is started as `make dev` does it, and the jobs are
launched in it like any other run, so that the UI's timeline shows them. Always the sandbox, whatever servers the
environment or .env names: a demo must never write into somebody's shop.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

NUMBERS = ("found", "written", "adopted", "updated", "unchanged", "rejected", "requests", "seconds")
END_SECONDS = 30
START_SECONDS = 120
SECONDS_BETWEEN_LOOKS = 2.0
JOBS = ("export_items_and_images_custom", "add_top_selling_items_to_collection", "fetch_clearance_items")
"""The export makes prices and stock as well; the minute tasks need somebody who signs in and a mail server."""


class DemoError(Exception):
    """The demo cannot go on; the text says why."""


def main() -> int:
    """Start the installation, run the nightly jobs, print a summary, leave the UI open. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=3000, help="port of the UI on 127.0.0.1 (default: 3000)")
    parser.add_argument("--no-serve", action="store_true", help="end after the summary")
    options = parser.parse_args()
    os.environ["USE_SANDBOX"] = "true"
    home = Path(os.environ.setdefault("DAGSTER_HOME", str(Path(".dagster").resolve())))
    home.mkdir(parents=True, exist_ok=True)

    from erp_medusa_pipelines.connections import SANDBOX_NOTICE

    print(f"\n{SANDBOX_NOTICE}\n", flush=True)
    try:
        with _installation(options.port, home / "demo.log") as process:
            began = time.monotonic()
            rows, good = _night(options.port)
            _print_summary(rows, time.monotonic() - began)
            print(f"\n{SANDBOX_NOTICE}")
            if good and not options.no_serve:
                url = f"http://127.0.0.1:{options.port}"
                print(f"\nThe Dagster UI: {url}  (Ctrl+C ends it; its history stays in {home})", flush=True)
                process.wait()
    except DemoError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0 if good else 1


@contextmanager
def _installation(port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Webserver and daemon, as `make dev` starts them; ended with the context."""
    command = [str(Path(sys.executable).with_name("dg")), "dev", "--host", "127.0.0.1", "--port", str(port)]
    print(f"Starting Dagster on port {port}; its log is {log}", flush=True)
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603  # our own program
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise DemoError(f"Dagster does not start on port {port}:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.5)
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl-C does. Started in the background by a shell, a process and its children do not hear Ctrl-C at all."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=END_SECONDS)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    """Whether the UI is up and has loaded the project."""
    query = {"query": "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"}
    try:
        answer = requests.post(f"http://127.0.0.1:{port}/graphql", json=query, timeout=10).json()
    except (requests.RequestException, ValueError):
        return False
    return bool(answer.get("data", {}).get("repositoriesOrError", {}).get("nodes"))


def _night(port: int) -> tuple[list[dict[str, Any]], bool]:
    """Launch every job and follow it to its end: numbers of each materialization, and whether all went well."""
    from dagster_graphql import DagsterGraphQLClient

    from erp_medusa_pipelines.settings import load_settings
    from erp_medusa_pipelines.sync.engine.batches import batch_keys
    from erp_medusa_pipelines.tasks import task_named

    client = DagsterGraphQLClient("127.0.0.1", port_number=port)
    runs: dict[str, str] = {}
    assets = 0
    for task in map(task_named, JOBS):
        for batch in batch_keys(load_settings().export_batches) if task.partitioned else (None,):
            run_id = client.submit_job_execution(task.name, tags={"dagster/partition": batch} if batch else {})
            runs[run_id] = f"{task.name} {batch or ''}".strip()
            assets += len(task.assets)
    return _follow(runs, assets)


def _follow(runs: dict[str, str], assets: int) -> tuple[list[dict[str, Any]], bool]:
    """Say how far it is, a line for each change, until every run has ended."""
    import dagster as dg

    rows: list[dict[str, Any]] = []
    said = ""
    told: set[str] = set()
    with dg.DagsterInstance.get() as instance:
        while True:
            states = [run for run in (instance.get_run_by_id(run_id) for run_id in runs) if run]
            for run in states:
                rows += _materializations(instance, run.run_id, told)
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


def _materializations(instance: Any, run_id: str, told: set[str]) -> Iterator[dict[str, Any]]:
    """Those of the run that were not told yet."""
    import dagster as dg

    for entry in instance.all_logs(run_id, of_type={dg.DagsterEventType.ASSET_MATERIALIZATION}):
        made = entry.asset_materialization
        if made is None or f"{run_id}/{made.asset_key}" in told:
            continue
        told.add(f"{run_id}/{made.asset_key}")
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
