"""The sensor that brings changed items to the shop, and the runs that it asks for, as a customer sees them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.orchestration.schedules.frappe_scheduler import ASK_TAG
from erp_medusa_pipelines.orchestration.sensors.follow_changes import CHANGES_TAG, changes_waiting
from erp_medusa_pipelines.orchestration.sensors.problems.found import problems
from erp_medusa_pipelines.settings import load_settings
from erp_medusa_pipelines.tasks import CHANGES_SENSOR as SENSOR
from erp_medusa_sandbox.faults import Fault
from tests.support.catalogue import PRICE_LIST, Catalogue
from tests.support.erp_client import client_of
from tests.support.operations import Clock, Daemon, our_daemon
from tests.support.servers import ErpServer, MedusaServer

EXPORT = "export_items_and_images_custom"
BATCH = "batch_0"


class Staff:
    """Who changes things in ERPNext while the daemon ticks."""

    def __init__(self, erp: ErpServer, medusa: MedusaServer, daemon: Daemon) -> None:
        self.erp, self.medusa, self.daemon = erp, medusa, daemon
        self.client = client_of(erp)
        erp.store.insert("Currency", name="OMR", currency_name="OMR", enabled=1)
        erp.store.insert("UOM", name="Nos", uom_name="Nos")
        self.catalogue = Catalogue(erp.store)
        self.group = self.catalogue.group("Gloves")
        self.catalogue.install_server_script()
        self.names = self.catalogue.items(4, self.group, stock_uom="Nos")

    def retitle(self, name: str, title: str) -> None:
        self.client.update("Website Item", name, {"web_item_name": title})

    def code(self, name: str) -> str:
        return self.catalogue.row(name)["item_code"]

    def title(self, name: str) -> str:
        product = self.catalogue.row(name)["medusa_id"]
        return self.medusa.store("GET", f"/store/products/{product}").json()["product"]["title"]

    def price(self, name: str) -> float | None:
        product = self.catalogue.row(name)["medusa_id"]
        address = f"/store/products/{product}?region_id={self.medusa.region_id}&fields=*variants.calculated_price"
        variant = self.medusa.store("GET", address).json()["product"]["variants"][0]
        return (variant["calculated_price"] or {}).get("calculated_amount")

    def tick(self) -> Sequence[dg.RunRequest]:
        return self.daemon.sensor(SENSOR)[0]

    def skipped(self) -> str:
        requests, why = self.daemon.sensor(SENSOR)
        assert not requests
        return why

    def follow(self) -> dg.RunRequest:
        """Tick, and carry out the one run that is asked for."""
        (request,) = self.tick()
        assert self.daemon.run(request).success
        return request


@pytest.fixture
def staff(shop_env: pytest.MonkeyPatch, erp: ErpServer, medusa: MedusaServer, tmp_path: Path) -> Iterator[Staff]:
    """A shop after its night, whose changes are followed from now on."""
    shop_env.setenv("EXPORT_BATCHES", "1")
    with our_daemon(tmp_path) as daemon:
        made = Staff(erp, medusa, daemon)
        assert daemon.runner.job(EXPORT, BATCH).success
        for doctype in ("Website Item", "Item", "Item Group", "Price List"):
            for row in erp.store.rows(doctype):
                erp.store.set(doctype, row["name"], modified="2020-01-01 00:00:00")
        assert "from now on" in made.skipped()
        yield made
        made.client.http.close()


def parts(request: dg.RunRequest) -> dict[str, list[str]]:
    return request.run_config["ops"]["export_items"]["config"]["parts"]


@pytest.mark.long
def test_a_changed_title_is_in_the_shop_after_one_run_and_then_all_is_quiet(staff: Staff) -> None:
    name = staff.names[0]
    staff.retitle(name, "Mask, new")
    request = staff.follow()
    assert (request.job_name, parts(request)) == ("sync_items", {name: ["item"]})
    assert staff.title(name) == "Mask, new"
    assert staff.skipped() == "nothing changed"


@pytest.mark.long
def test_ten_documents_of_one_item_are_one_item_and_a_price_alone_is_prices_alone(staff: Staff) -> None:
    one, two = staff.names[:2]
    for number in range(5):
        staff.retitle(one, f"Mask {number}")
    staff.client.insert(
        "Item Price", {"item_code": staff.code(two), "price_list": PRICE_LIST, "price_list_rate": 7.5, "uom": "Nos"}
    )
    request = staff.follow()
    assert parts(request) == {one: ["item"], two: ["prices"]}
    assert (staff.title(one), staff.price(two)) == ("Mask 4", 7.5)


@pytest.mark.long
def test_a_price_that_is_deleted_leaves_the_shop(staff: Staff) -> None:
    name = staff.names[0]
    price = staff.client.insert(
        "Item Price", {"item_code": staff.code(name), "price_list": PRICE_LIST, "price_list_rate": 7.5, "uom": "Nos"}
    )
    staff.follow()
    assert staff.price(name) == 7.5
    staff.client.delete("Item Price", price["name"])
    staff.follow()
    assert staff.price(name) is None


@pytest.mark.long
def test_a_run_that_fails_gives_its_items_back_and_they_are_tried_later(staff: Staff, clock: Clock) -> None:
    name = staff.names[0]
    staff.retitle(name, "Mask, new")
    staff.medusa.faults.add(Fault("status", status=503, path=r"/admin/products"))
    (request,) = staff.tick()
    assert not staff.daemon.run(request).success
    assert "1 wait" in staff.skipped()
    staff.medusa.faults.heal()
    # New changes do not wait for it.
    staff.retitle(staff.names[1], "Gloves, new")
    assert list(parts(staff.follow())) == [staff.names[1]]
    clock.advance(seconds=61)
    assert list(parts(staff.follow())) == [name]
    assert staff.title(name) == "Mask, new"
    assert changes_waiting(staff.daemon.instance) is not None
    staff.skipped()
    assert changes_waiting(staff.daemon.instance) is None


@pytest.mark.long
def test_what_a_killed_run_gave_back_does_not_wait_until_staff_save_no_more(staff: Staff, clock: Clock) -> None:
    one, two, three = staff.names[:3]
    staff.retitle(one, "Mask, new")
    (request,) = staff.tick()
    run = staff.daemon.queued("sync_items", **{CHANGES_TAG: request.tags[CHANGES_TAG]})
    staff.daemon.instance.report_run_failed(run)
    staff.retitle(two, "Gloves, new")
    assert list(parts(staff.follow())) == [two]
    clock.advance(seconds=61)
    staff.retitle(three, "Mirror, new")
    assert list(parts(staff.follow())) == [one]
    # Nor does it keep new changes waiting for more than that run.
    staff.retitle(two, "Gloves, newer")
    assert sorted(parts(staff.follow())) == sorted([two, three])


@pytest.mark.long
def test_changes_are_collected_while_a_run_works_and_a_lost_run_loses_nothing(staff: Staff, clock: Clock) -> None:
    one, two = staff.names[:2]
    staff.retitle(one, "Mask, new")
    (request,) = staff.tick()
    run = staff.daemon.queued("sync_items", **{CHANGES_TAG: request.tags[CHANGES_TAG]})
    staff.retitle(two, "Gloves, new")
    assert "is at work" in staff.skipped()
    staff.daemon.instance.delete_run(run.run_id)
    assert list(parts(staff.follow())) == [two]
    clock.advance(seconds=61)
    assert list(parts(staff.follow())) == [one]


@pytest.mark.long
def test_an_item_whose_batch_is_at_work_waits_for_the_end_of_that_run(staff: Staff) -> None:
    run = staff.daemon.queued(EXPORT, BATCH, batch=BATCH)
    staff.retitle(staff.names[0], "Mask, new")
    assert staff.skipped() == "batch_0 is at work; 1 wait"
    staff.daemon.instance.report_run_canceled(run)
    staff.follow()
    assert staff.title(staff.names[0]) == "Mask, new"


@pytest.mark.long
def test_more_items_than_are_followed_start_their_batches_once(staff: Staff, shop_env: pytest.MonkeyPatch) -> None:
    shop_env.setenv("CHANGES_AT_MOST", "3")
    for name in staff.names:
        staff.retitle(name, f"New {name}")
    request = staff.follow()
    assert (request.job_name, request.partition_key) == (EXPORT, BATCH)
    assert [staff.title(name) for name in staff.names] == [f"New {name}" for name in staff.names]
    assert staff.skipped() == "nothing changed"


@pytest.mark.long
def test_a_saved_price_list_starts_the_prices_of_all_batches(staff: Staff) -> None:
    staff.client.update("Price List", PRICE_LIST, {"enabled": 1})
    (request,) = staff.tick()
    assert (request.job_name, request.partition_key) == ("sync_missing_prices_to_medusa", BATCH)


@pytest.mark.long
def test_a_saved_item_group_brings_the_collections_alone(staff: Staff) -> None:
    staff.client.update("Item Group", staff.group, {"image": ""})
    assert staff.follow().asset_selection == [dg.AssetKey("medusa_collections")]


@pytest.mark.long
def test_what_waited_while_frappe_got_the_export_back_does_nothing(staff: Staff) -> None:
    """As after `hand-back --only-frappe`: a batch was at work, the run waited in the queue behind it."""
    name = staff.names[0]
    before = staff.title(name)
    staff.retitle(name, "Another title")
    (request,) = staff.tick()
    staff.erp.store.set("System Settings", "", enable_scheduler=1)
    job = {"method": f"medusa_integration.api.{EXPORT}", "frequency": "Cron", "cron_format": "0 1 * * *", "stopped": 0}
    staff.erp.store.insert("Scheduled Job Type", name=f"api.{EXPORT}", **job)
    tags = {**request.tags, ASK_TAG: "yes", "dagster/sensor_name": SENSOR}
    run = staff.daemon.run(request.with_replaced_attrs(tags=tags))
    assert not run.success
    assert f"Frappe's scheduler does {EXPORT}" in run.failure_text("export_items")
    assert staff.title(name) == before


@pytest.mark.long
def test_while_frappe_does_the_export_nothing_starts_and_nothing_is_forgotten(staff: Staff) -> None:
    staff.erp.store.set("System Settings", "", enable_scheduler=1)
    job = staff.erp.store.insert(
        "Scheduled Job Type", name="x", method=f"medusa_integration.api.{EXPORT}", stopped=0, frequency="Cron",
        cron_format="0 1 * * *",
    )  # fmt: skip
    staff.retitle(staff.names[0], "Mask, new")
    assert "Frappe" in staff.skipped()
    staff.erp.store.set("Scheduled Job Type", job, stopped=1)
    staff.follow()
    assert staff.title(staff.names[0]) == "Mask, new"


@pytest.mark.long
def test_a_run_for_one_item_reads_as_much_of_a_large_catalogue_as_of_a_small_one(
    staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a change would take longer to arrive, the larger the shop."""
    rows: list[int] = []
    get_list = ErpNextClient.get_list

    def counted(client: ErpNextClient, *arguments: Any, **options: Any) -> list[dict[str, Any]]:
        found = get_list(client, *arguments, **options)
        rows.append(len(found))
        return found

    def read_for(name: str) -> int:
        staff.retitle(name, f"New {name}")
        (request,) = staff.tick()
        rows.clear()
        assert staff.daemon.run(request).success
        return sum(rows)

    monkeypatch.setattr(ErpNextClient, "get_list", counted)
    small = read_for(staff.names[0])
    staff.catalogue.items(300, staff.group, stock_uom="Nos")
    for doctype in ("Website Item", "Item"):
        for row in staff.erp.store.rows(doctype):
            staff.erp.store.force(doctype, row["name"], modified="2020-01-01 00:00:00")
    assert read_for(staff.names[1]) <= small + 5


@pytest.mark.long
def test_an_alert_says_that_changes_do_not_arrive(staff: Staff, clock: Clock) -> None:
    staff.daemon.turn_on_sensor(SENSOR)
    staff.retitle(staff.names[0], "Mask, new")
    staff.medusa.faults.add(Fault("status", status=503, path=r"/admin/products"))
    (request,) = staff.tick()
    staff.daemon.run(request)
    staff.skipped()
    settings, instance = load_settings(), staff.daemon.instance
    assert not [one for one in problems(instance, settings) if one.key == "changes"]
    clock.advance(minutes=16)
    (one,) = [one for one in problems(instance, settings) if one.key == "changes"]
    assert "503" in one.text


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.mark.long
def test_near_erpnexts_rate_limit_it_is_asked_later_and_nothing_is_lost(staff: Staff, clock: Clock) -> None:
    staff.erp.site(rate_limit={"limit": 0.0001, "window": 600})
    staff.skipped()
    staff.erp.site(rate_limit=None)
    staff.retitle(staff.names[0], "Mask, new")
    staff.erp.faults.forget_requests()
    assert "of its rate limit is left for" in staff.skipped()
    assert staff.erp.faults.requests == []
    clock.advance(seconds=700)
    staff.follow()
    assert staff.title(staff.names[0]) == "Mask, new"


@pytest.mark.long
def test_a_refusal_for_too_many_requests_is_no_failed_tick(staff: Staff, clock: Clock) -> None:
    staff.retitle(staff.names[0], "Mask, new")
    staff.erp.faults.add(Fault("status", status=429, headers={"Retry-After": "120"}, times=1))
    assert "too many requests" in staff.skipped()
    assert "0% of its rate limit is left for" in staff.skipped()
    clock.advance(seconds=130)
    staff.follow()
    assert staff.title(staff.names[0]) == "Mask, new"
