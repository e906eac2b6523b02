"""`erp-medusa doctor` finds what is wrong with either server."""

import json
from pathlib import Path

import pytest
from dagster._core.scheduler.instigation import TickData, TickStatus
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from erp_medusa_pipelines.cli.sides import FrappeSide
from erp_medusa_pipelines.connections import open_shop
from erp_medusa_pipelines.settings import load_settings
from erp_medusa_pipelines.tasks import TASKS
from erp_medusa_sandbox import way
from erp_medusa_sandbox.faults import Fault
from erp_medusa_sandbox.server import running
from erp_medusa_sandbox.shop.seed import SCHEDULED
from tests.sandbox.cli.conftest import Command
from tests.support.catalogue import PRICE_LIST, Catalogue
from tests.support.operations import our_daemon
from tests.support.servers import ErpServer, MedusaServer


def medusa_1() -> Starlette:
    """A Medusa 1 as its reference describes it: an open store, an admin that knows no key of Medusa 2."""

    def regions(_request: Request) -> JSONResponse:
        return JSONResponse({"regions": [], "count": 0, "offset": 0, "limit": 1})

    def health(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("OK")

    def unauthorized(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("Unauthorized", status_code=401)

    return Starlette(
        routes=[Route("/health", health), Route("/store/regions", regions), Route("/admin/{rest:path}", unauthorized)]
    )


def test_both_servers_are_reached_and_their_versions_named(erp_medusa: Command) -> None:
    output = erp_medusa("doctor")
    assert output.finding("ERPNext", "version")["found"] == "15"
    assert output.finding("Medusa", "version")["found"] == "2.17 or newer"
    assert output.finding("ERPNext", "key")["level"] == "ok"


def test_a_medusa_1_is_recognised_and_refused(erp_medusa: Command, shop_env: pytest.MonkeyPatch) -> None:
    with running(medusa_1()) as url:
        shop_env.setenv("MEDUSA_URL", url)
        output = erp_medusa("doctor")
    version = output.finding("Medusa", "version")
    assert version["level"] == "fail"
    assert version["found"].startswith("1.x")
    assert output.code == 1


def test_a_wrong_key_is_no_silent_server(erp_medusa: Command, shop_env: pytest.MonkeyPatch) -> None:
    shop_env.setenv("ERPNEXT_API_SECRET", "wrong-secret-of-nobody")
    shop_env.setenv("MEDUSA_URL", "http://127.0.0.1:9")
    output = erp_medusa("doctor")
    assert output.finding("ERPNext", "reachable")["level"] == "ok"
    assert output.finding("ERPNext", "key")["level"] == "fail"
    assert output.code == 2, "a server that is down"
    medusa = output.finding("Medusa", "reachable")
    assert medusa["level"] == "fail"
    assert "connection refused at http://127.0.0.1:9: is the server running?" in medusa["found"]
    assert "wrong-secret-of-nobody" not in str(output.data)


def test_a_medusa_that_is_too_old_is_refused_in_one_sentence(erp_medusa: Command, medusa: MedusaServer) -> None:
    said = {"type": "invalid_data", "message": "Invalid request: Unrecognized fields: 'external_id'"}
    medusa.faults.add(Fault("status", "GET", r"/admin/collections\?.*external_id", status=400, json=said))
    output = erp_medusa("doctor")
    assert output.code == 1
    version = output.finding("Medusa", "version")
    assert version["level"] == "fail"
    assert version["found"].startswith("this Medusa is older than 2.17")
    assert version["fix"] == "use Medusa 2.17 or newer"


def test_a_medusa_without_product_options_is_too_old(erp_medusa: Command, medusa: MedusaServer) -> None:
    page = "<!DOCTYPE html><html><body><pre>Cannot GET /admin/product-options</pre></body></html>"
    medusa.faults.add(Fault("status", "GET", "/admin/product-options", status=404, text=page))
    output = erp_medusa("doctor")
    assert output.code == 1
    version = output.finding("Medusa", "version")
    assert (version["level"], version["fix"]) == ("fail", "use Medusa 2.17 or newer")
    assert version["found"].startswith("this Medusa is older than 2.17")


def test_the_longest_address_is_tried(erp_medusa: Command, erp: ErpServer, medusa: MedusaServer) -> None:
    assert erp_medusa("doctor").finding("way", "longest address to Medusa")["level"] == "ok"
    for server, limit in ((erp, 3000), (medusa, 7000)):
        server.faults.add(way.longest_line(limit))
    output = erp_medusa("doctor")
    for name in ("ERPNext", "Medusa"):
        found = output.finding("way", f"longest address to {name}")
        assert found["level"] == "warn"
        assert "414" in found["found"] or "too long" in found["found"]
        assert "8 KiB" in found["fix"]


def test_a_login_page_is_not_taken_for_a_server(erp_medusa: Command, erp: ErpServer, medusa: MedusaServer) -> None:
    for server in (erp, medusa):
        server.faults.add(way.login_page())
    output = erp_medusa("doctor")
    for name in ("ERPNext", "Medusa"):
        found = output.finding(name, "reachable")
        assert found["level"] == "fail"
        assert "Please sign in" in found["found"]


def test_it_writes_nothing(erp_medusa: Command, erp: ErpServer, medusa: MedusaServer) -> None:
    erp_medusa("doctor")
    for server in (erp, medusa):
        writes = [seen.path for seen in server.faults.requests if seen.method != "GET"]
        # Asked with no rows: whether the Server Script is there.
        assert writes in ([], ["/api/method/erp_medusa_set_values"])


def test_a_missing_right_names_the_tasks_and_the_role(erp_medusa: Command, erp: ErpServer) -> None:
    erp.site(roles=["System Manager", "Item Manager", "Sales Master Manager", "Accounts User"])
    output = erp_medusa("doctor")
    bins = output.finding("rights", "Bin")
    assert (bins["level"], bins["fixable"]) == ("fail", True)
    assert "update_webitem_stock" in bins["means"]
    assert "Stock User" in bins["fix"]
    assert output.finding("rights", "Item Price")["level"] == "ok"


def test_a_missing_right_to_write_is_no_missing_right_to_read(erp_medusa: Command, erp: ErpServer) -> None:
    erp.site(roles=["System Manager", "Sales Master Manager", "Accounts User", "Stock User"])
    assert erp_medusa("doctor").finding("rights", "Item Group")["found"] == "no right to write"


def test_missing_custom_fields_are_named(erp_medusa: Command, erp: ErpServer) -> None:
    erp.faults.add(
        Fault(
            "status",
            path="Website(%20|\\+| )Item\\?.*medusa_variant_id",
            status=417,
            json={"exc_type": "DataError", "exception": "frappe.exceptions.DataError: Field not permitted in query"},
        )
    )
    found = erp_medusa("doctor").finding("fields", "Website Item")
    assert (found["level"], found["found"]) == ("fail", "without medusa_variant_id")


def test_the_seven_jobs_of_the_app_are_all_that_a_site_has(erp_medusa: Command, erp: ErpServer) -> None:
    """As on a real site: the app knows nothing of the tasks that only we have."""
    for method, (frequency, cron) in SCHEDULED.items():
        job = {"method": method, "frequency": frequency, "cron_format": cron, "stopped": 0}
        erp.store.insert("Scheduled Job Type", name=method, **job)
    found = erp_medusa("doctor").finding("Frappe app", "scheduled jobs")
    assert (found["level"], found["found"]) == ("ok", "7 jobs, 0 of them stopped")
    with open_shop(load_settings()) as shop:
        FrappeSide(shop.erp).check()


def test_hooks_that_make_saves_fail_are_named(erp_medusa: Command, erp: ErpServer) -> None:
    erp.store.set("Medusa Configuration", "Medusa Configuration", enable=1)
    catalogue = Catalogue(erp.store)
    catalogue.item(catalogue.root, code="SKU-1")
    erp.store.insert("Item Price", item_code="SKU-1", price_list=PRICE_LIST, price_list_rate=1, medusa_id="plist_1")
    output = erp_medusa("doctor")
    assert output.finding("Frappe app", "save hooks")["level"] == "fail"
    assert output.finding("Frappe app", "Item Prices")["found"] == "1 still have the app's medusa_id"


def test_a_currency_that_medusa_does_not_sell_in_is_named(erp_medusa: Command, erp: ErpServer) -> None:
    Catalogue(erp.store)
    assert erp_medusa("doctor").finding("Medusa shop", "currency")["level"] == "ok"
    erp.store.set("Price List", PRICE_LIST, currency="JPY")
    output = erp_medusa("doctor")
    assert output.finding("Medusa shop", "currency")["level"] == "fail"
    assert output.finding("Medusa shop", "regions")["level"] == "warn"


def test_a_location_that_the_channel_does_not_sell_from_is_named(
    erp_medusa: Command, medusa: MedusaServer, shop_env: pytest.MonkeyPatch
) -> None:
    assert erp_medusa("doctor").finding("Medusa shop", "stock location")["level"] == "ok"
    location = medusa.admin("POST", "/admin/stock-locations", json={"name": "Far away"})["stock_location"]["id"]
    shop_env.setenv("MEDUSA_STOCK_LOCATION_ID", location)
    output = erp_medusa("doctor").finding("Medusa shop", "stock location")
    assert output["level"] == "fail"
    assert "cannot be bought" in output["means"]


def test_ids_that_point_to_nothing_are_counted(erp_medusa: Command, erp: ErpServer) -> None:
    catalogue = Catalogue(erp.store)
    for number in range(3):
        catalogue.item(catalogue.root, code=f"SKU-{number}", medusa_id="prod_gone", medusa_variant_id="variant_gone")
    found = erp_medusa("doctor").finding("Medusa shop", "product ids")
    assert found["level"] == "warn"
    assert "of the 3" in found["found"]
    assert "1 name a product that is gone, 1 products are named by more than one" in found["found"]


def test_what_a_server_will_not_say_is_unknown_and_stops_nothing_else(erp_medusa: Command, erp: ErpServer) -> None:
    erp.faults.add(Fault("status", path="get_time_zone", status=503))
    output = erp_medusa("doctor")
    assert output.finding("site", "clocks agree")["level"] == "unknown"
    assert output.finding("site", "rate limit")["level"] == "ok"


def test_a_zone_of_its_own_is_warned_of_and_strict_makes_it_count(
    erp_medusa: Command, erp: ErpServer, shop_env: pytest.MonkeyPatch
) -> None:
    erp.store.set("System Settings", "", time_zone="Asia/Muscat")
    assert erp_medusa("doctor").finding("site", "time zone")["fix"] == "set SCHEDULE_TIMEZONE=Asia/Muscat"
    shop_env.setenv("SCHEDULE_TIMEZONE", "Asia/Muscat")
    assert erp_medusa("doctor").finding("site", "time zone")["level"] == "ok"


def test_an_installation_without_our_dagster_yaml_fails(erp_medusa: Command, home: Path) -> None:
    # Ours by the name of its run coordinator, and nothing in it is as it must be.
    (home / "dagster.yaml").write_text("# erp_medusa_pipelines.orchestration.run_coordinator\n", encoding="utf-8")
    output = erp_medusa("doctor")
    sections = [row["found"] for row in output.data["findings"] if row["name"] == "dagster.yaml"]
    assert "run_coordinator is missing or wrong" in sections
    assert output.finding("Dagster", "daemon")["level"] == "fail"
    nothing = output.finding("Dagster", "all tasks")
    assert (nothing["found"], nothing["level"]) == ("schedule off, as all are", "ok"), "as the check in the UI has it"


def test_what_keeps_everything_from_running_fails(
    erp_medusa: Command, shop_env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A dead code server, ticks that stopped, and an address of alerts where nobody listens: doctor runs outside."""
    shop_env.setenv("DAGSTER_HOME", str(tmp_path))
    shop_env.setenv("ALERT_URLS", "json://127.0.0.1:9/")
    server = {"grpc_server": {"host": "127.0.0.1", "port": 9, "location_name": "shop"}}
    (tmp_path / "workspace.yaml").write_text(json.dumps({"load_from": [server]}))
    with our_daemon(tmp_path) as daemon:
        daemon.turn_on_sensor("alerts")
        (stored,) = daemon.instance.all_instigator_state()
        tick = TickData(
            stored.instigator_origin_id, "alerts", stored.instigator_type, TickStatus.SKIPPED, 1000.0,
            selector_id=stored.selector_id,
        )  # fmt: skip
        daemon.instance.create_tick(tick)
    output = erp_medusa("doctor")
    assert output.code == 1
    assert "shop at 127.0.0.1:9 does not answer" in output.finding("Dagster", "code server")["found"]
    assert output.finding("Dagster", "ticks")["level"] == "fail"
    assert output.finding("Dagster", "code")["level"] == "ok"
    assert "127.0.0.1:9 cannot be reached" in output.finding("Dagster", "alerts")["found"]


def test_a_wrong_key_leaves_open_whether_frappe_does_the_tasks(
    erp_medusa: Command, shop_env: pytest.MonkeyPatch, home: Path
) -> None:
    shop_env.setenv("ERPNEXT_API_KEY", "of-nobody")
    said = [row for row in erp_medusa("doctor").data["findings"] if "schedule off" in row["found"]]
    assert {row["level"] for row in said} == {"unknown", "ok"}


def test_with_our_dagster_yaml_and_schedules_on_the_tasks_are_done_here(erp_medusa: Command, home: Path) -> None:
    with our_daemon(home) as daemon:
        for task in TASKS:
            daemon.turn_on_schedule(f"{task.name}_schedule", task.cron)
    output = erp_medusa("doctor")
    assert output.finding("Dagster", "dagster.yaml")["level"] == "ok"
    assert output.finding("Dagster", "all tasks")["found"] == "done here"
    assert output.finding("Dagster", "retries")["level"] == "warn"


def test_a_question_that_a_server_refuses_is_a_finding_and_not_left_out(erp_medusa: Command, erp: ErpServer) -> None:
    """Only what rights and fields report already may be left out."""
    said = {"exc_type": "OperationalError", "exception": "OperationalError: (1052, Column 'modified' is ambiguous)"}
    refused = Fault("status", status=500, json=said, path="/api/resource/Website Item")
    erp.faults.add(refused)
    found = erp_medusa("doctor").finding("Medusa shop", "ids point to something")
    assert found["level"] == "unknown"
    assert "ambiguous" in found["found"]


def test_a_variable_with_two_values_is_named_without_them(
    erp_medusa: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster's code server reads .env over its environment; this command does the opposite."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEDUSA_CHUNK", "100")
    monkeypatch.setenv("EXPORT_BATCHES", "")
    (tmp_path / ".env").write_text("ERPNEXT_API_SECRET=of-another-site\nMEDUSA_CHUNK=100\nEXPORT_BATCHES=4\n")
    output = erp_medusa("doctor")
    settings = output.finding("Dagster", "settings")
    assert settings["level"] == "warn"
    assert settings["found"] == "ERPNEXT_API_SECRET: not the same in the environment and in .env"
    assert "of-another-site" not in str(output.data)


@pytest.mark.long
def test_a_log_in_that_medusa_refuses_is_mended_by_the_right_one_or_none(
    erp_medusa: Command, shop_env: pytest.MonkeyPatch, medusa: MedusaServer
) -> None:
    shop_env.setenv("MEDUSA_ADMIN_EMAIL", medusa.admin_email)
    shop_env.setenv("MEDUSA_ADMIN_PASSWORD", "wrong-password-of-nobody")
    output = erp_medusa("doctor")
    found = output.finding("Medusa", "key")
    assert (output.code, found["level"]) == (1, "fail")
    assert (
        found["fix"] == "set MEDUSA_ADMIN_EMAIL and MEDUSA_ADMIN_PASSWORD of a Medusa user, or neither to use the key"
    )
    assert "wrong-password-of-nobody" not in str(output.data)
    shop_env.setenv("MEDUSA_ADMIN_PASSWORD", medusa.admin_password)
    assert erp_medusa("doctor").finding("Medusa", "key")["level"] == "ok"
    shop_env.delenv("MEDUSA_ADMIN_EMAIL")
    shop_env.delenv("MEDUSA_ADMIN_PASSWORD")
    assert erp_medusa("doctor").finding("Medusa", "key")["level"] == "ok"
