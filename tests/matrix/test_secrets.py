"""Keys planted in every setting that holds one, and servers that answer with them: they are found nowhere afterwards.

Looked into: the terminal, the log, exceptions, all files of the installation (event log, runs, history, compute logs),
metrics, what a code server tells the webserver of the definitions, and what the webserver answers to GraphQL.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._serdes import serialize_value
from prometheus_client import CollectorRegistry, generate_latest
from starlette.types import Receive, Scope, Send
from typer.testing import CliRunner

from dev.deployment import wait_for
from dev.postgres import free_port
from erp_medusa_pipelines.cli.main import app
from erp_medusa_pipelines.connections import open_shop
from erp_medusa_pipelines.orchestration.metrics import Metrics
from erp_medusa_pipelines.settings import Settings, load_settings
from erp_medusa_sandbox.faults import Fault, FaultInjector
from tests.machine.servers import open_world
from tests.machine.world import EXPORT, ORPHANS, PRICES, STOCK, World
from tests.matrix.judge import EVERYTHING, fail_with
from tests.matrix.shop import CLEARANCE, MAILS, OTPS, TOP_SELLERS
from tests.support.carts import Carts
from tests.support.operations import Daemon, our_instance
from tests.support.runs import Runner
from tests.support.servers import ERP_SECRET

ROOT = Path(__file__).parents[2]
PLANTED = {
    "ALERT_URLS": "json://planted-user:planted-alert-password@127.0.0.1:9/hook",  # pragma: allowlist secret
    "FRAMES_URL": "postgresql://planted-owner:planted-frames-password@127.0.0.1:9/frames",  # pragma: allowlist secret
    "ADMIN_API_KEY": "planted-admin-key",
    "ADMIN_API_SECRET": "planted-admin-secret",
    "MEDUSA_PLUGIN_SECRET": "planted-plugin-secret",
    "SMTP_URL": "smtp://planted-shop:planted-smtp-password@127.0.0.1:9",  # pragma: allowlist secret
}
CART_MAILS, CARTS, NEWSLETTER = "send_abandoned_cart_emails", "delete_expired_carts", "send_weekly_newsletter"
TASKS = (EXPORT, PRICES, STOCK, ORPHANS, TOP_SELLERS, CLEARANCE, MAILS, OTPS, CART_MAILS, CARTS, NEWSLETTER)
MAIL_SETTINGS = {
    "MAIL_BY": "smtp",
    "MAIL_FROM": "shop@shop.example",
    "MAIL_SHOP_TITLE": "Shop",
    "MAIL_QUIET_HOURS": "00:00-00:00",
    "CART_URL": "https://shop.example/cart?id={cart}",
    "PRODUCT_URL": "https://shop.example/products/{handle}",
    "ABANDONED_CART_HOURS": "0.00001",
}
"""With these, the mail server of SMTP_URL, which is not there, is asked to send a mail."""
COMMANDS = (
    ("doctor",),
    ("setup",),
    ("plan", EXPORT),
    ("plan", PRICES, "--json"),
    ("drift",),
    ("explain", "WEB-shop-0000"),
    ("sync", "WEB-shop-0000"),
    ("log",),
    ("take-over", "--wait", "1"),
)
ENTRIES = """metadataEntries { label description ... on TextMetadataEntry { text }
  ... on MarkdownMetadataEntry { mdStr } ... on JsonMetadataEntry { jsonString } ... on UrlMetadataEntry { url }
  ... on TableMetadataEntry { table { records } } }"""
ERROR = "error { message className stack errorChain { error { message className stack } } }"
QUESTIONS = {
    "runs": f"""{{ runsOrError {{ ... on Runs {{ results {{ runId jobName runConfigYaml tags {{ key value }}
      eventConnection {{ events {{ __typename ... on MessageEvent {{ message stepKey }} ... on ErrorEvent {{ {ERROR} }}
        ... on DisplayableEvent {{ label description {ENTRIES} }}
        ... on AssetCheckEvaluationEvent {{ evaluation {{ description {ENTRIES} }} }} }} }} }} }} }} }}""",
    "definitions": f"""{{ workspaceOrError {{ ... on Workspace {{ locationEntries {{ name
      displayMetadata {{ key value }} locationOrLoadError {{ __typename
      ... on PythonError {{ message stack }} ... on RepositoryLocation {{
        environmentPath repositories {{ displayMetadata {{ key value }} assetNodes {{ description {ENTRIES} }}
          jobs {{ name description }} schedules {{ name description scheduleState {{
            ticks {{ skipReason {ERROR} }} }} }}
          sensors {{ name description sensorState {{ typeSpecificData {{ ... on SensorData {{ lastCursor }} }}
            ticks {{ skipReason cursor {ERROR} }} }} }} }} }} }} }} }} }} }}""",
    "instance": """{ instance { info daemonHealth { allDaemonStatuses { lastHeartbeatErrors { message stack } } } }
      }""",
    "assets": f"""{{ assetsOrError {{ ... on AssetConnection {{ nodes {{ key {{ path }}
      assetMaterializations(limit: 50) {{ description {ENTRIES} }} }} }} }} }}""",
}
LOGS = """query($key: [String!]!) { capturedLogs(logKey: $key) { stdout stderr } }"""
"""What the UI asks for where it shows anything that a task or a server said."""

pytestmark = pytest.mark.timeout(0)
TOKEN = re.compile(rb"eyJ[\w-]{60,}")
"""Of a log-in."""
ECHO = "Authorization: @echo@"
SAMPLE = 6
"""Ways to fail that are tried where not all are."""


@dataclass
class Planted:
    """A shop whose servers know the planted keys, and its installation."""

    world: World
    home: Path
    secrets: tuple[str, ...]
    log_in: tuple[str, str]

    def found_in(self, text: str | bytes) -> list[str]:
        """The secrets in a text, in any form that they travel in."""
        raw = text.encode(errors="replace") if isinstance(text, str) else text
        forms = {
            (s, form) for s in self.secrets for form in (s, quote(s, safe=""), base64.b64encode(s.encode()).decode())
        }
        tokens = {"a token"} if TOKEN.search(raw) else set()
        return sorted({secret for secret, form in forms if form.encode() in raw} | tokens)


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Planted]:
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(ROOT / "dagster.yaml", home / "dagster.yaml")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv("HTTP_ATTEMPTS", "1")
    with open_world({key: value for key, value in PLANTED.items() if key != "FRAMES_URL"} | MAIL_SETTINGS) as world:
        world.add_item(0, rate=1.5, quantity=3, picture=True)
        world.add_item(1, rate=2.5, quantity=3, picture=False)
        passwords = (
            *("planted-alert-password", "planted-frames-password", "planted-smtp-password"),
            *(PLANTED[key] for key in (*COMMAND_KEYS, "MEDUSA_PLUGIN_SECRET")),
            # No key, but as little anybody's business.
            Carts(world.medusa).add()["email"],
        )
        for server in (world.medusa, world.erp):
            _echoing(server.faults)
        medusa = world.medusa
        secrets = (ERP_SECRET, medusa.api_key, medusa.admin_password, *passwords)
        yield Planted(world, home, secrets, (medusa.admin_email, medusa.admin_password))


LOG_IN = ("MEDUSA_ADMIN_EMAIL", "MEDUSA_ADMIN_PASSWORD")
COMMAND_KEYS = ("ADMIN_API_KEY", "ADMIN_API_SECRET")


def failing() -> dict[str, Callable[..., Fault]]:
    """Answers of careless servers, proxies and pages, each of which repeats the key that it was sent."""
    echo = ECHO
    messages = {
        "exc_type": "ValidationError",
        "exception": echo,
        "_server_messages": f'["{{\\"message\\": \\"{echo}\\"}}"]',
    }
    return {
        "500": lambda **on: Fault("status", status=500, json={"type": "unknown_error", "message": echo}, **on),
        "500 of Frappe": lambda **on: Fault("status", status=500, json={"exc_type": echo, "exc": f'["{echo}"]'}, **on),
        "417": lambda **on: Fault("status", status=417, json=messages, **on),
        "400": lambda **on: Fault("status", status=400, json={"type": "invalid_data", "message": echo}, **on),
        "401": lambda **on: Fault("status", status=401, json={"message": echo}, **on),
        "403": lambda **on: Fault("status", status=403, json={"exc_type": "PermissionError", "exception": echo}, **on),
        "404": lambda **on: Fault("status", status=404, json={"type": "not_found", "message": echo}, **on),
        "429": lambda **on: Fault("status", status=429, headers={"Retry-After": echo}, json={"message": echo}, **on),
        "502": lambda **on: Fault("status", status=502, text=f"<h1>{echo}</h1>", **on),
        "a page": lambda **on: Fault("status", status=200, text=f"<h1>{echo}</h1>", **on),
        "another server": lambda **on: Fault("status", status=200, json={"hello": echo}, **on),
        "a redirection": lambda **on: Fault("status", status=302, headers={"Location": f"/{echo}"}, **on),
        "reset": lambda **on: Fault("drop_after", **on),
        "truncated": lambda **on: Fault("truncate", **on),
    }


def _echoing(injector: FaultInjector) -> None:
    """Let an answer of a fault repeat the request's own key."""
    end = injector._end

    async def echoing(final: Fault | None, scope: Scope, receive: Receive, send: Send) -> None:
        if final is not None:
            key = dict(scope["headers"]).get(b"authorization", b"").decode()
            final = replace(
                final,
                json=json.loads(json.dumps(final.json).replace("@echo@", key)),
                text=final.text and final.text.replace("@echo@", key),
                headers={name: value.replace("@echo@", key) for name, value in final.headers.items()},
            )
        await end(final, scope, receive, send)

    injector._end = echoing


def test_planted_secrets_are_found_nowhere(
    planted: Planted,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level("DEBUG")
    shown: list[str] = []
    ways = [
        (server, where, fault)
        for server in ("medusa", "erp")
        for fault in failing().values()
        for where in ({"method": "POST"}, {})
    ]
    if not EVERYTHING:
        ways = ways[:: max(1, len(ways) // SAMPLE)]
    with our_instance(planted.home) as instance:
        runner = Runner()
        runner.instance = instance
        daemon = Daemon(runner)
        for number, (server, where, fault) in enumerate(ways):
            injector = (planted.world.medusa if server == "medusa" else planted.world.erp).faults
            injector.add(fault(**where))
            task = TASKS[number % len(TASKS)]
            # Half of them as an admin who logs in.
            for name, value in zip(LOG_IN, planted.log_in, strict=True):
                monkeypatch.setenv(name, value) if number % 2 else monkeypatch.delenv(name, raising=False)
            run = runner.job(task, "batch_0" if task in (EXPORT, PRICES, STOCK) else None)
            shown += [str(event) for event in run.result.all_events]
            shown.append(_command(COMMANDS[number % len(COMMANDS)]))
            injector.heal()
        monkeypatch.setenv("FRAMES_URL", PLANTED["FRAMES_URL"])
        shown += [str(event) for event in runner.job(TOP_SELLERS).result.all_events]
        monkeypatch.delenv("FRAMES_URL")
        mailed = runner.job(CART_MAILS)
        assert mailed.metadata("abandoned_carts")["failed"] == 1, "no mail server was asked"
        shown += [str(event) for event in mailed.result.all_events]
        daemon.turn_on_sensor("alerts")
        undelivered = daemon.sensor("alerts")[1]
        assert "receiver 1 of 1 in ALERT_URLS" in undelivered
        shown.append(undelivered)
        registry = CollectorRegistry()
        registry.register(Metrics(instance))
        shown.append(generate_latest(registry).decode())
        shown.append(serialize_value(RepositorySnap.from_def(daemon.repository)))
    _in_a_process(planted)
    shown += _graphql(planted)
    terminal = capfd.readouterr()
    shown += [terminal.out, terminal.err, caplog.text]
    leaks = {f"shown, {text[:300]}": found for text in shown if (found := planted.found_in(text))}
    for path in planted.home.rglob("*"):
        if path.is_file() and (found := planted.found_in(path.read_bytes())):
            leaks[str(path.relative_to(planted.home))] = found
    fail_with(leaks)
    assert any(path.suffix == ".err" and path.stat().st_size for path in planted.home.rglob("*")), "no compute log"


def _command(arguments: tuple[str, ...]) -> str:
    result = CliRunner().invoke(app, list(arguments))
    return f"{result.output} {result.stderr} {result.exception!r}"


def _in_a_process(planted: Planted) -> None:
    """A run as a daemon starts it, whose output is kept as compute logs."""
    planted.world.medusa.faults.add(failing()["500"]())
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "--select", "medusa_products"]
    command += ["--partition", "batch_0", "-m", "erp_medusa_pipelines.definitions"]
    done = subprocess.run(
        command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=300, check=False
    )
    print(done.stdout, done.stderr)
    planted.world.medusa.faults.heal()
    assert done.returncode != 0


def _graphql(planted: Planted) -> list[str]:
    """What a webserver answers of this installation: runs, definitions, the instance, assets, compute logs."""
    port = free_port()
    command = ["-w", str(ROOT / "workspace.yaml"), "-h", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen([Path(sys.executable).parent / "dagster-webserver", *command], cwd=ROOT)
    address = f"http://127.0.0.1:{port}/graphql"

    def ask(query: str, **variables: Any) -> str:
        answer = requests.post(address, json={"query": query, "variables": variables}, timeout=120)
        assert "errors" not in answer.json(), answer.json()["errors"]
        return answer.text

    def is_up() -> bool:
        with suppress(requests.ConnectionError):
            return "RepositoryLocation" in ask(QUESTIONS["definitions"])
        return False

    try:
        wait_for("the webserver", is_up)
        answers = [ask(query) for query in QUESTIONS.values()]
        logs = [path for path in planted.home.rglob("*.err") if path.stat().st_size]
        answers += [ask(LOGS, key=[path.parent.parent.name, "compute_logs", path.stem]) for path in logs]
    finally:
        process.terminate()
        process.wait(60)
    assert ECHO.split()[0] in answers[0], "no run shows what a server answered"
    assert any("STEP_FAILURE" in one or "medusa_products" in one for one in answers[len(QUESTIONS) :]), "no compute log"
    return answers


def test_every_setting_that_holds_a_secret_is_planted() -> None:
    secret = {name.upper() for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
    servers = {"ERPNEXT_API_KEY", "ERPNEXT_API_SECRET", "MEDUSA_API_KEY", *LOG_IN}
    assert secret <= {*PLANTED, *servers}


def test_a_secret_is_not_in_any_repr(planted: Planted) -> None:
    settings = load_settings()
    with open_shop(settings) as shop:
        texts: list[Any] = [settings, shop, shop.erp, shop.medusa, shop.writer, shop.erp.http, shop.medusa.http]
        assert [planted.found_in(f"{one!r} {one}") for one in texts] == [[]] * len(texts)
