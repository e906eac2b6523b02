"""What the two tasks of every minute cost: idle, with a thousand expired passwords, with fifty waiting mails.

    python -m bench.minute [--minutes 10] [--ticks 5] [--only idle otps mails]

The daemon, its code server and the runs are the real processes with the instance file of one machine; ERPNext is the
embedded one in a process of its own. Each figure has its reference from the same run: idle beside a daemon whose
schedules are off; passwords beside one save per row, as the Frappe job does it; mails beside one call after the other.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import psutil
import requests
from pydantic import SecretStr

from dev.mail_sink import MailSink, mail_sink
from erp_medusa_pipelines.connections import Shop, open_shop
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.sync.engine.quarantine import Quarantine
from erp_medusa_pipelines.sync.engine.report import SyncReport
from erp_medusa_pipelines.sync.minute.otps import OtpExpiry
from erp_medusa_sandbox import server
from erp_medusa_sandbox.erpnext.store import ErpStore

ROOT = Path(__file__).parents[1]
SCHEDULES = ("send_quotation_emails_schedule", "expire_otps_schedule")
ZONE = ZoneInfo("Asia/Muscat")
SAVED_ONE_BY_ONE = 200
MAILS = 50


class Site:
    """The embedded ERPNext in its process, and direct access to its database."""

    def __init__(self, directory: Path) -> None:
        self.address = server.ensure_running(directory / "sandbox", idle_seconds=86_400)
        self.store = ErpStore(directory / "sandbox" / "erpnext.sqlite")
        # The sample shop brings mails and passwords of its own; here only what is measured waits.
        for doctype in ("Email Queue", "Email Queue Recipient", "Email OTP"):
            self.store.execute(f'DELETE FROM "tab{doctype}"')  # noqa: S608 - names from the line above

    def settings(self) -> Settings:
        address = self.address
        return Settings(
            _env_file=None,  # pyright: ignore[reportCallIssue]
            erpnext_url=address.erpnext_url,
            erpnext_api_key=SecretStr(address.erpnext_api_key),
            erpnext_api_secret=SecretStr(address.erpnext_api_secret),
            medusa_url=address.medusa_url,
            medusa_api_key=SecretStr(address.medusa_api_key),
        )

    def control(self, method: str, route: str, **body: Any) -> Any:
        """The sandbox's own routes: the log of requests, the site's switches."""
        url = f"{self.address.erpnext_url}/__sandbox__/{route}"
        return requests.request(method, url, json=body or None, timeout=30).json()

    def requests_seen(self) -> int:
        return len(self.control("GET", "requests"))

    def add_passwords(self, count: int) -> None:
        over = (datetime.now(ZONE) - timedelta(minutes=1)).strftime("%Y-%m-%d %H:%M:%S.%f")
        self.store.execute('DELETE FROM "tabEmail OTP"')
        columns = ("name", "email", "otp", "status", "expiration_time", "creation", "modified")
        rows = [(f"otp{n:06}", f"{n}@example.com", 100_000, "Pending", over, over, over) for n in range(count)]
        self.store.bulk_insert("Email OTP", columns, rows)

    def add_mails(self, count: int, salt: str) -> None:
        now = datetime.now(ZONE).strftime("%Y-%m-%d %H:%M:%S.%f")
        with self.store.transaction():
            for number in range(count):
                name = f"{salt}-{number:04}"
                self.store.insert(
                    "Email Queue",
                    name=name,
                    status="Not Sent",
                    reference_doctype="Quotation",
                    priority=1,
                    retry=0,
                    creation=now,
                    sender="erp@sandbox.example",
                    message=f"Subject: {name}\n\nDear customer",
                    recipients=[{"recipient": f"{name}@example.com", "status": "Not Sent"}],
                )


class Daemon:
    """A separate Dagster home with the processes of a production: a long-running code server and the dagster-daemon.

    Without it the daemon would start a new code server every minute.
    """

    def __init__(self, home: Path, site: Site) -> None:
        self.home = home
        shutil.copy(ROOT / "dagster.yaml", home / "dagster.yaml")
        self.environment = {**os.environ, **site.address.environment(), "DAGSTER_HOME": str(home)}
        self.bin = Path(sys.executable).parent
        self.port = free_port()
        self.workspace = home / "workspace.yaml"
        listens = {"host": server.LOOPBACK, "port": self.port, "location_name": "erp_medusa_pipelines"}
        self.workspace.write_text(json.dumps({"load_from": [{"grpc_server": listens}]}))  # JSON is YAML

    @contextmanager
    def running(self) -> Iterator[list[psutil.Process]]:
        code = ["dagster", "api", "grpc", "-m", "erp_medusa_pipelines.definitions"]
        code += ["--host", server.LOOPBACK, "--port", str(self.port)]
        daemon = ["dagster-daemon", "run", "-w", str(self.workspace)]
        started = [self._start(command) for command in (code, daemon)]
        try:
            self._until_it_beats()
            yield [psutil.Process(process.pid) for process in started]
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait(30)

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.home / "daemon.log").open("ab") as log:
            name, *arguments = command
            return subprocess.Popen(
                [str(self.bin / name), *arguments], env=self.environment, cwd=self.home, stdout=log, stderr=log
            )

    def schedules(self, command: str) -> None:
        """`start` or `stop` both."""
        for name in SCHEDULES:
            subprocess.run(
                [str(self.bin / "dagster"), "schedule", command, name, "-w", str(self.workspace)],
                env=self.environment,
                cwd=self.home,
                check=True,
                capture_output=True,
            )

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            yield instance

    def storage_bytes(self) -> int:
        """Return the bytes that the instance has written, apart from its own log."""
        kept = (path for path in self.home.rglob("*") if path.is_file() and path.name != "daemon.log")
        return sum(path.stat().st_size for path in kept)

    def _until_it_beats(self) -> None:
        with self.instance() as instance:
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline:
                beats = instance.get_daemon_heartbeats()
                if "SCHEDULER" in beats and "QUEUED_RUN_COORDINATOR" in beats:
                    return
                time.sleep(1)
        raise RuntimeError(f"the daemon does not start; see {self.home / 'daemon.log'}")


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """Return the CPU seconds of the processes, their children, and their children that have ended."""
    total = 0.0
    for process in processes:
        ended = process.cpu_times()
        total += ended.children_user + ended.children_system
        for one in [process, *process.children(recursive=True)]:
            times = one.cpu_times()
            total += times.user + times.system
    return total


def free_port() -> int:
    """Return a free loopback port."""
    with socket.socket() as probe:
        probe.bind((server.LOOPBACK, 0))
        return probe.getsockname()[1]


def until_second(second: float) -> None:
    """Wait for that second of a minute."""
    time.sleep((second - time.time() % 60) % 60)


def idle(minutes: int) -> None:
    """Measure the idle cost over this time, with the schedules off and on."""
    with tempfile.TemporaryDirectory() as directory, temporary_site(Path(directory)) as site:
        home = Path(directory) / "home"
        home.mkdir()
        daemon = Daemon(home, site)
        with daemon.running() as processes:
            reference = max(1, minutes // 3)
            figures = []
            for name, command, long in (("schedules off", "stop", reference), ("schedules on", "start", minutes)):
                if command == "start":
                    daemon.schedules(command)
                    until_second(30)  # the first tick writes what later ones only update
                    time.sleep(60)
                until_second(30)
                before = (cpu_seconds(processes), daemon.storage_bytes(), site.requests_seen())
                time.sleep(60 * long)
                after = (cpu_seconds(processes), daemon.storage_bytes(), site.requests_seen())
                figures.append((name, long, *[last - first for first, last in zip(before, after, strict=True)]))
            with daemon.instance() as instance:
                runs = instance.get_runs_count()
                ticks = [tick for state in instance.all_instigator_state() for tick in skipped(instance, state)]
    off, on = figures
    asked = 2 * on[1]
    print(f"\nidle: {len(ticks)} ticks skipped in all, runs started: {runs}")
    print(f"{'':16}{'minutes':>9}{'CPU s/min':>11}{'requests':>10}{'storage, KB/min':>17}")
    for name, long, cpu, size, sent in figures:
        print(f"{name:16}{long:9}{cpu / long:11.2f}{sent:10}{size / long / 1024:17.1f}")
    print(f"requests per tick: {on[4] / asked:.2f}")
    print(f"CPU per tick, beyond the daemon's own: {(on[2] / on[1] - off[2] / off[1]) / 2:.3f} s")
    print(f"growth of the storage per day, before pruning: {on[3] / on[1] * 1440 / 1024 / 1024:.1f} MB")


def skipped(instance: dg.DagsterInstance, state: Any) -> list[Any]:
    """The skipped ticks of one schedule."""
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id)
    return [tick for tick in ticks if tick.status.value == "SKIPPED"]


def otps() -> None:
    """Measure a thousand expired passwords: with and without the Server Script, and with one save each."""
    rows: list[tuple[str, int, float, int]] = []
    with tempfile.TemporaryDirectory() as directory, temporary_site(Path(directory)) as site:
        settings = site.settings()
        for name, script in (("bulk_update", False), ("Server Script", True)):
            site.control("POST", "site", server_script_enabled=script)
            if script:
                install_server_script(site.store)
            for number in range(3):
                site.add_passwords(1000)
                with open_shop(settings) as shop:
                    began = time.perf_counter()
                    report = SyncReport()
                    OtpExpiry(shop.erp, shop.writer, report, settings, Quarantine()).run()
                    took = time.perf_counter() - began
                assert report.counts["written"] == 1000, report.counts
                rows.append((f"{name}, {number + 1}", 1000, took, shop.requests_sent))
        site.add_passwords(SAVED_ONE_BY_ONE)
        with open_shop(settings) as shop:
            rows.append(("one save per row", SAVED_ONE_BY_ONE, one_by_one(shop), shop.requests_sent))
    print(f"\n{'expired passwords':24}{'rows':>6}{'seconds':>10}{'rows/s':>10}{'requests':>10}")
    for name, number, took, sent in rows:
        print(f"{name:24}{number:6}{took:10.2f}{number / took:10.0f}{sent:10}")


def one_by_one(shop: Shop) -> float:
    """Return the seconds taken to load and save each row, as the Frappe job does (there without HTTP)."""
    began = time.perf_counter()
    for row in shop.erp.get_list("Email OTP", ["name"], filters=[["status", "=", "Pending"]]):
        shop.erp.update("Email OTP", row["name"], {"status": "Expired"})
    return time.perf_counter() - began


def mails(ticks: int) -> None:
    """Fifty mails wait at the tick: when has the last one arrived?"""
    lags: list[tuple[float, float]] = []
    with (
        tempfile.TemporaryDirectory() as directory,
        temporary_site(Path(directory)) as site,
        mail_sink() as sink,
    ):
        site.control("POST", "site", smtp_host="127.0.0.1", smtp_port=sink.port)
        home = Path(directory) / "home"
        home.mkdir()
        daemon = Daemon(home, site)
        with daemon.running():
            daemon.schedules("start")
            until_second(35)
            time.sleep(60)  # one tick with nothing to do: everything is loaded
            for number in range(ticks):
                lags.append(one_tick(site, sink, f"t{number}"))
                print(f"tick {number + 1}: first {lags[-1][0]:.1f} s, last {lags[-1][1]:.1f} s", flush=True)
            daemon.schedules("stop")
        direct = reference_mails(site, sink)
    last = [lag for _, lag in lags]
    print(f"\n{MAILS} waiting mails, seconds from the tick to the last one at the mail server, {ticks} ticks:")
    print(f"median {statistics.median(last):.1f}, worst {max(last):.1f}")
    print(f"to the first one: median {statistics.median(first for first, _ in lags):.1f}")
    print(f"the same mails one call after the other, without Dagster: {direct:.1f} s")


def one_tick(site: Site, sink: MailSink, salt: str) -> tuple[float, float]:
    """Seconds from the next tick to the first and the last of its mails."""
    until_second(45)
    before = len(sink.times)
    site.add_mails(MAILS, salt)
    tick = (time.time() // 60 + 1) * 60
    deadline = tick + 110
    while len(sink.times) < before + MAILS and time.time() < deadline:
        time.sleep(0.2)
    arrived = sink.times[before:]
    assert len(arrived) == MAILS, f"{len(arrived)} of {MAILS} mails arrived"
    assert max(sink.times_received.values()) == 1, "a mail arrived twice"
    return min(arrived) - tick, max(arrived) - tick


def reference_mails(site: Site, sink: MailSink) -> float:
    """Send as the Frappe job does: one call after the other, nothing read back."""
    site.add_mails(MAILS, "direct")
    with open_shop(site.settings()) as shop:
        began = time.time()
        for number in range(MAILS):
            function = "frappe.email.doctype.email_queue.email_queue.send_now"
            shop.erp.call(function, {"name": f"direct-{number:04}"})
    return sink.times[-1] - began


def install_server_script(store: ErpStore) -> None:
    """What an administrator does in the desk."""
    from dev.server_script import install_server_script as install

    if not store.count("Server Script", script_type="API"):
        install(store)


@contextmanager
def temporary_site(directory: Path) -> Iterator[Site]:
    """Start an ERPNext for this measurement."""
    site = Site(directory)
    try:
        yield site
    finally:
        site.store.close()
        server.stop(directory / "sandbox")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=int, default=10, help="of idling with the schedules on")
    parser.add_argument("--ticks", type=int, default=5, help="ticks with waiting mails")
    parser.add_argument("--only", nargs="+", choices=("idle", "otps", "mails"), default=("otps", "mails", "idle"))
    options = parser.parse_args()
    print(json.dumps({"load before": os.getloadavg()[0], "cores": os.cpu_count()}), flush=True)
    if "otps" in options.only:
        otps()
    if "mails" in options.only:
        mails(options.ticks)
    if "idle" in options.only:
        idle(options.minutes)
    print(json.dumps({"load after": os.getloadavg()[0]}))


if __name__ == "__main__":
    main()
