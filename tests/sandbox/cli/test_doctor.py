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
from tests.support.runs import Runner
from tests.support.servers import ErpServer, MedusaServer, embedded_medusa


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


def test_both_servers_are_reached_and_their_versions_told(erp_medusa: Command) -> None:
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


def test_a_wrong_key_is_told_apart_from_a_silent_server(erp_medusa: Command, shop_env: pytest.MonkeyPatch) -> None:
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


def test_a_missing_right_to_write_is_told_apart_from_reading(erp_medusa: Command, erp: ErpServer) -> None:
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


def test_hooks_that_make_saves_fail_are_told(erp_medusa: Command, erp: ErpServer) -> None:
    erp.store.set("Medusa Configuration", "Medusa Configuration", enable=1)
    catalogue = Catalogue(erp.store)
    catalogue.item(catalogue.root, code="SKU-1")
    erp.store.insert("Item Price", item_code="SKU-1", price_list=PRICE_LIST, price_list_rate=1, medusa_id="plist_1")
    output = erp_medusa("doctor")
    assert output.finding("Frappe app", "save hooks")["level"] == "fail"
    assert output.finding("Frappe app", "Item Prices")["found"] == "1 still have the app's medusa_id"


def test_a_currency_that_medusa_does_not_sell_in_is_told(erp_medusa: Command, erp: ErpServer) -> None:
    Catalogue(erp.store)
    assert erp_medusa("doctor").finding("Medusa shop", "currency")["level"] == "ok"
    erp.store.set("Price List", PRICE_LIST, currency="JPY")
    output = erp_medusa("doctor")
    assert output.finding("Medusa shop", "currency")["level"] == "fail"
    assert output.finding("Medusa shop", "regions")["level"] == "warn"


def test_a_location_that_the_channel_does_not_sell_from_is_told(
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


@pytest.mark.long
def test_price_lists_of_customers_are_looked_at_where_the_shop_shows_them(
    erp: ErpServer, erp_medusa: Command, shop_env: pytest.MonkeyPatch, runner: Runner
) -> None:
    erp.store.insert("Price List", name="Wholesale", price_list_name="Wholesale", selling=1, currency="OMR")
    erp.store.insert("Price List", name="Export", price_list_name="Export", selling=1, currency="CHF")
    erp.store.insert("Price List", name="Buying", price_list_name="Buying", selling=0, currency="OMR")
    for group, price_list in (("Trade", "Wholesale"), ("Abroad", "Export"), ("Suppliers", "Buying")):
        erp.store.insert("Customer Group", customer_group_name=group, default_price_list=price_list)
    assert [row for row in erp_medusa("doctor").data["findings"] if row["area"] == "prices"] == []
    shop_env.setenv("PRICE_GROUPS", "true")
    output = erp_medusa("doctor")
    assert "Medusa has no group for it yet" in output.finding("prices", "Trade")["found"]
    assert "Export is in CHF, and Medusa's regions sell in OMR" in output.finding("prices", "Abroad")["found"]
    assert "Buying is not for selling" in output.finding("prices", "Suppliers")["found"]
    assert output.finding("rights", "Contact")["level"] == "ok"
    erp.store.set("Customer Group", "Suppliers", default_price_list="Wholesale")
    runner.job("sync_customer_groups")
    levels = {row["name"]: row["level"] for row in erp_medusa("doctor").data["findings"] if row["area"] == "prices"}
    assert levels == {"Abroad": "warn", "Suppliers": "ok", "Trade": "ok"}


@pytest.mark.long
def test_further_price_lists_are_named_until_the_setting_is_right(
    erp: ErpServer, erp_medusa: Command, shop_env: pytest.MonkeyPatch
) -> None:
    erp.store.insert("Price List", name=PRICE_LIST, price_list_name=PRICE_LIST, selling=1, currency="OMR")
    erp.store.insert("Price List", name="Euro", price_list_name="Euro", selling=1, currency="EUR")
    shop_env.setenv("FURTHER_PRICE_LISTS", '{"Nowhere": ""}')
    output = erp_medusa("doctor").finding("prices", "Price Lists")
    assert (output["level"], output["fix"]) == ("fail", "correct FURTHER_PRICE_LISTS")
    shop_env.setenv("FURTHER_PRICE_LISTS", '{"Euro": "reg_of_nobody"}')
    assert erp_medusa("doctor").finding("prices", "Euro")["fix"] == "correct FURTHER_PRICE_LISTS"
    shop_env.setenv("FURTHER_PRICE_LISTS", '{"Euro": ""}')
    levels = {row["name"]: row["level"] for row in erp_medusa("doctor").data["findings"] if row["area"] == "prices"}
    assert levels == {"Euro": "warn"}, "no region sells in euros"


def test_pricing_rules_that_the_shop_does_not_apply_are_named(
    erp: ErpServer, erp_medusa: Command, shop_env: pytest.MonkeyPatch
) -> None:
    common = {"selling": 1, "apply_on": "Item Code", "rate_or_discount": "Discount Percentage"}
    erp.store.insert("Pricing Rule", name="PRLE-1", title="Code", coupon_code_based=1, **common)
    erp.store.insert("Pricing Rule", name="PRLE-2", title="Winter", **common)
    shop_env.setenv("PRICING_RULES", "true")
    output = erp_medusa("doctor")
    assert output.finding("prices", "Pricing Rule PRLE-1")["found"] == "it needs a coupon"
    assert output.finding("prices", "Pricing Rules")["found"] == "1 are applied in the shop"
    assert output.finding("rights", "Pricing Rule")["level"] == "ok"


def test_a_mapping_is_named_by_its_lines_until_it_is_right(
    erp_medusa: Command, shop_env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert not [row for row in erp_medusa("doctor").data["findings"] if row["name"] == "mapping"]
    file = tmp_path / "catalogue.yaml"
    shop_env.setenv("MAPPING", str(file))
    file.write_text("fields:\n  title: web_item_name\n  hs_code: {from: [a]}\n", encoding="utf-8")
    output = erp_medusa("doctor").finding("fields", "mapping")
    assert (output["level"], output["fix"]) == ("fail", "correct the mapping")
    assert output["found"].startswith(f"{file}:3:12: hs_code takes one value")
    file.write_text("fields:\n  title: web_item_name\n  material: item.custom_steel\n", encoding="utf-8")
    output = erp_medusa("doctor").finding("fields", "mapping")
    assert output["found"].startswith(f"{file}:3:3: material: the site's Item has no field 'custom_steel'")
    file.write_text("fields:\n  title: web_item_name\n  material: item.brand\n", encoding="utf-8")
    output = erp_medusa("doctor").finding("fields", "mapping")
    assert (output["level"], output["found"]) == ("ok", f"{file}: 2 rows")


def test_a_mapping_that_reads_tags_of_pages_needs_a_right_and_another_one_does_not(
    erp: ErpServer, erp_medusa: Command, shop_env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "catalogue.yaml"
    shop_env.setenv("MAPPING", str(file))
    erp.add_user("stock", "Item Manager", "Stock User", "Sales Master Manager", "Accounts User")
    shop_env.setenv("ERPNEXT_API_KEY", "stock")
    file.write_text("fields:\n  title: web_item_name\n", encoding="utf-8")
    output = erp_medusa("doctor")
    assert not [row for row in output.data["findings"] if row["name"] == "Website Route Meta"]
    file.write_text("fields:\n  title: web_item_name\n  subtitle: meta.title\n", encoding="utf-8")
    output = erp_medusa("doctor")
    assert output.finding("rights", "Website Route Meta")["level"] == "fail"
    assert "may not read Website Route Meta" in output.finding("fields", "mapping")["found"]


def test_rules_of_what_goes_where_that_name_nothing_are_told_until_they_are_right(
    erp_medusa: Command, erp: ErpServer, shop_env: pytest.MonkeyPatch
) -> None:
    group = Catalogue(erp.store).group("Dental")
    rule = {"item_group": [group, "Dentul"], "brand": "Nobody", "custom_no_such_field": 1}
    shop_env.setenv("SHOP_ITEMS", json.dumps(rule))
    shop_env.setenv("SALES_CHANNELS", json.dumps({"sc_gone": {"item_group": group}}))
    output = erp_medusa("doctor")
    found = [
        (one["name"], one["level"], one["found"]) for one in output.data["findings"] if one["area"] == "what goes where"
    ]
    assert [one[:2] for one in found] == [
        ("SALES_CHANNELS", "fail"), ("SHOP_ITEMS", "fail"), ("SHOP_ITEMS", "warn"), ("SHOP_ITEMS", "fail"),
        ("SALES_CHANNELS", "ok"),
    ]  # fmt: skip
    said = [one[2] for one in found]
    assert said[0].startswith("SALES_CHANNELS names sc_gone, which does not exist")
    assert said[1] == "ERPNext has no Item Group Dentul"
    assert said[2] == "no Website Item has brand Nobody"
    assert said[3].startswith("Website Item has no field custom_no_such_field")
    assert said[4] == f"Item Group {group}"
    shop_env.setenv("SHOP_ITEMS", json.dumps({"item_group": group}))
    shop_env.delenv("SALES_CHANNELS")
    output = erp_medusa("doctor").finding("what goes where", "SHOP_ITEMS")
    assert (output["level"], output["found"]) == ("ok", f"Item Group {group}")


def test_a_language_without_texts_is_told_until_it_has_some(
    erp_medusa: Command, erp: ErpServer, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("LANGUAGES", '{"ar-OM": "ar"}')
    output = erp_medusa("doctor").finding("fields", "languages")
    assert (output["level"], output["found"]) == ("warn", "ERPNext has no Translation into ar")
    erp.store.insert("Translation", name="one", language="ar", source_text="Gloves", translated_text="قفازات")
    output = erp_medusa("doctor").finding("fields", "languages")
    assert (output["level"], output["found"]) == ("ok", "1 Translations into ar")
    shop_env.setenv("LANGUAGE_FIELDS", '{"title": "custom_no_such_name_{language}"}')
    output = erp_medusa("doctor").finding("fields", "languages")
    assert (output["level"], output["found"]) == ("fail", "Website Item has no field custom_no_such_name_ar")
    shop_env.setenv("LANGUAGE_FIELDS", '{"title": "custom_web_item_name_{language}"}')
    assert erp_medusa("doctor").finding("fields", "languages")["level"] == "ok"


def test_it_is_said_where_texts_are_kept_and_which_locales_medusa_does_not_name(
    erp_medusa: Command, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("LANGUAGES", '{"ar-OM": "ar"}')
    said = erp_medusa("doctor").finding("Medusa shop", "languages")
    assert (said["level"], said["found"]) == ("ok", "Medusa's Translation module is off: texts are in the metadata")
    with embedded_medusa(translations=True) as medusa:
        shop_env.setenv("MEDUSA_URL", medusa.url)
        said = erp_medusa("doctor").finding("Medusa shop", "languages")
        assert (said["level"], said["found"]) == (
            "ok",
            "ar-OM is in Medusa's own translations, which has no such locale",
        )
        shop_env.setenv("LANGUAGES", '{"ar-ae": "ar"}')
        said = erp_medusa("doctor").finding("Medusa shop", "languages")
        assert said["level"] == "warn"
        assert said["found"] == "ar-AE is in Medusa's own translations, not among the store's locales"


def test_a_setting_without_the_one_that_it_refines_is_named(erp_medusa: Command, shop_env: pytest.MonkeyPatch) -> None:
    shop_env.setenv("UNUSED_OPTION_VALUES", "remove")
    shop_env.setenv("EMPTY_GROUPS", "hide")
    assert erp_medusa("doctor").finding("catalogue", "EMPTY_GROUPS=hide")["level"] == "warn"
    shop_env.setenv("CATEGORIES", "used")
    assert erp_medusa("doctor").finding("catalogue", "UNUSED_OPTION_VALUES")["level"] == "warn"
    shop_env.setenv("VARIANTS", "options")
    assert not [one for one in erp_medusa("doctor").data["findings"] if one["area"] == "catalogue"]


def test_parents_that_are_no_templates_are_named(
    erp_medusa: Command, erp: ErpServer, shop_env: pytest.MonkeyPatch
) -> None:
    catalogue = Catalogue(erp.store)
    group = catalogue.group("Files")
    parent, plain = catalogue.item(group, item={"has_variants": 1}, has_variants=1), catalogue.item(group)
    catalogue.item(group, custom_parent_website_item=parent)
    shop_env.setenv("VARIANTS", "parents")
    assert erp_medusa("doctor").finding("catalogue", "VARIANTS")["found"] == "1 Website Items name 1 parents"
    lost = catalogue.item(group, custom_parent_website_item=plain)
    output = erp_medusa("doctor").finding("catalogue", "VARIANTS")
    assert (output["level"], output["found"]) == (
        "warn", f"1 of 2 Website Items name a parent that is no template ({lost})",
    )  # fmt: skip
    erp.store.set("Website Item", lost, custom_parent_website_item=parent)
    assert erp_medusa("doctor").finding("catalogue", "VARIANTS")["level"] == "ok"


def test_prices_of_one_customer_are_named_until_it_has_a_price_list(
    erp_medusa: Command, erp: ErpServer, shop_env: pytest.MonkeyPatch
) -> None:
    def named() -> list[str]:
        rows = erp_medusa("doctor").data["findings"]
        return [row["found"] for row in rows if row["name"] == "prices of one Customer"]

    catalogue = Catalogue(erp.store)
    code = catalogue.row(catalogue.item(catalogue.group("Files")))["item_code"]
    row = {"item_code": code, "price_list": PRICE_LIST, "price_list_rate": 4, "currency": "OMR", "selling": 1}
    price = erp.store.insert("Item Price", customer="Al Noor Clinic", **row)
    assert named() == []
    shop_env.setenv("PRICE_GROUPS", "true")
    assert named() == ["1 Item Prices are for one Customer alone, of 1 (Al Noor Clinic)"]
    erp.store.delete("Item Price", price)
    assert named() == []
