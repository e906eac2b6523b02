"""Figures of a running installation: how soon it is green again, and what a day adds to its storage.

    python -m bench.operations [--minutes 5] [--storage postgresql|sqlite]

Webserver, daemon (and on PostgreSQL a code server) at default settings on the embedded shop. First from a healed fault
and from the return of the power to a green batch. Then the storage is watched for some minutes each: with everything
off, as reference; with every schedule and sensor on and nothing to do; and while ERPNext refuses the key. What they
added is scaled up to a day. Last the bytes of one failed run of a minute task: one that fails for good is started 28
times a day, as its pauses double up to an hour.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from dev.deployment import Deployment, deployed, private_postgres, wait_for
from dev.mail_sink import LOOPBACK, mail_sink
from dev.sample_shop import SampleShop
from dev.storage import storage_numbers
from erp_medusa_pipelines.tasks import HOUSEKEEPING, TASKS

JOB = "export_items_and_images_custom"
BATCH = "batch_0"
CREATE = "/admin/products/batch"
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
SENSORS = ("retry_failed_partitions", "alerts")
SCHEDULES = [f"{task.name}_schedule" for task in (*TASKS, *HOUSEKEEPING)]
MINUTES_OF_DAY = 24 * 60
FAILED_RUNS = 4


class Bench:
    """One installation and the storage below it."""

    def __init__(self, deployment: Deployment, database: str | None) -> None:
        self.deployment, self.database = deployment, database
        self.shop = SampleShop(deployment.home / "sandbox")

    def until_green(self) -> float:
        """Return the seconds until the batch has its products and its stock, which is the last of its assets."""
        began = time.monotonic()
        # Stock is green before products are, where those were left over for a retry.
        for asset in ("medusa_products", "medusa_stock"):
            wait_for(f"green {asset}", lambda asset=asset: BATCH in self.deployment.partitions(asset)["green"], 900)
        return time.monotonic() - began

    def healed_to_green(self) -> float:
        """Return the seconds from the shop's recovery, right after a batch turned red, until it is green."""
        self.deployment.break_medusa(action="status", status=503, path=CREATE)
        failed = self.deployment.ended(self.deployment.launch(JOB, BATCH), 300)
        assert failed.status == "FAILURE", failed.messages
        self.deployment.heal()
        return self.until_green()

    def power_to_green(self) -> float:
        """Kill everything in the middle of an export; return the seconds from the next start until green."""
        for _ in range(40):
            self.shop.add_item()
        self.deployment.break_medusa(action="latency", seconds=600, path=CREATE)
        run_id = self.deployment.launch(JOB, BATCH)
        wait_for("an export at work", lambda: "medusa_products" in self.deployment.run(run_id).messages, 120)
        self.deployment.kill_everything()
        self.deployment.heal()
        began = time.monotonic()
        self.deployment.start_everything()
        self.deployment.ended(run_id, 300)
        return time.monotonic() - began + self.until_green()

    def growth(self, what: Callable[[], None]) -> dict[str, float]:
        """Return what the storage gains while `what` is done."""
        before = storage_numbers(self.deployment.home, self.database)
        what()
        after = storage_numbers(self.deployment.home, self.database)
        return {key: after[key] - before[key] for key in after}

    def per_day(self, minutes: float) -> dict[str, float]:
        """Return what some minutes add, scaled up to a day."""
        found = self.growth(lambda: time.sleep(minutes * 60))
        return {key: number * MINUTES_OF_DAY / minutes for key, number in found.items()}

    def wait_until_nothing_is_left_to_do(self) -> None:
        """Wait until the minute tasks have done what waits in the sample shop and their ticks are skipped."""

        def idle() -> bool:
            minute = [self.deployment.instigator(f"{task.name}_schedule")["ticks"] for task in TASKS if task.gate]
            return all(ticks and ticks[0]["status"] == ticks[-1]["status"] == "SKIPPED" for ticks in minute)

        wait_for("ticks with nothing to do", idle, 900)

    def failing_runs(self) -> None:
        """Start some runs of a minute task, each refused for good."""
        self.deployment.break_erpnext(action="status", status=403, json={"exc_type": "PermissionError"})
        for _ in range(FAILED_RUNS):
            self.deployment.ended(self.deployment.launch("expire_otps"), 120)
        self.deployment.heal()

    def turn_on_sensors(self) -> None:
        for sensor in SENSORS:
            self.deployment.turn_on_sensor(sensor)

    def turn_off_sensors(self) -> None:
        for sensor in SENSORS:
            self.deployment.turn_off_sensor(sensor)
        runs = self.deployment.runs
        wait_for("the end of all runs", lambda: all(run["status"] in ENDED for run in runs()), 300)


def measure(bench: Bench, minutes: float) -> None:
    """Measure all of it and print each figure as it comes."""
    bench.turn_on_sensors()
    print(f"healed fault to green batch: {bench.healed_to_green():.0f} s (load {os.getloadavg()[0]:.1f})", flush=True)
    print(f"power back to green batch: {bench.power_to_green():.0f} s (load {os.getloadavg()[0]:.1f})", flush=True)
    bench.turn_off_sensors()
    days = {"everything off": bench.per_day(minutes)}
    bench.turn_on_sensors()
    for schedule in SCHEDULES:
        bench.deployment.turn_on_schedule(schedule)
    bench.wait_until_nothing_is_left_to_do()
    days["all schedules and sensors on, nothing to do"] = bench.per_day(minutes)
    bench.deployment.break_erpnext(action="status", status=401, json={"exc_type": "AuthenticationError"})
    time.sleep(120)
    days["the same while ERPNext refuses the key"] = bench.per_day(minutes)
    bench.deployment.heal()
    print(f"\na day, from {minutes:g} minutes each{'':16}{'MB':>8}{'events':>9}{'ticks':>9}{'runs':>7}")
    for name, day in days.items():
        print(f"{name:43}{day['bytes'] / 1e6:8.1f}{day['events']:9.0f}{day['ticks']:9.0f}{day['runs']:7.0f}")
    for schedule in SCHEDULES:
        bench.deployment.turn_off_schedule(schedule)
    failed = bench.growth(bench.failing_runs)["bytes"] / FAILED_RUNS
    print(f"\none failed run of a minute task: {failed / 1e3:.0f} kB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--storage", choices=("postgresql", "sqlite"), default="postgresql")
    options = parser.parse_args()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        mails = stack.enter_context(mail_sink())
        on_postgres = options.storage == "postgresql"
        url = stack.enter_context(private_postgres(home / "postgres")) if on_postgres else None
        deployment = stack.enter_context(deployed(home, postgres_url=url))
        deployment.send_mail_to(LOOPBACK, mails.port)
        measure(Bench(deployment, url), options.minutes)


if __name__ == "__main__":
    main()
