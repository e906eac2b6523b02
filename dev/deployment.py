"""A complete installation for one test: webserver, daemon, the embedded shop, and how an operator reaches them.

Starting and ending the processes, GraphQL, faults of the shop over HTTP.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import psutil
import requests

from dev.postgres import Cluster, free_port
from erp_medusa_sandbox import server as sandbox

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
LOCATION = "erp_medusa_pipelines"
REPOSITORY = "__repository__"
START_SECONDS = 240
Found = TypeVar("Found")

LAUNCH = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } } }"""
BACKFILL = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
TERMINATE = """mutation($id: String!) { terminateRun(runId: $id) {
  __typename ... on PythonError { message } ... on TerminateRunFailure { message } } }"""
CHECKS = """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization { status } } } } } } }"""
BACKFILL_STATUS = """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
  ... on PartitionBackfill { status } } }"""
RUN = """query($id: ID!) { runOrError(runId: $id) { ... on Run { status tags { key value }
  eventConnection { events { __typename ... on MessageEvent { message stepKey } } } } } }"""
RUNS = """query($filter: RunsFilter, $limit: Int) { runsOrError(filter: $filter, limit: $limit) {
  ... on Runs { results { runId jobName status startTime endTime tags { key value } } } } }"""
START_SCHEDULE = """mutation($selector: ScheduleSelector!) { startSchedule(scheduleSelector: $selector) {
  __typename ... on PythonError { message } } }"""
START_SENSOR = """mutation($selector: SensorSelector!) { startSensor(sensorSelector: $selector) {
  __typename ... on PythonError { message } } }"""
INSTIGATORS = """query($repository: RepositorySelector!) { repositoryOrError(repositorySelector: $repository) {
  ... on Repository {
    schedules { name scheduleState { id selectorId status ticks(limit: 5) { status skipReason runIds } } }
    sensors { name sensorState { id selectorId status ticks(limit: 5) { status skipReason runIds } } } } } }"""
TICKS = """query($selector: InstigationSelector!) { instigationStateOrError(instigationSelector: $selector) {
  ... on InstigationState { ticks(limit: 100) { timestamp status skipReason runIds error { message } } } } }"""
STOP = """mutation($id: String!) { stopSensor(id: $id) { __typename ... on PythonError { message } } }"""
STOP_SCHEDULE = (
    """mutation($id: String!) { stopRunningSchedule(id: $id) { __typename ... on PythonError { message } } }"""
)
PARTITIONS = """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  assetPartitionStatuses { ... on DefaultPartitionStatuses {
    materializedPartitions failedPartitions materializingPartitions } } } } }"""
KEYS = """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode { partitionKeys } } }"""
SLOTS = "{ instance { concurrencyLimits { concurrencyKey activeSlotCount } } }"
DAEMONS = "{ instance { daemonHealth { allDaemonStatuses { daemonType healthy required } } } }"


def wait_for(what: str, look: Callable[[], Found | None], seconds: float = 180) -> Found:
    """Poll `look` until it returns something truthy. For processes that do not signal when they are ready."""
    deadline = time.monotonic() + seconds
    pause = 0.25
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s in vain for: {what}")
        time.sleep(pause)
        # Each look costs the webserver time that the runs on the same machine would need.
        pause = min(2.0, pause * 1.2)


@dataclass(frozen=True)
class RunView:
    """A run as GraphQL reports it."""

    run_id: str
    status: str
    tags: Mapping[str, str]
    messages: str


@dataclass
class Deployment:
    """A running installation. `shop` is the embedded one that it works on."""

    home: Path
    url: str
    shop: sandbox.SandboxAddress
    environment: Mapping[str, str] = field(repr=False)
    has_code_server: bool
    shop_name: str | None = None
    """Of several shops this one; its code location has the same name."""

    settings: Mapping[str, str] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    commands: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def selector(self) -> dict[str, str]:
        """The code location's definitions."""
        return {"repositoryName": REPOSITORY, "repositoryLocationName": self.shop_name or LOCATION}

    def path(self, asset: str) -> dict[str, list[str]]:
        """The asset's key."""
        return {"path": [self.shop_name, asset] if self.shop_name else [asset]}

    def graphql(self, query: str, **variables: Any) -> Any:
        """One request; raises on any error."""
        answer = requests.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60)
        body = answer.json()
        assert "errors" not in body, body["errors"]
        return body["data"]

    # -- runs ---------------------------------------------------------------------------------------------------

    def launch(
        self, job: str, partition: str | None = None, *, assets: Sequence[str] = (), tags: Mapping[str, str] = {}
    ) -> str:
        """Start a run the way the UI does, and return its id."""
        selector: dict[str, Any] = {**self.selector, "pipelineName": job}
        if assets:
            selector["assetSelection"] = [self.path(name) for name in assets]
        all_tags = {**tags, **({"dagster/partition": partition} if partition else {})}
        params = {
            "selector": selector,
            "mode": "default",
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in all_tags.items()]},
        }
        answer = self.graphql(LAUNCH, params=params)["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return answer["run"]["runId"]

    def terminate(self, run_id: str) -> None:
        """End a run as an operator does."""
        answer = self.graphql(TERMINATE, id=run_id)["terminateRun"]
        assert answer["__typename"] == "TerminateRunSuccess", answer

    def backfill(self, assets: list[str], partitions: list[str]) -> str:
        """Start a backfill the way the UI does, and return its id."""
        params = {"assetSelection": [self.path(name) for name in assets], "partitionNames": partitions}
        answer = self.graphql(BACKFILL, params=params)["launchPartitionBackfill"]
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        return answer["backfillId"]

    def backfill_status(self, backfill_id: str) -> str:
        """Return the status of a backfill, such as REQUESTED, COMPLETED_SUCCESS or COMPLETED_FAILED."""
        return self.graphql(BACKFILL_STATUS, id=backfill_id)["partitionBackfillOrError"]["status"]

    def checks(self, asset: str) -> dict[str, str | None]:
        """Newest result of each check of an asset: SUCCEEDED, FAILED, or None where there is none."""
        node = self.graphql(CHECKS, key=self.path(asset))["assetNodeOrError"]
        newest = {
            each["name"]: each["executionForLatestMaterialization"] for each in node["assetChecksOrError"]["checks"]
        }
        return {name: execution and execution["status"] for name, execution in newest.items()}

    def run(self, run_id: str) -> RunView:
        """Read a run with its messages."""
        found = self.graphql(RUN, id=run_id)["runOrError"]
        events = found["eventConnection"]["events"]
        return RunView(
            run_id,
            found["status"],
            {tag["key"]: tag["value"] for tag in found["tags"]},
            "\n".join(event.get("message") or "" for event in events),
        )

    def runs(self, limit: int = 50, **filters: Any) -> list[dict[str, Any]]:
        """Runs, newest first."""
        return self.graphql(RUNS, filter=filters, limit=limit)["runsOrError"]["results"]

    def ended(self, run_id: str, seconds: float = 90) -> RunView:
        """Wait until the run has ended, and return it."""
        wait_for(
            f"the end of run {run_id}",
            lambda: self.run(run_id).status in ("SUCCESS", "FAILURE", "CANCELED"),
            seconds,
        )
        return self.run(run_id)

    def partitions(self, asset: str) -> dict[str, list[str]]:
        """Return the batches grouped by the status that the UI shows."""
        statuses = self.graphql(PARTITIONS, key=self.path(asset))["assetNodeOrError"]["assetPartitionStatuses"]
        return {
            "green": statuses["materializedPartitions"],
            "red": statuses["failedPartitions"],
            "going on": statuses["materializingPartitions"],
        }

    def batches(self, asset: str) -> int:
        """Count the batches of an asset in the code that is loaded; 0 while none is."""
        try:
            found = self.graphql(KEYS, key=self.path(asset))["assetNodeOrError"]
        except (AssertionError, requests.ConnectionError):
            return 0
        return len(found.get("partitionKeys") or ())

    def slots_held(self) -> int:
        """Count the pool slots that are held."""
        return sum(pool["activeSlotCount"] for pool in self.graphql(SLOTS)["instance"]["concurrencyLimits"])

    # -- schedules and sensors ----------------------------------------------------------------------------------

    def instigator(self, name: str) -> dict[str, Any]:
        """Status and latest ticks of a schedule or sensor."""
        found = self.graphql(INSTIGATORS, repository=self.selector)["repositoryOrError"]
        for entry in found["schedules"]:
            if entry["name"] == name:
                return entry["scheduleState"]
        for entry in found["sensors"]:
            if entry["name"] == name:
                return entry["sensorState"]
        raise AssertionError(f"there is no schedule or sensor {name}")

    def turn_on_sensor(self, name: str) -> None:
        """Turn a sensor on, as the switch in the UI does."""
        answer = self.graphql(START_SENSOR, selector={**self.selector, "sensorName": name})["startSensor"]
        assert answer["__typename"] == "Sensor", answer

    def turn_on_schedule(self, name: str) -> None:
        """Turn a schedule on, as the switch in the UI does."""
        answer = self.graphql(START_SCHEDULE, selector={**self.selector, "scheduleName": name})["startSchedule"]
        assert answer["__typename"] == "ScheduleStateResult", answer

    def ticks(self, name: str) -> list[dict[str, Any]]:
        """Ticks of a schedule or sensor, oldest first."""
        found = self.graphql(TICKS, selector={**self.selector, "name": name})["instigationStateOrError"]
        return found["ticks"][::-1]

    def turn_off_sensor(self, name: str) -> None:
        """Turn a sensor off."""
        answer = self.graphql(STOP, id=self.instigator(name)["id"])["stopSensor"]
        assert answer["__typename"] == "StopSensorMutationResult", answer

    def turn_off_schedule(self, name: str) -> None:
        """Turn a schedule off."""
        state = self.instigator(name)
        answer = self.graphql(STOP_SCHEDULE, id=state["id"])["stopRunningSchedule"]
        assert answer["__typename"] == "ScheduleStateResult", answer

    # -- the shop -----------------------------------------------------------------------------------------------

    def send_mail_to(self, host: str, port: int) -> None:
        """Point the shop's outgoing Email Account at this server."""
        site = {"smtp_host": host, "smtp_port": port}
        requests.post(f"{self.shop.erpnext_url}/__sandbox__/site", json=site, timeout=10).raise_for_status()

    def break_medusa(self, **fault: Any) -> None:
        """Add a fault to the embedded Medusa. The arguments are those of `Fault`."""
        requests.post(f"{self.shop.medusa_url}/__sandbox__/faults", json=fault, timeout=10).raise_for_status()

    def break_erpnext(self, **fault: Any) -> None:
        """Add a fault to the embedded ERPNext."""
        requests.post(f"{self.shop.erpnext_url}/__sandbox__/faults", json=fault, timeout=10).raise_for_status()

    def save_in_erpnext(self, doctype: str, name: str, **values: Any) -> None:
        """Save some fields of a document, as staff do."""
        headers = {"Authorization": f"token {self.shop.erpnext_api_key}:{self.shop.erpnext_api_secret}"}
        url = f"{self.shop.erpnext_url}/api/resource/{quote(doctype)}/{quote(name)}"
        requests.put(url, json=values, headers=headers, timeout=30).raise_for_status()

    def store(self, path: str) -> Any:
        """Ask the Store API, as a customer's browser does."""
        headers = {"x-publishable-api-key": self.shop.medusa_publishable_key}
        answer = requests.get(self.shop.medusa_url + path, headers=headers, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def asked_of_medusa(self) -> list[dict[str, str]]:
        """Requests that the embedded Medusa has seen, {method, path, ...}."""
        return requests.get(f"{self.shop.medusa_url}/__sandbox__/requests", timeout=10).json()

    def heal(self) -> None:
        """Remove all faults."""
        for url in (self.shop.medusa_url, self.shop.erpnext_url):
            requests.delete(f"{url}/__sandbox__/faults", timeout=10).raise_for_status()

    def write_env_file(self, **changes: str) -> None:
        """Write addresses, keys and settings, with what was changed.

        The daemon starts its code server anew about every minute, and ticks and runs have what stood there then.
        """
        lines = [f"{name}='{value}'" for name, value in {**self.shop.environment(), **self.settings, **changes}.items()]
        (self.home / ".env").write_text("\n".join(lines) + "\n", encoding="utf-8")

    # -- processes ----------------------------------------------------------------------------------------------

    def start(self, *command: str, name: str) -> None:
        """Start a process of this environment; its output goes to NAME.log."""
        self.commands[name] = command
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [str(BIN / command[0]), *command[1:]],
                cwd=self.home,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def stop(self) -> None:
        """End all processes, the last one started first."""
        processes = list(self.processes.values())[::-1]
        for process in processes:
            process.send_signal(signal.SIGINT)
        for process in processes:
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def make_tables(self) -> None:
        """Alone: services that find an empty database at the same moment get in each other's way."""
        migrate = [str(BIN / "dagster"), "instance", "migrate"]
        subprocess.run(migrate, cwd=self.home, env=dict(self.environment), check=True, capture_output=True)

    def start_everything(self) -> None:
        """Code server (on PostgreSQL), webserver and daemon; returns when all of them answer."""
        workspace = ROOT / "workspace.yaml"
        if self.has_code_server:
            workspace, code_port = self.home / "workspace.yaml", free_port()
            workspace.write_text(
                f"load_from:\n  - grpc_server:\n      host: 127.0.0.1\n      port: {code_port}\n"
                f"      location_name: {LOCATION}\n",
                encoding="utf-8",
            )
            self.start("dagster", "api", "grpc", "-m", f"{LOCATION}.definitions", "-p", str(code_port), name="code")
        port = self.url.rsplit(":", 1)[1]
        self.start("dagster-webserver", "-w", str(workspace), "-h", "127.0.0.1", "-p", port, name="webserver")
        self.start("dagster-daemon", "run", "-w", str(workspace), name="daemon")
        try:
            wait_for("webserver and daemon", self.is_healthy, START_SECONDS)
        except AssertionError as silence:
            raise AssertionError(f"{silence}\n{self.last_words()}") from None

    def last_words(self) -> str:
        """What each daemon and process said last, for the message of a start that failed."""
        try:
            output = [str(self.graphql(DAEMONS)), str(self.graphql(INSTIGATORS, repository=self.selector))[:500]]
        except (requests.RequestException, AssertionError) as error:
            output = [f"{type(error).__name__}: {error}"]
        for log in sorted(self.home.glob("*.log")):
            output += [f"-- {log.name}", *log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]]
        return "\n".join(output)

    def kill_everything(self) -> None:
        """Kill the webserver, daemon, code server and every run process at once, as a power cut would."""
        processes = list(self.processes.values())
        family = [child for process in processes for child in psutil.Process(process.pid).children(recursive=True)]
        # Runs whose code server was killed before have nobody above them.
        family = list({process.pid: process for process in (*family, *self.run_processes())}.values())
        for process in (*processes, *family):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for process in processes:
            process.wait()
        psutil.wait_procs(family, timeout=30)
        self.processes.clear()

    def kill(self, name: str) -> None:
        """Kill one process; its children stay, as with the OOM killer."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def start_again(self, name: str) -> None:
        """Start a process that ended again, as a supervisor does."""
        self.start(*self.commands[name], name=name)

    def run_processes(self) -> list[psutil.Process]:
        """Find the processes of runs. They outlive a code server that was killed."""
        return [
            process
            for process in psutil.process_iter(["cmdline", "environ"])
            if "multiprocessing.spawn" in " ".join(process.info["cmdline"] or ())
            and (process.info["environ"] or {}).get("DAGSTER_HOME") == str(self.home)
        ]

    def is_healthy(self) -> bool:
        """Return whether all daemons are healthy and the webserver has loaded the code."""
        for process in self.processes.values():
            assert process.poll() is None, f"a process ended: {process.args}; see the logs in {self.home}"
        try:
            statuses = self.graphql(DAEMONS)["instance"]["daemonHealth"]["allDaemonStatuses"]
            has_code = "schedules" in self.graphql(INSTIGATORS, repository=self.selector)["repositoryOrError"]
            return has_code and all(entry["healthy"] for entry in statuses if entry["required"])
        except requests.ConnectionError:
            return False


def addresses(shop: sandbox.SandboxAddress) -> dict[str, str]:
    """Settings that point at an embedded shop as if it were a real one."""
    return {
        "ERPNEXT_URL": shop.erpnext_url,
        "ERPNEXT_API_KEY": shop.erpnext_api_key,
        "ERPNEXT_API_SECRET": shop.erpnext_api_secret,
        "MEDUSA_URL": shop.medusa_url,
        "MEDUSA_API_KEY": shop.medusa_api_key,
    }


@contextmanager
def private_postgres(home: Path) -> Iterator[str]:
    """Yield the address of an empty database in a private PostgreSQL."""
    cluster = Cluster(home, password="e2e")
    cluster.start()
    try:
        cluster.create_database("dagster")
        yield cluster.url("dagster").replace("postgres://", "postgresql://", 1)
    finally:
        cluster.remove()


@contextmanager
def deployed(
    home: Path,
    instance_file: Path | None = None,
    shop_by_address: bool = False,
    logs_in: bool = False,
    servers: sandbox.SandboxAddress | None = None,
    /,
    *,
    postgres_url: str | None = None,
    **settings: str,
) -> Iterator[Deployment]:
    """An installation in `home`: on PostgreSQL with a code server as in production, or on SQLite as on one machine.

    Addresses, keys and settings stand in `.env`, as with anybody's own servers; with `shop_by_address` in the
    environment as well, for processes that are started elsewhere. With `logs_in` no key of Medusa's is right, and an
    admin's log-in is. `servers` are used instead of an embedded shop, and left as they are.
    """
    shutil.copy(
        instance_file or ROOT / ("deploy/dagster.yaml" if postgres_url else "dagster.yaml"), home / "dagster.yaml"
    )
    ours = {"USE_SANDBOX", *settings}
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ours and not key.startswith(("ERPNEXT_", "MEDUSA_"))
    }
    environment |= {
        "DAGSTER_HOME": str(home),
        "PYTHONPATH": str(ROOT),
        **({"DAGSTER_POSTGRES_URL": postgres_url} if postgres_url else {}),
    }
    with ExitStack() as stack:
        shop = servers or sandbox.ensure_running(home / "sandbox")
        if servers is None:
            stack.callback(sandbox.stop, home / "sandbox")
        if logs_in:
            settings |= {"MEDUSA_API_KEY": "sk_not_the_key", **shop.log_in()}  # pragma: allowlist secret
        if shop_by_address:
            environment |= {**addresses(shop), **settings}
        deployment = Deployment(
            home, f"http://127.0.0.1:{free_port()}", shop, environment, bool(postgres_url), settings=settings
        )
        deployment.write_env_file()
        stack.callback(deployment.stop)
        # Alone: services that find an empty database at the same moment get in each other's way, on SQLite too.
        deployment.make_tables()
        deployment.start_everything()
        yield deployment
