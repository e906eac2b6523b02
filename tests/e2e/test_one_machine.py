"""The same on one machine: SQLite, no code server. Only the storage differs, so one round is enough."""

from dev.deployment import Deployment, wait_for

JOB = "export_items_and_images_custom"
SENSOR = "retry_failed_partitions"


def test_a_batch_fails_is_healed_and_the_sensor_makes_it_green(one_machine: Deployment) -> None:
    one_machine.break_medusa(action="status", status=503, path="/admin/products/batch")
    failed = one_machine.ended(one_machine.launch(JOB, "batch_0"))
    assert failed.status == "FAILURE"
    assert (failed.tags["queue"], failed.tags["dagster/max_runtime"]) == ("long", "28800")
    wait_for("red", lambda: one_machine.partitions("medusa_products")["red"] == ["batch_0"])
    one_machine.heal()
    one_machine.turn_on_sensor(SENSOR)
    wait_for("green", lambda: one_machine.partitions("medusa_products")["green"] == ["batch_0"], 120)
    assert one_machine.partitions("medusa_products")["red"] == []
