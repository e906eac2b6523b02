"""Everything is killed at once in the middle of an export. After the start it recovers by itself."""

import time
from pathlib import Path

import pytest

from dev.deployment import Deployment, deployed, private_postgres, wait_for
from tests.support.products import external_ids

pytestmark = pytest.mark.slow

JOB = "export_items_and_images_custom"
SENSOR = "retry_failed_partitions"
BATCH = "batch_0"
CREATE = "/admin/products/batch"


def runs_of_batch(deployment: Deployment) -> list[dict[str, str]]:
    tag = {"key": "dagster/partition", "value": BATCH}
    return [run for run in deployment.runs() if tag in run["tags"]]


@pytest.mark.timeout(600)
def test_after_a_power_cut_the_batch_turns_green_by_itself(tmp_path: Path) -> None:
    with (
        private_postgres(tmp_path / "postgres") as url,
        deployed(tmp_path, postgres_url=url, RETRY_DELAY_SECONDS="5", MEDUSA_CHUNK="10") as deployment,
    ):
        deployment.turn_on_sensor(SENSOR)
        # The second chunk hangs: the first is in Medusa by then, and its ids may or may not be in ERPNext.
        deployment.break_medusa(action="latency", seconds=600, path=CREATE, skip=1)
        cut = deployment.launch(JOB, BATCH)
        wait_for("products of the first chunk", lambda: external_ids(deployment.shop), 120)
        deployment.kill_everything()
        deployment.heal()
        began = time.monotonic()
        deployment.start_everything()
        found = deployment.ended(cut, 120)
        assert found.status == "FAILURE", found.messages
        assert "no heartbeat from its process" in found.messages
        wait_for("green", lambda: deployment.partitions("medusa_stock")["green"] == [BATCH], 240)
        print(f"from power back to green: {time.monotonic() - began:.0f} s")
        assert deployment.partitions("medusa_products")["red"] == []
        assert len(runs_of_batch(deployment)) == 2, "the retry sensor alone started it again"
        products = external_ids(deployment.shop)
        assert len(products) == len(set(products))
        wait_for("free slots", lambda: not deployment.slots_held())
