"""How much memory the run process of the export takes, and that it does not grow with the catalogue.

    python -m bench.export_memory [--items 2000 10000 20000] [--real]

Each size is one run of the whole job in a process of its own, as Dagster starts it (run_process.py): recorded in an
instance on disk, one batch for the entire catalogue, every tenth item with pictures. Both servers are embedded ones in
other processes; with `--real` Medusa is the real one, emptied before each size.

"loaded" is the process before the run begins: Python, Dagster and the definitions. The reference is the smallest size.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.erp_process import erp_process
from bench.export import medusa_address
from bench.medusa_process import medusa_process

JOB = "export_items_and_images_custom"
ALLOWED_MB = 250
INSTANCE = Path(__file__).parents[1] / "dagster.yaml"


@contextmanager
def medusa(real: bool) -> Iterator[dict[str, str]]:
    """The settings of an empty Medusa."""
    if real:
        yield medusa_address()
    else:
        with medusa_process() as address:
            yield address


def measure(items: int, *, real: bool) -> dict[str, Any]:
    """Figures of one run over `items` Website Items."""
    with (
        medusa(real) as address,
        erp_process(items=items, images=items // 10) as erp,
        tempfile.TemporaryDirectory() as home,
    ):
        (Path(home) / INSTANCE.name).write_text(INSTANCE.read_text())
        environment = {
            **os.environ,
            "DAGSTER_HOME": home,
            "ERPNEXT_URL": erp.url,
            "ERPNEXT_API_KEY": erp.key,
            "ERPNEXT_API_SECRET": erp.secret,
            **{name: address[name] for name in ("MEDUSA_URL", "MEDUSA_API_KEY")},
            "EXPORT_BATCHES": "1",
        }
        command = [sys.executable, "-m", "bench.run_process", JOB, "batch_0"]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"the run of {items} items failed:\n{run.stderr[-4000:]}")
    return json.loads(run.stdout.splitlines()[-1])


def main() -> None:
    """Measure each size and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, nargs="+", default=[2_000, 10_000, 20_000])
    parser.add_argument("--real", action="store_true", help="against the real Medusa, emptied before each size")
    options = parser.parse_args()
    print(f"{'items':>8}{'products':>10}{'images':>8}{'loaded MB':>11}{'peak MB':>9}{'run adds MB':>13}", flush=True)
    peaks = []
    for items in options.items:
        figures = measure(items, real=options.real)
        loaded, peak = figures["loaded"], figures["peak"]
        peaks.append(peak)
        products, images = figures["written"]["medusa_products"], figures["written"]["medusa_images"]
        print(f"{items:8}{products:10}{images:8}{loaded:11.0f}{peak:9.0f}{peak - loaded:13.0f}", flush=True)
    print(f"allowed: {ALLOWED_MB} MB; largest / smallest size: {peaks[-1] / peaks[0]:.2f}")
    if max(peaks) > ALLOWED_MB:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
