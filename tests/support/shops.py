"""Two embedded shops in one Dagster: one webserver, one daemon, a code server with settings and secrets for each shop.

Starting both.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dev.deployment import LOCATION, ROOT, Deployment, addresses, wait_for
from dev.postgres import free_port
from erp_medusa_sandbox import server as sandbox

SHOPS = ("muscat", "salalah")


@contextmanager
def embedded_shops(folder: Path) -> Iterator[dict[str, sandbox.SandboxAddress]]:
    """Both shops' servers."""
    with ExitStack() as stack:
        found: dict[str, sandbox.SandboxAddress] = {}
        for name in SHOPS:
            found[name] = sandbox.ensure_running(folder / name)
            stack.callback(sandbox.stop, folder / name)
        yield found


def settings_of(name: str, shop: sandbox.SandboxAddress) -> dict[str, str]:
    """The settings of a shop's own code server, and of whatever does its runs."""
    return {**addresses(shop), "SHOP_NAME": name, "RETRY_DELAY_SECONDS": "5", "HTTP_ATTEMPTS": "1"}


@contextmanager
def one_dagster(
    folder: Path,
    instance_file: Path,
    shops: Mapping[str, sandbox.SandboxAddress],
    common: Mapping[str, str],
    own: Mapping[str, Mapping[str, str]],
) -> Iterator[list[Deployment]]:
    """The same installation, once as each shop sees it.

    `common` is all that webserver and daemon know: no shop's key. `own` is what each shop's code server knows besides.
    """
    home = folder / "home"
    home.mkdir()
    shutil.copy(instance_file, home / "dagster.yaml")
    known = {key: value for key, value in os.environ.items() if not key.startswith(("ERPNEXT_", "MEDUSA_"))}
    known |= {"DAGSTER_HOME": str(home), "PYTHONPATH": str(ROOT), **common}
    url = f"http://127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        head = Deployment(home, url, shops[SHOPS[0]], known, has_code_server=True)
        head.make_tables()
        servers, found = [], []
        for name in SHOPS:
            view = Deployment(home, url, shops[name], {**known, **own[name]}, has_code_server=True, shop_name=name)
            stack.callback(view.stop)
            port = str(free_port())
            view.start("dagster", "api", "grpc", "-m", f"{LOCATION}.definitions", "-p", port, name=f"code_{name}")
            servers.append({"grpc_server": {"host": "127.0.0.1", "port": int(port), "location_name": name}})
            found.append(view)
        workspace = home / "workspace.yaml"
        workspace.write_text(json.dumps({"load_from": servers}), encoding="utf-8")
        stack.callback(head.stop)
        port = url.rsplit(":", 1)[1]
        head.start("dagster-webserver", "-w", str(workspace), "-h", "127.0.0.1", "-p", port, name="webserver")
        head.start("dagster-daemon", "run", "-w", str(workspace), name="daemon")
        for view in found:
            wait_for(f"both servers and {view.shop_name}", view.is_healthy, 180)
        yield found
