"""Two shops beside each other in one Dagster: one webserver, one daemon, a code server with secrets for each."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from dev.deployment import LOCATION, ROOT, Deployment, addresses, private_postgres, wait_for
from dev.postgres import free_port
from erp_medusa_pipelines.cli.dagster_api import DagsterApi
from erp_medusa_sandbox import server as sandbox
from tests.support.products import external_ids

SHOPS = ("muscat", "salalah")
EXPORT, OTPS = "export_items_and_images_custom", "expire_otps"
BATCHES = [f"batch_{number}" for number in range(4)]
SENSOR = "retry_failed_partitions"

pytestmark = pytest.mark.timeout(900)


@contextmanager
def two_shops(folder: Path) -> Iterator[list[Deployment]]:
    """The same installation, once as each shop sees it. Only the first one's processes are the installation's."""
    home = folder / "home"
    home.mkdir()
    shutil.copy(ROOT / "deploy" / "shops" / "dagster.yaml", home / "dagster.yaml")
    with ExitStack() as stack:
        database = stack.enter_context(private_postgres(folder / "postgres"))
        known = {key: value for key, value in os.environ.items() if not key.startswith(("ERPNEXT_", "MEDUSA_"))}
        # Webserver and daemon know of no shop and have no key of any.
        common = known | {"DAGSTER_HOME": str(home), "PYTHONPATH": str(ROOT), "DAGSTER_POSTGRES_URL": database}
        url = f"http://127.0.0.1:{free_port()}"
        servers, found = [], []
        for name in SHOPS:
            shop = sandbox.ensure_running(folder / name)
            stack.callback(sandbox.stop, folder / name)
            own = {**common, **addresses(shop), "SHOP_NAME": name, "RETRY_DELAY_SECONDS": "5", "HTTP_ATTEMPTS": "1"}
            view = Deployment(home, url, shop, own, has_code_server=True, shop_name=name)
            stack.callback(view.stop)
            if not found:
                view.make_tables()
            port = free_port()
            servers.append({"grpc_server": {"host": "127.0.0.1", "port": port, "location_name": name}})
            view.start("dagster", "api", "grpc", "-m", f"{LOCATION}.definitions", "-p", str(port), name=f"code_{name}")
            found.append(view)
        workspace = home / "workspace.yaml"
        workspace.write_text(json.dumps({"load_from": servers}), encoding="utf-8")
        head = Deployment(home, url, found[0].shop, common, has_code_server=True)
        stack.callback(head.stop)
        port = url.rsplit(":", 1)[1]
        head.start("dagster-webserver", "-w", str(workspace), "-h", "127.0.0.1", "-p", port, name="webserver")
        head.start("dagster-daemon", "run", "-w", str(workspace), name="daemon")
        for view in found:
            wait_for(f"both servers and {view.shop_name}", view.is_healthy, 180)
        yield found


def test_a_shop_that_hangs_and_fails_leaves_the_other_unharmed(tmp_path: Path) -> None:
    with two_shops(tmp_path) as (broken, sound):
        for shop in (broken, sound):
            shop.turn_on_sensor(SENSOR)
        # All that the broken shop asks of its Medusa hangs: its runs fill its places in the queue, and stay there.
        broken.break_medusa(action="latency", seconds=600, path="/admin")
        stuck = [broken.launch(EXPORT, batch) for batch in BATCHES]
        wait_for("two runs that hang", lambda: sum(broken.run(run).status == "STARTED" for run in stuck) == 2, 120)
        # As `take-over` and `hand-back` see both.
        for shop, busy in ((broken, True), (sound, False)):
            api = DagsterApi(shop.url, shop=shop.shop_name)
            assert api.installation().location == shop.shop_name
            assert api.is_going_on(EXPORT) is busy
        night = [sound.launch(EXPORT, batch) for batch in BATCHES]
        for run_id in night:
            ended = sound.ended(run_id, 400)
            assert ended.status == "SUCCESS", ended.messages
            assert ended.tags["shop"] == "salalah"
        assert sound.partitions("medusa_stock")["green"] == BATCHES
        assert broken.partitions("medusa_stock")["green"] == []
        assert len(external_ids(sound.shop)) > 300
        assert broken.partitions("medusa_products")["green"] == []
        # A second start is refused in its own shop, and says so of no other.
        again = broken.ended(broken.launch(EXPORT, BATCHES[0]))
        assert again.status == "CANCELED"
        assert again.tags["not_started"]
        # A failure is the broken shop's alone, and so is its retry.
        for run_id in stuck:
            broken.terminate(run_id)
        for run_id in stuck:
            assert broken.ended(run_id, 180).status == "CANCELED"
        broken.heal()
        broken.break_medusa(action="status", status=503, path="/admin", times=3)
        failed = broken.launch(EXPORT, BATCHES[1])
        broken.ended(failed, 180)
        wait_for("green in the end", lambda: BATCHES[1] in broken.partitions("medusa_stock")["green"], 300)
        of_sound = [run for run in sound.runs() if {"key": "shop", "value": "salalah"} in run["tags"]]
        assert sorted(run["runId"] for run in of_sound) == sorted(night), "nobody retried what was sound"
