"""How long a tick of the sensors takes where every batch of the export has failed, beside a shop of four batches.

    python -m bench.sensors [--batches 256] [--reference FOLDER] [--keep FOLDER]

An instance on SQLite with the project's dagster.yaml, in which the export of each batch was killed once. Each tick is
evaluated as the daemon does, on a copy of it and in a process of its own: the first knows nothing, as after a start of
the code server, the second is what happens every half minute. The failed runs are due, so the first sensor asks for a
run per batch, and the second finds as many problems, for a receiver that does not answer. `--reference` names another
checkout, whose code then takes its turn on copies of the same instance. Making it takes minutes: `--keep` names a
folder for it, which the next measurement uses again. Dagster gives a tick up after 60 seconds.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dagster as dg

ROOT = Path(__file__).resolve().parents[1]
EXPORT = "export_items_and_images_custom"
SENSORS = ("retry_failed_partitions", "alerts")
FEW = 4
NOBODY = "http://127.0.0.1:9"
ENVIRONMENT = {
    "ERPNEXT_URL": NOBODY,
    "ERPNEXT_API_KEY": "key",  # pragma: allowlist secret
    "ERPNEXT_API_SECRET": "secret",  # pragma: allowlist secret
    "MEDUSA_URL": NOBODY,
    "MEDUSA_API_KEY": "key",  # pragma: allowlist secret
    "MEDUSA_SALES_CHANNEL_ID": "sc_1",
    "MEDUSA_STOCK_LOCATION_ID": "sloc_1",
    "ALERT_URLS": "json://127.0.0.1:9/",
    "RETRY_DELAY_SECONDS": "1",
}
STEPS = ("make", "ticks")


# --- in a process of its own, by the code of one checkout ---------------------------------------------------------


def inside() -> None:
    """Do what the command line says: make an instance, or evaluate ticks on one."""
    what, home, rest = sys.argv[1:]
    make(Path(home), int(rest)) if what == "make" else ticks(Path(home), rest)


def make(home: Path, batches: int) -> None:
    """Record a failed run of the export for each batch."""
    from erp_medusa_pipelines.definitions import build_defs

    with dg.DagsterInstance.from_config(str(home)) as instance:
        job = build_defs().get_repository_def().get_job(EXPORT)
        for number in range(batches):
            tags = {**job.tags, "dagster/partition": f"batch_{number}"}
            run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
            instance.report_run_failed(run, "the process is gone")


def ticks(home: Path, name: str) -> None:
    """Evaluate two ticks in a row; print the seconds and CPU seconds of each, and the runs that it asked for."""
    from erp_medusa_pipelines.definitions import build_defs

    repository = build_defs().get_repository_def()
    found, cursor = [], None
    for _ in range(2):
        with dg.DagsterInstance.from_config(str(home)) as instance:
            began, used = time.monotonic(), time.process_time()
            with dg.build_sensor_context(instance=instance, repository_def=repository, cursor=cursor) as context:
                data = repository.get_sensor_def(name).evaluate_tick(context)
            numbers = time.monotonic() - began, time.process_time() - used, len(data.run_requests or [])
        found.append(numbers)
        cursor = data.cursor
    print(json.dumps(found), flush=True)
    # Deliveries that outlive their tick are no part of it.
    os._exit(0)


# --- the measurement ----------------------------------------------------------------------------------------------


def in_process(code: Path, batches: int, *arguments: str) -> Any:
    """Run this module with the package of a checkout; returns what it prints."""
    environment = {**os.environ, **ENVIRONMENT, "EXPORT_BATCHES": str(batches), "PYTHONPATH": str(code)}
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, check=True, env=environment, cwd=code, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout or "null")


def made(home: Path, batches: int) -> Path:
    """Return the folder of an instance with that many failed batches; one that is there is used again."""
    if not (home / "dagster.yaml").exists():
        home.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "dagster.yaml", home)
        in_process(ROOT, batches, "make", str(home), str(batches))
    return home


def measure(name: str, code: Path, home: Path, batches: int) -> None:
    """Measure both sensors on copies of an instance and print a line for each."""
    for sensor in SENSORS:
        with tempfile.TemporaryDirectory() as folder:
            copy = shutil.copytree(home, Path(folder) / "home")
            (first, first_cpu, runs), (second, second_cpu, _) = in_process(code, batches, "ticks", str(copy), sensor)
        row = f"{name:12}{batches:8}  {sensor:26}{first:8.1f}{first_cpu:8.1f}{second:8.1f}{second_cpu:8.1f}{runs:7}"
        print(f"{row}   load {os.getloadavg()[0]:.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=256)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        homes = {number: made(folder / str(number), number) for number in (FEW, options.batches)}
        print(f"{'code':12}{'batches':>8}  {'sensor':26}{'first s':>8}{'CPU':>8}{'next s':>8}{'CPU':>8}{'runs':>7}")
        codes = {"this": ROOT} | ({"reference": options.reference.resolve()} if options.reference else {})
        for batches, home in homes.items():
            for name, code in codes.items():
                measure(name, code, home, batches)


if __name__ == "__main__":
    inside() if sys.argv[1:] and sys.argv[1] in STEPS else main()
