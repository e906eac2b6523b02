"""`make soak`: webserver, code server and daemon with every schedule on, and trouble all the time.

    python -m dev.soak [--minutes 30] [--seed N] [--storage postgresql|sqlite] [--keep FOLDER]

The tasks of every minute have their own cron lines, the nightly ones tick every five minutes; all other settings are
the defaults. Faults, kills and new work go on for two thirds of the time, the last third is quiet. Then the schedules
are turned off, and when no run is left the installation and both servers are asked what they hold. Ends with 1 when
anything is not as it should be. Not part of CI.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import requests

from dev.deployment import Deployment, deployed, private_postgres
from dev.mail_sink import LOOPBACK, mail_sink
from dev.soak.handles import Handles
from dev.soak.plan import QUIET_SHARE, plan
from dev.soak.shop import Shop
from dev.soak.standing import active_runs, red_batches, standing
from dev.soak.trouble import Troublemaker
from dev.soak.verdict import alerts_out_of_order, shortcomings
from dev.storage import storage_numbers
from dev.webhook import Webhook, webhook
from erp_medusa_pipelines.tasks import HOUSEKEEPING, TASKS

ALL = (*TASKS, *HOUSEKEEPING)
SENSORS = ("retry_failed_partitions", "alerts")
CRON = {task.name: task.cron if task.gate else "*/5 * * * *" for task in ALL}
PATIENCE_SECONDS = 1800.0
"""For the retries of what is red when the schedules are turned off: the last delays are long."""


class Soak:
    """One soak on one installation."""

    def __init__(self, deployment: Deployment, shop: Shop, alerts: Webhook, database: str | None) -> None:
        self.deployment, self.shop, self.alerts, self.database = deployment, shop, alerts, database
        self.handles = Handles()
        self.began = time.monotonic()

    def go(self, seed: int, minutes: float) -> list[str]:
        """Turn everything on, make trouble, wait until all is quiet; returns what is wrong in the end."""
        deployment, seconds = self.deployment, minutes * 60
        for sensor in SENSORS:
            deployment.turn_on_sensor(sensor)
        for task in ALL:
            deployment.turn_on_schedule(f"{task.name}_schedule")
        before = storage_numbers(deployment.home, self.database)
        maker = Troublemaker(deployment, seed, self.say)
        maker.carry_out(plan(seed, minutes), self._each_minute, seconds * (1 - QUIET_SHARE))
        self.say("from now on nothing goes wrong")
        quiet_from = time.monotonic()
        self._until("everything is green again", self._is_green, seconds * QUIET_SHARE)
        time.sleep(max(0.0, quiet_from + seconds * QUIET_SHARE - time.monotonic()))
        for task in ALL:
            deployment.turn_off_schedule(f"{task.name}_schedule")
        self._until("no run is left", lambda: not active_runs(deployment) and self._is_green(), PATIENCE_SECONDS)
        self._until("everybody was told", lambda: not alerts_out_of_order(self.alerts.titles), 180)
        self.handles.look(deployment)
        self._report(before, storage_numbers(deployment.home, self.database), maker.killed_runs)
        return shortcomings(self.shop.holdings(), standing(deployment, self.alerts.titles))

    def say(self, text: str) -> None:
        """A line with the time."""
        print(f"[{time.monotonic() - self.began:5.0f} s] {text}", flush=True)

    def _each_minute(self) -> None:
        self.shop.add_work()
        self.handles.look(self.deployment)

    def _is_green(self) -> bool:
        return not red_batches(self.deployment) and self.shop.nothing_waits()

    def _until(self, what: str, look: Callable[[], bool], seconds: float) -> None:
        """Wait for it and say when it was so. In vain is no error: the verdict says what is wrong."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            try:
                if look():
                    self.say(f"{what} (after {time.monotonic() - began:.0f} s)")
                    return
            except (requests.ConnectionError, AssertionError, KeyError):
                # A process that was started again is not up yet, or has not loaded the code.
                pass
            time.sleep(3)
        self.say(f"in vain for {seconds:.0f} s: {what}")

    def _report(self, before: dict[str, int], after: dict[str, int], killed_runs: int) -> None:
        grown = {key: after[key] - before[key] for key in after}
        runs = Counter(run["status"] for run in self.deployment.runs(limit=5000))
        print(f"\nruns: {dict(runs)}; {killed_runs} of them killed by themselves")
        print(f"alerts: {len(self.alerts.received)} messages, {len(set(self.alerts.titles))} different titles")
        print(f"storage: {grown['bytes'] / 1e6:.1f} MB, {grown['events']} events, {grown['ticks']} ticks")
        print("open files:", *self.handles.lines(), sep="\n")


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))  # noqa: S311 - no secret
    parser.add_argument("--storage", choices=("postgresql", "sqlite"), default="postgresql")
    parser.add_argument("--keep", type=Path, help="an empty folder for the installation; kept, to look into")
    options = parser.parse_args()
    print(f"soak of {options.minutes:g} minutes on {options.storage}, seed {options.seed},", end=" ")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    with ExitStack() as stack:
        home = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        home.mkdir(parents=True, exist_ok=True)
        mails, alerts = stack.enter_context(mail_sink()), stack.enter_context(webhook())
        on_postgres = options.storage == "postgresql"
        url = stack.enter_context(private_postgres(home / "postgres")) if on_postgres else None
        settings = {"SCHEDULES": json.dumps(CRON), "ALERT_URLS": alerts.url}
        deployment = stack.enter_context(deployed(home, postgres_url=url, **settings))
        deployment.send_mail_to(LOOPBACK, mails.port)
        wrong = Soak(deployment, Shop(deployment, mails), alerts, url).go(options.seed, options.minutes)
    print("\nEverything is as it should be." if not wrong else "\nWRONG:", *wrong, sep="\n  ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
