"""The image: built from its Containerfile and started without root on a read-only file system, secrets as files."""

import json
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.deployment import LAUNCH, addresses, private_postgres, wait_for
from dev.image import NAME, Image, end, mounted, tool
from dev.postgres import free_port
from erp_medusa_sandbox import server as sandbox

pytestmark = pytest.mark.timeout(1500)
STATUS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
# Debian's Python brings wheels of pip and setuptools; the project's own stays in the stage that built it.
OURS_ALONE = re.compile(r"erp_medusa_sandbox|(^|/)\.env$|/\.git$|erp_medusa_pipelines-[^/]*\.whl$")
ENDS = ("SUCCESS", "FAILURE", "CANCELED")
DAEMONS = "{ instance { daemonHealth { allDaemonStatuses { healthy required } } } }"


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
    processes: list[subprocess.Popen[bytes]] = []
    url = f"http://127.0.0.1:{web}"

    def ask(query: str, **variables: Any) -> Any:
        body = requests.post(f"{url}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
        assert "errors" not in body, body
        return body["data"]

    def healthy() -> bool:
        for process in processes:
            assert process.poll() is None, f"{process.args}: see the logs in {tmp_path}"
        try:
            found = ask(DAEMONS)["instance"]["daemonHealth"]["allDaemonStatuses"]
        except requests.ConnectionError:
            return False
        return all(each["healthy"] for each in found if each["required"])

    def health_of(role: str) -> int:
        check = image.start("/usr/local/bin/healthy", role, secrets=secrets, log=tmp_path / "health.log", **environment)
        return check.wait(120)

    try:
        for role in ("code-server", "webserver", "daemon"):
            log = tmp_path / f"{role}.log"
            processes.append(image.start(role, secrets=secrets, log=log, **environment))  # ended if one fails
        wait_for("code server, webserver and daemon", healthy, 240)
        for role in ("code-server", "webserver", "daemon"):
            # An engine asks again as well: on a busy machine one answer may come too late.
            wait_for(f"the health check of the {role}", lambda role=role: health_of(role) == 0, 120)
        params = {
            "selector": {
                "repositoryName": "__repository__",
                "repositoryLocationName": "erp_medusa_pipelines",
                "pipelineName": "fetch_clearance_items",
            },
            "mode": "default",
            "runConfigData": {},
        }
        run_id = ask(LAUNCH, params=params)["launchRun"]["run"]["runId"]
        status = wait_for(
            "the end of the run",
            lambda: next((s for s in [ask(STATUS, id=run_id)["runOrError"]["status"]] if s in ENDS), None),
            240,
        )
        assert status == "SUCCESS"
    finally:
        for process in processes:
            end(process)
