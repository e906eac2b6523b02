"""The same on one machine: SQLite, no code server. Only the storage differs, so one round is enough.

Runs and ticks log in at Medusa there, as an admin whom the settings name.
"""

from collections.abc import Iterator

import pytest

from dev.deployment import Deployment, wait_for

JOB = "export_items_and_images_custom"
RETRIES = "retry_failed_partitions"
CHANGES = "follow_changes"
LOG_IN = "/auth/user/emailpass"


@pytest.fixture(autouse=True)
def as_before(one_machine: Deployment) -> Iterator[None]:
    yield
    one_machine.turn_off_sensor(RETRIES)
    one_machine.turn_off_sensor(CHANGES)


def log_ins(deployment: Deployment) -> int:
    return sum(seen["path"] == LOG_IN for seen in deployment.asked_of_medusa())


def runs(deployment: Deployment) -> int:
    return len(deployment.runs(statuses=["SUCCESS", "FAILURE"]))


def test_a_batch_fails_is_healed_and_the_sensor_makes_it_green(one_machine: Deployment) -> None:
    logged_in, ended = log_ins(one_machine), runs(one_machine)
    one_machine.break_medusa(action="status", status=503, path="/admin/products/batch")
    failed = one_machine.ended(one_machine.launch(JOB, "batch_0"))
    assert failed.status == "FAILURE"
    assert (failed.tags["queue"], failed.tags["dagster/max_runtime"]) == ("long", "28800")
    wait_for("red", lambda: one_machine.partitions("medusa_products")["red"] == ["batch_0"])
    one_machine.heal()
    one_machine.turn_on_sensor(RETRIES)
    wait_for("green", lambda: one_machine.partitions("medusa_products")["green"] == ["batch_0"], 120)
    assert one_machine.partitions("medusa_products")["red"] == []
    wait_for("the end of both runs", lambda: runs(one_machine) == ended + 2)
    # The key is wrong: both runs, the daemon's too, logged in, each once.
    assert log_ins(one_machine) == logged_in + 2


def test_a_saved_title_is_in_the_shop_after_the_daemons_next_ticks(one_machine: Deployment) -> None:
    if one_machine.partitions("medusa_products")["green"] != ["batch_0"]:
        assert one_machine.ended(one_machine.launch(JOB, "batch_0")).status == "SUCCESS"
    product = one_machine.store("/store/products?limit=1&fields=id,external_id")["products"][0]
    one_machine.turn_on_sensor(CHANGES)
    wait_for("the first tick", lambda: any("from now on" in str(t["skipReason"]) for t in one_machine.ticks(CHANGES)))
    logged_in = log_ins(one_machine)
    one_machine.save_in_erpnext("Website Item", product["external_id"], web_item_name="Title of this minute")
    address = f"/store/products/{product['id']}?fields=title"
    wait_for("the title", lambda: one_machine.store(address)["product"]["title"] == "Title of this minute", 90)
    run = one_machine.runs(pipelineName="sync_items")[-1]
    assert one_machine.ended(run["runId"]).status == "SUCCESS"
    assert log_ins(one_machine) == logged_in + len(one_machine.runs(pipelineName="sync_items"))
    wait_for("a quiet tick", lambda: one_machine.ticks(CHANGES)[-1]["skipReason"] == "nothing changed", 60)
