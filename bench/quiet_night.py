"""What a night costs in which nothing has changed: requests, rows and seconds of each task, beside another checkout's.

    python -m bench.quiet_night [--items 2000] [--batches 4] [--nights 3] [--reference FOLDER]

Both servers are the embedded ones of this checkout, each in a process of its own, new for each code that is measured.
The first two nights are not counted: the first creates everything, the second may still mend. `--reference` names
another checkout, whose package then does the same work. Only the tasks' own requests and seconds count: a night's runs
follow each other in one process, which has loaded everything before. Those that are due at one time are of one tick.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import requests

from bench.erp_process import erp_process
from bench.medusa_process import medusa_process
from erp_medusa_pipelines.tasks import task_named

ROOT = Path(__file__).resolve().parents[1]
BATCHES = 4
CATALOGUE = "Website Item"
TASKS = ("export_items_and_images_custom", "sync_missing_prices_to_medusa", "update_webitem_stock")
NIGHT = "night"
SCHEDULED_EXECUTION_TIME_TAG = ".dagster/scheduled_execution_time"
"""How Dagster marks the runs of one tick."""


@dataclass(frozen=True)
class Cost:
    """Requests to both servers, those of them that change something there, rows in their answers, and seconds.

    `catalogue` are the rows that are Website Items; `memory` is the most that the process has used, in MB.
    """

    requests: int
    writes: int
    rows: int
    catalogue: int
    seconds: float
    memory: int


# --- in a process of its own, by the code of one checkout ---------------------------------------------------------


def inside() -> None:
    """Run a task for every batch, each time that a line names it and its tick; print what it took."""
    import dagster as dg

    from bench.run_process import memory_mb
    from erp_medusa_pipelines.definitions import defs
    from erp_medusa_pipelines.settings import load_settings

    batches = load_settings().export_batches
    jobs = {task: defs.resolve_job_def(task) for task in TASKS}
    rows = _count_rows()
    with dg.DagsterInstance.get() as instance:
        for line in sys.stdin:
            task, _, tick = line.strip().partition(" ")
            rows.clear()
            began = time.monotonic()
            for number in range(batches):
                jobs[task].execute_in_process(
                    partition_key=f"batch_{number}", instance=instance, tags={SCHEDULED_EXECUTION_TIME_TAG: tick}
                )
            seconds = time.monotonic() - began
            # Not ru_maxrss: a process has that of the one that started it.
            print(json.dumps([sum(rows.values()), rows[CATALOGUE], seconds, round(memory_mb("VmHWM"))]), flush=True)


def _count_rows() -> Counter[str]:
    """Count the rows in every list that comes back, by DocType or Medusa's word."""
    from erp_medusa_pipelines.clients.http import HttpClient

    rows: Counter[str] = Counter()
    send: Callable[..., Any] = HttpClient._answer

    def sent(self: HttpClient, method: str, path: str, where: str, options: dict[str, Any], parse: bool) -> Any:
        answer = send(self, method, path, where, options, parse)
        doctype = (options["json"] or {}).get("doctype") if method == "POST" else unquote(path.rpartition("/")[2])
        for key, value in answer.items() if isinstance(answer, dict) else ():
            if isinstance(value, list):
                rows[doctype if key in ("data", "message") and doctype else key] += len(value)
        return answer

    HttpClient._answer = sent
    return rows


# --- the measurement ----------------------------------------------------------------------------------------------


def seen(url: str) -> list[dict[str, str]]:
    """Requests to a server since this was last asked."""
    found = requests.get(f"{url}/__sandbox__/requests", timeout=60).json()
    requests.delete(f"{url}/__sandbox__/requests", timeout=60).raise_for_status()
    return found


def nights(code: Path, items: int, batches: int, count: int, variants: int = 0) -> list[dict[str, Cost]]:
    """Run a shop's nights by the code of a checkout. Returns what each task of each quiet one cost.

    With `variants` each template among the items is followed by so many variants, and they are one product.
    """
    with erp_process(items=items, variants=variants) as erp, medusa_process() as medusa:
        environment = {
            **medusa,
            "ERPNEXT_URL": erp.url,
            "ERPNEXT_API_KEY": erp.key,
            "ERPNEXT_API_SECRET": erp.secret,
            "EXPORT_BATCHES": str(batches),
            "VARIANTS": "options" if variants else "products",
        }
        return nights_of(code, environment, 2 + count)[2:]


def nights_of(
    code: Path, shop: Mapping[str, str], count: int, before: Callable[[int], object] = lambda _night: None
) -> list[dict[str, Cost]]:
    """Run so many nights of the shop that these settings name, and `before` each. Returns what each task cost."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, **shop, "PYTHONPATH": str(code), "DAGSTER_HOME": home}
        (Path(home) / "dagster.yaml").write_text((code / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
        command = [sys.executable, __file__, NIGHT]
        with subprocess.Popen(
            command, env=environment, cwd=code, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            assert process.stdin
            assert process.stdout
            found = []
            for night_number in range(count):
                before(night_number)
                night = {}
                for task in TASKS:
                    # Those of one time are of one tick, as their schedules start them.
                    process.stdin.write(f"{task} {night_number} {task_named(task).cron}\n")
                    process.stdin.flush()
                    rows, catalogue, seconds, memory = json.loads(process.stdout.readline())
                    asked = [one for url in (shop["ERPNEXT_URL"], shop["MEDUSA_URL"]) for one in seen(url)]
                    writes = sum(1 for one in asked if one["method"] != "GET" and "get_list" not in one["path"])
                    night[task] = Cost(len(asked), writes, rows, catalogue, seconds, memory)
                found.append(night)
            process.stdin.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument("--batches", type=int, default=BATCHES)
    parser.add_argument("--nights", type=int, default=3)
    parser.add_argument("--reference", type=Path)
    options = parser.parse_args()
    codes = {"this": ROOT} | ({"reference": options.reference.resolve()} if options.reference else {})
    print(f"{options.items:,} items, {options.batches} batches, {options.nights} quiet nights")
    print(f"{'code':12}{'task':34}{'requests':>9}{'writes':>8}{'rows':>10}{'MB':>6}{'seconds':>9}  (min-max)")
    for name, code in codes.items():
        found = nights(code, options.items, options.batches, options.nights)
        for task in TASKS:
            costs = [night[task] for night in found]
            seconds, last = [cost.seconds for cost in costs], costs[-1]
            print(
                f"{name:12}{task:34}{last.requests:9}{last.writes:8}{last.rows:10}{last.memory:6}"
                f"{statistics.median(seconds):9.2f}  ({min(seconds):.2f}-{max(seconds):.2f})"
                f"   load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
        last = found[-1].values()
        each = sum(cost.requests for cost in last) / (options.items / 500)
        listed = sum(cost.catalogue for cost in last) / options.items
        print(f"{name}: requests per 500 items: {each:.2f}; writes of a night: {sum(cost.writes for cost in last)}")
        print(
            f"{name}: Website Items read per Website Item: {listed:.2f}; most memory: {found[-1][TASKS[-1]].memory} MB"
        )


if __name__ == "__main__":
    inside() if sys.argv[1:] == [NIGHT] else main()
