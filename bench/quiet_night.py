"""What a night costs in which nothing has changed: requests and seconds of each task, beside another checkout's.

    python -m bench.quiet_night [--items 2000] [--nights 3] [--reference FOLDER]

Both servers are the embedded ones of this checkout, each in a process of its own, new for each code that is measured.
The first two nights are not counted: the first creates everything, the second may still mend. `--reference` names
another checkout, whose package then does the same work. Only the tasks' own requests and seconds count: a night's runs
follow each other in one process, which has loaded everything before.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import requests

from bench.erp_process import erp_process
from bench.medusa_process import medusa_process

ROOT = Path(__file__).resolve().parents[1]
BATCHES = 4
TASKS = ("export_items_and_images_custom", "sync_missing_prices_to_medusa", "update_webitem_stock")
NIGHT = "night"


@dataclass(frozen=True)
class Cost:
    """Requests to both servers, those of them that change something there, and seconds."""

    requests: int
    writes: int
    seconds: float


# --- in a process of its own, by the code of one checkout ---------------------------------------------------------


def inside() -> None:
    """Run every task for every batch, each time that a line comes in; print the seconds of each task."""
    import dagster as dg

    from erp_medusa_pipelines.definitions import defs

    jobs = {task: defs.resolve_job_def(task) for task in TASKS}
    with dg.DagsterInstance.get() as instance:
        for line in sys.stdin:
            task = line.strip()
            began = time.monotonic()
            for number in range(BATCHES):
                jobs[task].execute_in_process(partition_key=f"batch_{number}", instance=instance)
            print(json.dumps(time.monotonic() - began), flush=True)


# --- the measurement ----------------------------------------------------------------------------------------------


def seen(url: str) -> list[dict[str, str]]:
    """Requests to a server since this was last asked."""
    found = requests.get(f"{url}/__sandbox__/requests", timeout=60).json()
    requests.delete(f"{url}/__sandbox__/requests", timeout=60).raise_for_status()
    return found


def nights(code: Path, items: int, count: int) -> list[dict[str, Cost]]:
    """Run a shop's nights by the code of a checkout. Returns what each task of each quiet one cost."""
    with erp_process(items=items) as erp, medusa_process() as medusa, tempfile.TemporaryDirectory() as home:
        environment = {
            **os.environ,
            **medusa,
            "ERPNEXT_URL": erp.url,
            "ERPNEXT_API_KEY": erp.key,
            "ERPNEXT_API_SECRET": erp.secret,
            "EXPORT_BATCHES": str(BATCHES),
            "PYTHONPATH": str(code),
            "DAGSTER_HOME": home,
        }
        (Path(home) / "dagster.yaml").write_text((code / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
        command = [sys.executable, __file__, NIGHT]
        with subprocess.Popen(
            command, env=environment, cwd=code, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            assert process.stdin
            assert process.stdout
            found = []
            for _ in range(2 + count):
                night = {}
                for task in TASKS:
                    process.stdin.write(f"{task}\n")
                    process.stdin.flush()
                    seconds = json.loads(process.stdout.readline())
                    asked = [one for url in (erp.url, medusa["MEDUSA_URL"]) for one in seen(url)]
                    writes = sum(1 for one in asked if one["method"] != "GET" and "get_list" not in one["path"])
                    night[task] = Cost(len(asked), writes, seconds)
                found.append(night)
            process.stdin.close()
    return found[2:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument("--nights", type=int, default=3)
    parser.add_argument("--reference", type=Path)
    options = parser.parse_args()
    codes = {"this": ROOT} | ({"reference": options.reference.resolve()} if options.reference else {})
    print(f"{options.items:,} items, {BATCHES} batches, {options.nights} quiet nights")
    print(f"{'code':12}{'task':34}{'requests':>9}{'writes':>8}{'seconds':>9}  (min-max)")
    for name, code in codes.items():
        found = nights(code, options.items, options.nights)
        for task in TASKS:
            costs = [night[task] for night in found]
            seconds = [cost.seconds for cost in costs]
            print(
                f"{name:12}{task:34}{costs[-1].requests:9}{costs[-1].writes:8}{statistics.median(seconds):9.2f}"
                f"  ({min(seconds):.2f}-{max(seconds):.2f})   load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
        last = found[-1].values()
        each = sum(cost.requests for cost in last) / (options.items / 500)
        print(f"{name}: requests per 500 items: {each:.2f}; writes of a night: {sum(cost.writes for cost in last)}")


if __name__ == "__main__":
    inside() if sys.argv[1:] == [NIGHT] else main()
