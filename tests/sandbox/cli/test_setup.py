"""`erp-medusa setup` makes what is missing and nothing else, and its user can do all seven tasks."""

import stat
from pathlib import Path

import pytest
import requests

from dev.mail_sink import mail_sink
from erp_medusa_pipelines.readiness import needs
from erp_medusa_pipelines.tasks import TASKS
from erp_medusa_sandbox.faults import Fault
from erp_medusa_sandbox.shop.seed import seed_shop
from tests.sandbox.cli.conftest import Command, Told
from tests.support.runs import Runner
from tests.support.servers import ErpServer

USER = "erp-medusa@pipelines.local"
ADMIN = "Admin"


@pytest.fixture
def admin(erp: ErpServer, shop_env: pytest.MonkeyPatch) -> str:
    """An administrator's key in the environment."""
    erp.add_user(ADMIN, "System Manager", "Script Manager", "Sales Master Manager")
    shop_env.setenv("ADMIN_API_KEY", ADMIN)
    shop_env.setenv("ADMIN_API_SECRET", erp.secret)
    return ADMIN


def states(output: Told, area: str) -> dict[str, str]:
    return {step["name"]: step["state"] for step in output.data["steps"] if step["area"] == area}


def writes(erp: ErpServer) -> list[str]:
    return [f"{seen.method} {seen.path}" for seen in erp.faults.requests if seen.method != "GET"]


@pytest.mark.usefixtures("admin")
def test_a_dry_run_says_what_would_be_made_and_makes_nothing(erp_medusa: Command, erp: ErpServer) -> None:
    output = erp_medusa("setup", "--dry-run")
    assert output.code == 1
    assert states(output, "role") == {needs.ROLE: "missing"}
    assert states(output, "user") == {USER: "missing"}
    assert set(states(output, "rights")) == set(needs.rights_of_role()) - needs.GIVEN_TO_ALL
    assert writes(erp) == []


@pytest.mark.usefixtures("admin")
@pytest.mark.parametrize(
    ("setting", "value", "why"),
    [
        # Every other command would speak to the sandbox, and this one to ERPNEXT_URL.
        ("USE_SANDBOX", "true", "USE_SANDBOX=true is set"),
        # A right that it needs would be left out.
        ("MAPPING", "nowhere.yaml", "nowhere.yaml"),
    ],
)
def test_a_setup_that_cannot_know_what_is_needed_writes_nothing(
    setting: str, value: str, why: str, erp_medusa: Command, erp: ErpServer, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv(setting, value)
    output = erp_medusa("setup")
    assert output.code == 2
    assert why in output.data["error"]
    assert writes(erp) == []


@pytest.mark.usefixtures("admin")
@pytest.mark.long
def test_a_second_setup_makes_nothing(erp_medusa: Command, erp: ErpServer) -> None:
    first = erp_medusa("setup")
    assert first.code == 0, first.data
    assert first.data["key"]["ERPNEXT_API_SECRET"]
    erp.faults.forget_requests()
    second = erp_medusa("setup")
    assert second.code == 0
    assert {step["state"] for step in second.data["steps"]} == {"there"}
    assert "key" not in second.data
    assert writes(erp) == []


@pytest.mark.usefixtures("admin")
def test_everybody_else_keeps_their_rights(erp_medusa: Command, erp: ErpServer) -> None:
    erp.add_user("Staff", "Stock User", "Item Manager")

    def may() -> dict[str, int]:
        headers = {"Authorization": f"token Staff:{erp.secret}", "Accept": "application/json"}
        routes = {doctype: f"{erp.url}/api/resource/{doctype}" for doctype in needs.rights_of_role()}
        return {doctype: requests.get(url, headers=headers, timeout=30).status_code for doctype, url in routes.items()}

    before = may()
    assert {200, 403} <= set(before.values())
    erp_medusa("setup")
    assert may() == before


@pytest.mark.usefixtures("admin")
@pytest.mark.parametrize("steps_before", [0, 1, 5, 20, 30])
@pytest.mark.long
def test_a_setup_that_was_broken_off_is_gone_on_with(erp_medusa: Command, erp: ErpServer, steps_before: int) -> None:
    erp.faults.add(Fault("status", method="POST", skip=steps_before, status=417, json={"exc_type": "ValidationError"}))
    broken = erp_medusa("setup")
    erp.faults.heal()
    assert broken.code in (1, 2)
    again = erp_medusa("setup")
    assert again.code == 0, [step for step in again.data["steps"] if step["state"] not in ("there", "made")]
    assert erp.store.count("User", name=USER) == 1
    assert erp.store.count("Role", role_name=needs.ROLE) == 1
    assert erp_medusa("setup", "--dry-run").code == 0


@pytest.mark.usefixtures("admin")
def test_a_first_setup_needs_no_key_but_the_administrators(
    erp_medusa: Command, erp: ErpServer, shop_env: pytest.MonkeyPatch
) -> None:
    """It makes the key that the other settings ask for."""
    for name in ("ERPNEXT_API_KEY", "ERPNEXT_API_SECRET", "MEDUSA_URL", "MEDUSA_API_KEY"):
        shop_env.delenv(name)
    shop_env.setenv("PRICING_RULES", "true")
    output = erp_medusa("setup")
    assert (output.code, sorted(output.data["key"])) == (0, ["ERPNEXT_API_KEY", "ERPNEXT_API_SECRET"])
    assert states(output, "rights")["Pricing Rule"] == "made", "what the settings turn on is asked for all the same"


@pytest.mark.usefixtures("admin")
def test_an_administrators_key_that_is_wrong_is_named_by_its_variables(
    erp_medusa: Command, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("ADMIN_API_SECRET", "another")
    output = erp_medusa("setup")
    assert (output.code, output.data["error"]) == (
        2,
        "ERPNext does not accept the key in ADMIN_API_KEY and ADMIN_API_SECRET",
    )


@pytest.mark.usefixtures("admin")
@pytest.mark.long
def test_the_user_of_the_setup_does_all_seven_tasks_without_a_refusal(
    erp_medusa: Command, erp: ErpServer, shop_env: pytest.MonkeyPatch, runner: Runner
) -> None:
    seed_shop(erp.store, items=30)
    key = erp_medusa("setup").data["key"]
    for name, value in key.items():
        shop_env.setenv(name, value)
    shop_env.delenv("ADMIN_API_KEY")
    # Without these nobody is written to.
    shop_env.setenv("CART_URL", "https://shop.example/cart?id={cart}")
    shop_env.setenv("PRODUCT_URL", "https://shop.example/products/{handle}")
    shop_env.setenv("MEDUSA_PLUGIN_SECRET", "a-secret-of-this-test")
    shop_env.setenv("WEEKLY_REPORT_TO", '["erp@shop.example"]')
    examined = erp_medusa("doctor")
    assert {row["level"] for row in examined.data["findings"] if row["area"] == "rights"} == {"ok"}
    erp.faults.forget_requests()
    with mail_sink() as sink:
        erp.site(smtp_port=sink.port)
        for task in TASKS:
            run = runner.job(task.name, "batch_0" if task.partitioned else None)
            assert run.success, (task.name, run.reasons())
    refused = [seen.path for seen in erp.faults.requests if seen.status in (401, 403)]
    assert refused == []


@pytest.mark.usefixtures("admin")
@pytest.mark.long
def test_without_one_right_of_the_role_the_doctor_names_it(
    erp_medusa: Command, erp: ErpServer, shop_env: pytest.MonkeyPatch
) -> None:
    key = erp_medusa("setup").data["key"]
    for name, value in key.items():
        shop_env.setenv(name, value)
    rule = erp.store.rows("Custom DocPerm", parent="Item Group", role=needs.ROLE)[0]
    erp.store.set("Custom DocPerm", rule["name"], write=0)
    assert erp_medusa("doctor").finding("rights", "Item Group")["found"] == "no right to write"
    assert states(erp_medusa("setup"), "rights")["Item Group"] == "made"
    assert erp_medusa("doctor").finding("rights", "Item Group")["level"] == "ok"


@pytest.mark.usefixtures("admin")
def test_the_key_goes_into_a_file_of_its_owners_own_and_nowhere_else(
    erp_medusa: Command, erp: ErpServer, tmp_path: Path
) -> None:
    file = tmp_path / "erpnext.env"
    output = erp_medusa("setup", "--key-file", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key, secret = (line.partition("=")[2] for line in file.read_text().splitlines())
    assert secret
    assert secret not in str(output.data)
    headers = {"Authorization": f"token {key}:{secret}"}
    who = requests.get(f"{erp.url}/api/method/frappe.auth.get_logged_user", headers=headers, timeout=30)
    assert who.json()["message"] == USER
    again = erp_medusa("setup", "--key-file", str(file), "--new-key")
    assert again.code == 2
    assert "not overwritten" in again.data["error"]


@pytest.mark.usefixtures("admin")
def test_somebody_elses_user_is_left_alone(erp_medusa: Command, erp: ErpServer) -> None:
    name = erp.add_user("Somebody", "Stock User")
    output = erp_medusa("setup", "--user", name)
    assert (output.code, states(output, "user")) == (1, {name: "left"})
    assert "key" not in output.data
    assert [row["role"] for row in erp.store.rows("Has Role", parent=name)] == ["Stock User"]


@pytest.mark.usefixtures("admin")
@pytest.mark.long
def test_another_text_of_the_server_script_is_replaced_only_when_asked(erp_medusa: Command, erp: ErpServer) -> None:
    erp_medusa("setup")
    (script,) = (row["name"] for row in erp.store.rows("Server Script") if row["api_method"] == "erp_medusa_set_values")
    erp.store.set("Server Script", script, script="# an older version")
    output = erp_medusa("setup")
    assert (output.code, states(output, "Server Script")) == (1, {script: "left", "erp_medusa_get_lists": "there"})
    updated = states(erp_medusa("setup", "--update-script"), "Server Script")
    assert updated == {script: "made", "erp_medusa_get_lists": "there"}
    assert erp_medusa("setup").code == 0


def test_an_administrator_who_may_not_read_prices_may_set_up_all_the_same(
    erp_medusa: Command, erp: ErpServer, shop_env: pytest.MonkeyPatch
) -> None:
    erp.add_user("Manager", "System Manager", "Script Manager")
    shop_env.setenv("ADMIN_API_KEY", "Manager")
    shop_env.setenv("ADMIN_API_SECRET", erp.secret)
    assert erp_medusa("setup").code == 0
    assert erp_medusa("setup").code == 0


def test_without_an_administrators_key_it_says_which_variables(erp_medusa: Command) -> None:
    output = erp_medusa("setup")
    assert output.code == 2
    assert "ADMIN_API_KEY and ADMIN_API_SECRET" in output.data["error"]


def test_an_administrator_who_may_not_learns_what_was_refused(
    erp_medusa: Command, erp: ErpServer, shop_env: pytest.MonkeyPatch
) -> None:
    erp.add_user("Clerk", "Stock User")
    shop_env.setenv("ADMIN_API_KEY", "Clerk")
    shop_env.setenv("ADMIN_API_SECRET", erp.secret)
    output = erp_medusa("setup")
    assert output.code in (1, 2)
    assert "failed" in {step["state"] for step in output.data.get("steps", [{"state": "failed"}])}
    assert erp.store.count("Role", role_name=needs.ROLE) == 0


@pytest.mark.usefixtures("admin")
@pytest.mark.long
def test_doctor_fix_makes_what_can_be_made_and_gives_the_user_the_role(erp_medusa: Command, erp: ErpServer) -> None:
    erp.site(roles=["System Manager", "Item Manager"])
    before = erp_medusa("doctor")
    assert before.finding("rights", "Bin")["level"] == "fail"
    fixed = erp_medusa("doctor", "--fix")
    assert {row["level"] for row in fixed.data["findings"] if row["area"] == "rights"} == {"ok"}
    assert fixed.finding("site", "Server Script")["level"] == "ok"
    assert fixed.finding("fields", "Homepage Landing")["level"] == "ok"
    assert {"role", "rights", "user", "Server Script"} <= {step["area"] for step in fixed.data["fixed"]}
    assert erp_medusa("doctor", "--fix").data["fixed"] == []
