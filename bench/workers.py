"""Wall time of a first night at 1, 2 and 4 runs at once, on the embedded servers with a fixed time for each request.

    python -m bench.workers [--seconds 0.5]

A whole installation on PostgreSQL: webserver, code server, daemon. Each round is a new shop; only the limits of
dagster.yaml differ. The embedded servers answer every request of the API after the same time, however many there are:
they are no limit, and what is seen is Dagster's own: the queue, the start of each run's process, this machine's cores.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml

from dev.deployment import ROOT, Deployment, deployed, private_postgres
from dev.storage import database_bytes

JOB = "export_items_and_images_custom"
BATCHES = [f"batch_{number}" for number in range(4)]
WORKERS = (1, 2, 4)
NIGHT_SECONDS = 1800
RUNS = """query($ids: [String!]) { runsOrError(filter: {runIds: $ids}) { ... on Runs { results {
  startTime endTime status } } } }"""


@dataclass(frozen=True)
class Night:
    """What was seen of one night."""

    seconds: float
    each: float
    requests: int
    bytes: int


def instance_file(workers: int) -> str:
    """deploy/dagster.yaml with so many runs at once, in one queue."""
    content = yaml.safe_load((ROOT / "deploy" / "dagster.yaml").read_text(encoding="utf-8"))
    runs: dict[str, Any] = content["concurrency"]["runs"]
    runs["max_concurrent_runs"] = workers
    for limit in runs["tag_concurrency_limits"]:
        if limit["key"] == "queue":
            limit["limit"] = workers
    return yaml.safe_dump(content)


def requests_of(deployment: Deployment) -> int:
    """Requests to both servers since they were last counted."""
    total = 0
    for url in (deployment.shop.erpnext_url, deployment.shop.medusa_url):
        total += len(requests.get(f"{url}/__sandbox__/requests", timeout=60).json())
        requests.delete(f"{url}/__sandbox__/requests", timeout=60).raise_for_status()
    return total


def night(deployment: Deployment, database: str, seconds: float) -> Night:
    """Start all batches at once and wait for the last one."""
    fault: Mapping[str, Any] = {"action": "latency", "seconds": seconds}
    deployment.break_medusa(path="^/admin", **fault)
    deployment.break_erpnext(path="^/api", **fault)
    requests_of(deployment)
    size = database_bytes(database)
    began = time.time()
    runs = [deployment.launch(JOB, batch) for batch in BATCHES]
    for run in runs:
        ended = deployment.ended(run, NIGHT_SECONDS)
        assert ended.status == "SUCCESS", ended.messages
    found = deployment.graphql(RUNS, ids=runs)["runsOrError"]["results"]
    lengths = [run["endTime"] - run["startTime"] for run in found]
    return Night(
        max(run["endTime"] for run in found) - began,
        sum(lengths) / len(lengths),
        requests_of(deployment),
        database_bytes(database) - size,
    )


def measure(workers: int, seconds: float) -> Night:
    """One night of a new shop."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        (folder / "home").mkdir()
        (folder / "dagster.yaml").write_text(instance_file(workers), encoding="utf-8")
        with (
            private_postgres(folder / "postgres") as database,
            deployed(folder / "home", folder / "dagster.yaml", True, postgres_url=database) as deployment,
        ):
            return night(deployment, database, seconds)


def main() -> None:
    """Measure each number of workers and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=0.5, help="of each request")
    seconds = parser.parse_args().seconds
    print(
        f"{'runs at once':>12}{'night s':>9}{'a run s':>9}{'faster':>8}{'requests':>10}{'MB':>7}{'load':>6}", flush=True
    )
    first = 0.0
    for workers in WORKERS:
        seen = measure(workers, seconds)
        first = first or seen.seconds
        row = f"{workers:12}{seen.seconds:9.1f}{seen.each:9.1f}{first / seen.seconds:8.2f}{seen.requests:10}"
        print(f"{row}{seen.bytes / 1e6:7.2f}{os.getloadavg()[0]:6.1f}", flush=True)


if __name__ == "__main__":
    main()
