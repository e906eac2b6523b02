"""What `follow_changes` costs while nothing changes: requests an hour, ERPNext's work per tick, runs, storage a day.

    python -m bench.idle_changes [--items 100000] [--minutes 5]

An installation on SQLite with this sensor alone, on embedded servers that keep an exported shop of so many items on
disk (exported_shop.py). It is watched for some minutes each: with the sensor off as reference, with the Server Script
that answers for all DocTypes at once, and without it. ERPNext's work is the CPU time of its process.
"""

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.exported_shop import ERP, build, served
from bench.quiet_night import seen
from dev.deployment import Deployment, deployed, wait_for
from dev.storage import storage_numbers
from erp_medusa_pipelines.clients.several_lists import LISTS_METHOD, lists_script_text
from erp_medusa_pipelines.tasks import CHANGES_SENSOR
from erp_medusa_sandbox.erpnext.store import ErpStore
from erp_medusa_sandbox.server import SandboxAddress

BATCHES = 4
INTERVAL = 30
"""Seconds; the default of CHANGES_INTERVAL."""
OFF, WITH, WITHOUT = "the sensor off", "with the Server Script", "without it"
DAY = 24 * 60
WAIT = 300


@dataclass(frozen=True)
class Idle:
    """What some minutes cost: ticks, requests to ERPNext, CPU seconds of its process, runs, bytes of storage."""

    ticks: int
    requests: int
    seconds: float
    runs: int
    stored: int


class Watch:
    """The installation, and what is counted of it."""

    def __init__(self, deployment: Deployment, erp_url: str) -> None:
        self._deployment, self._erp_url = deployment, erp_url
        (self._erp,) = (
            child for child in psutil.Process().children() if "bench.erp_process" in " ".join(child.cmdline())
        )

    def counts(self, minutes: float) -> Idle:
        """Count for some minutes."""
        home = self._deployment.home
        before, worked = storage_numbers(home, None), self._worked()
        seen(self._erp_url)
        time.sleep(minutes * 60)
        asked, after = len(seen(self._erp_url)), storage_numbers(home, None)
        return Idle(
            after["ticks"] - before["ticks"],
            asked,
            self._worked() - worked,
            after["runs"] - before["runs"],
            after["bytes"] - before["bytes"],
        )

    def _worked(self) -> float:
        times = self._erp.cpu_times()
        return times.user + times.system

    def quiet(self) -> bool:
        """Return whether the last tick found nothing."""
        ticks = self._deployment.ticks(CHANGES_SENSOR)
        return bool(ticks) and ticks[-1]["skipReason"] == "nothing changed"


def measure(folder: Path, minutes: float) -> dict[str, Idle]:
    """Watch the shop of this folder."""
    with tempfile.TemporaryDirectory() as home, served(folder, BATCHES) as shop:
        servers = SandboxAddress(
            shop["ERPNEXT_URL"], shop["ERPNEXT_API_KEY"], shop["ERPNEXT_API_SECRET"],
            shop["MEDUSA_URL"], shop["MEDUSA_API_KEY"], "", "", "", pid=0,
        )  # fmt: skip
        with deployed(Path(home), None, False, False, servers, EXPORT_BATCHES=str(BATCHES)) as deployment:
            watch = Watch(deployment, shop["ERPNEXT_URL"])
            found = {OFF: watch.counts(minutes)}
            store = ErpStore(folder / ERP)
            store.insert(
                "Server Script", name=LISTS_METHOD, script_type="API", api_method=LISTS_METHOD,
                script=lists_script_text(),
            )  # fmt: skip
            deployment.turn_on_sensor(CHANGES_SENSOR)
            wait_for("a tick that finds nothing", watch.quiet, WAIT)
            found[WITH] = watch.counts(minutes)
            store.delete("Server Script", LISTS_METHOD)
            # One tick finds out that it is gone.
            time.sleep(2 * INTERVAL)
            found[WITHOUT] = watch.counts(minutes)
            store.close()
            return found


def report(items: int, minutes: float, found: dict[str, Idle]) -> None:
    """Print a line for each."""
    print(f"{items:,} items, {minutes:g} minutes each, a tick every {INTERVAL} s, load {os.getloadavg()[0]:.1f}")
    print(f"{'':26}{'ticks':>7}{'requests':>10}{'an hour':>9}{'ERP ms a tick':>15}{'runs':>6}{'MB a day':>10}")
    for kind, one in found.items():
        ticks = max(one.ticks, 1)
        print(
            f"{kind:26}{one.ticks:7}{one.requests:10}{one.requests * 60 / minutes:9.0f}"
            f"{1000 * one.seconds / ticks if one.ticks else 0:15.1f}{one.runs:6}"
            f"{one.stored * DAY / minutes / 1e6:10.1f}"
        )
    idle = found[WITH]
    print(f"requests a tick: {idle.requests / max(idle.ticks, 1):.2f}; runs while nothing changed: {idle.runs}")


def main() -> None:
    """Make the shop, unless it is there, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder), options.items, BATCHES)
        report(options.items, options.minutes, measure(Path(folder), options.minutes))


if __name__ == "__main__":
    main()
