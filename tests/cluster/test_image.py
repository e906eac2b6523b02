"""The image: built from its Containerfile and started without root on a read-only file system, secrets as files."""

import json
import re
import signal
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.deployment import Deployment, addresses, private_postgres, wait_for
from dev.image import NAME, Image, end, first_inside, mounted, tool
from dev.postgres import free_port
from erp_medusa_sandbox import server as sandbox

pytestmark = pytest.mark.timeout(1500)
# Debian's Python brings wheels of pip and setuptools; the project's own stays in the stage that built it.
OURS_ALONE = re.compile(r"erp_medusa_sandbox|(^|/)\.env$|/\.git$|erp_medusa_pipelines-[^/]*\.whl$")
DAGSTERS_PATIENCE = 45
"""Seconds after which Dagster's code server is surely gone that was asked to end."""


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with mounted(NAME) as found:
        yield found


def test_it_is_no_root_and_says_how_it_is_healthy(image: Image) -> None:
    assert image.config["User"] == "10001:10001"
    assert image.config["Healthcheck"]
    assert not [key for key in image.environment if any(word in key for word in ("KEY", "PASSWORD", "URL"))]


def test_no_layer_holds_the_checkout_the_sandbox_or_a_secret(tmp_path: Path) -> None:
    tool("buildah", "push", NAME, f"docker-archive:{tmp_path}/image.tar")
    with tarfile.open(tmp_path / "image.tar") as archive:
        layers = [entry for entry in archive if entry.isfile() and entry.name.endswith(".tar")]
        assert layers
        for entry in layers:
            content = archive.extractfile(entry)
            assert content
            with tarfile.open(fileobj=content) as layer:
                files = layer.getnames()
            assert not [path for path in files if OURS_ALONE.search(path)]
        texts = [archive.extractfile(entry) for entry in archive if entry.name.endswith(".json")]
        history = json.dumps([json.load(text) for text in texts if text])
    assert "PIP_CERT" not in json.dumps(json.loads(tool("buildah", "inspect", NAME))["Docker"]["config"])
    assert "_KEY=" not in history


@pytest.fixture
def secrets(tmp_path: Path) -> Iterator[Path]:
    """As an engine mounts them: one file each."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    shop = sandbox.ensure_running(tmp_path / "sandbox")
    with private_postgres(tmp_path / "postgres") as url:
        values = {"dagster_postgres_url": url, **addresses(shop)}
        for key, value in values.items():
            path = folder / key.lower()
            path.write_text(value + "\n", encoding="utf-8")
            path.chmod(0o444)
        yield folder
    sandbox.stop(tmp_path / "sandbox")


def test_a_read_only_container_for_each_role_serves_and_runs_a_task(
    image: Image, secrets: Path, tmp_path: Path
) -> None:
    code, web = free_port(), free_port()
    workspace = secrets / "workspace.yaml"
    workspace.write_text(
        f"load_from:\n  - grpc_server: {{host: 127.0.0.1, port: {code}, location_name: erp_medusa_pipelines}}\n",
        encoding="utf-8",
    )
    environment = {"CODE_PORT": str(code), "WEBSERVER_PORT": str(web), "WORKSPACE": "/run/secrets/workspace.yaml"}
    # The containers are processes of the installation; what is asked of it is the same as of any other.
    shop = sandbox.ensure_running(tmp_path / "sandbox")
    found = Deployment(tmp_path, f"http://127.0.0.1:{web}", shop, {}, has_code_server=True)

    def health_of(role: str) -> int:
        check = image.start("/usr/local/bin/healthy", role, secrets=secrets, log=tmp_path / "health.log", **environment)
        return check.wait(120)

    try:
        for role in ("code-server", "webserver", "daemon"):
            log = tmp_path / f"{role}.log"
            found.processes[role] = image.start(role, secrets=secrets, log=log, **environment)  # ended if one fails
        wait_for("code server, webserver and daemon", found.is_healthy, 240)
        for role in ("code-server", "webserver", "daemon"):
            # An engine asks again as well: on a busy machine one answer may come too late.
            wait_for(f"the health check of the {role}", lambda role=role: health_of(role) == 0, 120)
        assert found.ended(found.launch("fetch_clearance_items"), 240).status == "SUCCESS"

        def erp_medusa(*command: str) -> dict[str, Any]:
            """As `docker compose exec code erp-medusa`: beside the services, without what the entrypoint sets."""
            log = tmp_path / f"{command[0]}.log"
            # Progress and errors go to the same file, so the answer is what begins with the first brace.
            process = image.execute("erp-medusa", *command, "--json", secrets=secrets, log=log, **environment)
            code, said = process.wait(300), log.read_text(encoding="utf-8")
            assert code in (0, 1), said
            return json.loads(said[said.index("{") :])

        assert erp_medusa("status")["red"] == []
        findings = erp_medusa("doctor")["findings"]
        assert {row["level"] for row in findings if row["name"] in ("dagster.yaml", "code", "daemon")} == {"ok"}
        assert erp_medusa("plan", "export_items_and_images_custom", "--batch", "0")
        # Not a take-over, whose schedules would start runs beside the one below.
        schedule = "add_top_selling_items_to_collection_schedule"
        found.turn_on_schedule(schedule)
        erp_medusa("hand-back", "--dagster-url", f"http://127.0.0.1:{web}")
        assert found.instigator(schedule)["status"] == "STOPPED"
        # As `docker stop` does. Each answer is slow, and the run takes longer than Dagster by itself waits for it.
        found.break_medusa(action="latency", seconds=4, path="/admin")
        run_id = found.launch("export_items_and_images_custom", "batch_0")
        wait_for("the start of the run", lambda: found.run(run_id).status == "STARTED", 120)
        asked = time.monotonic()
        server = found.processes.pop("code-server")
        first_inside(server).send_signal(signal.SIGTERM)
        try:
            ended = found.ended(run_id, 400)
            assert ended.status == "SUCCESS", ended.messages
            assert time.monotonic() - asked > DAGSTERS_PATIENCE, "too short a run to show anything"
            server.wait(120)
        finally:
            end(server)
    finally:
        for process in found.processes.values():
            end(process)
