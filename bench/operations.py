"""Figures of a running installation: from a healed fault to a green batch, and what a quiet day adds to the storage.

Webserver, code server and daemon on a private PostgreSQL, default settings, the embedded shop. The storage is watched
for some minutes with every schedule and sensor on and nothing to do, and what they added is scaled up to a day;
before that the same minutes with everything off, as reference. Run: python -m bench.operations [minutes]
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import psycopg2
import requests

from dev.deployment import Deployment, deployed, private_postgres, wait_for
from dev.mail_sink import LOOPBACK, mail_sink
from erp_medusa_pipelines.tasks import HOUSEKEEPING, TASKS

JOB = "export_items_and_images_custom"
BATCH = "batch_0"
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
MINUTES_OF_DAY = 24 * 60
BYTES = "select coalesce(sum(pg_total_relation_size(oid)), 0) from pg_class where relkind = 'r' and relnamespace = 2200"
ROWS = "select count(*), (select count(*) from job_ticks), (select count(*) from runs) from event_logs"


def numbers(url: str) -> tuple[int, int, int, int]:
    """Bytes of all tables with their indexes, events, ticks, runs."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(BYTES)
        size = cursor.fetchone()
        cursor.execute(ROWS)
        rows = cursor.fetchone()
    assert size
    assert rows
    return int(size[0]), *rows


def growth(url: str, minutes: float) -> tuple[float, ...]:
    """Return what `minutes` add, scaled up to a day."""
    before = numbers(url)
    time.sleep(minutes * 60)
    return tuple((after - then) * MINUTES_OF_DAY / minutes for then, after in zip(before, numbers(url), strict=True))


def wait_until_nothing_is_left_to_do(deployment: Deployment) -> None:
    """The minute tasks send and expire what the sample shop has waiting; afterwards their ticks are skipped."""

    def idle() -> bool:
        minute = [deployment.instigator(f"{task.name}_schedule")["ticks"] for task in TASKS if task.gate]
        return all(ticks and ticks[0]["status"] == ticks[-1]["status"] == "SKIPPED" for ticks in minute)

    wait_for("ticks with nothing to do", idle, 900)


def healed_to_green(deployment: Deployment) -> float:
    """Return the seconds from the shop's recovery, right after a batch failed, until the sensor has it green again."""
    deployment.break_medusa(action="status", status=503, path="/admin/products/batch")
    deployment.ended(deployment.launch(JOB, BATCH), 300)
    wait_for("red", lambda: BATCH in deployment.partitions("medusa_products")["red"])
    deployment.heal()
    began = time.monotonic()
    wait_for("green", lambda: BATCH in deployment.partitions("medusa_products")["green"], 600)
    return time.monotonic() - began


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        with (
            mail_sink() as mails,
            private_postgres(home / "postgres") as url,
            deployed(home, postgres_url=url) as deployment,
        ):
            for sensor in ("retry_failed_partitions", "alerts"):
                deployment.turn_on_sensor(sensor)
            print(f"healed fault to green batch: {healed_to_green(deployment):.0f} s (load {os.getloadavg()[0]:.1f})")
            for sensor in ("retry_failed_partitions", "alerts"):
                deployment.turn_off_sensor(sensor)
            # The batch is green before its run has done the assets behind it.
            wait_for("the end of all runs", lambda: all(run["status"] in ENDED for run in deployment.runs()), 300)
            off = growth(url, minutes)
            site = {"smtp_host": LOOPBACK, "smtp_port": mails.port}
            requests.post(f"{deployment.shop.erpnext_url}/__sandbox__/site", json=site, timeout=10).raise_for_status()
            for sensor in ("retry_failed_partitions", "alerts"):
                deployment.turn_on_sensor(sensor)
            for task in (*TASKS, *HOUSEKEEPING):
                deployment.turn_on_schedule(f"{task.name}_schedule")
            wait_until_nothing_is_left_to_do(deployment)
            on = growth(url, minutes)
    print(f"\na quiet day, from {minutes:g} minutes each{'':9}{'MB':>8}{'events':>9}{'ticks':>9}{'runs':>7}")
    for name, (size, events, ticks, runs) in (("everything off", off), ("all schedules and sensors on", on)):
        print(f"{name:43}{size / 1e6:8.1f}{events:9.0f}{ticks:9.0f}{runs:7.0f}")


if __name__ == "__main__":
    main()
