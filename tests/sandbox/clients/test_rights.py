"""With the five documented roles every task succeeds; without any one of them a task says which role it misses."""

from pathlib import Path

import pytest

from erp_medusa_pipelines.clients.rights import ROLES, role_for
from erp_medusa_sandbox.erpnext.site import DOCUMENTED_ROLES
from erp_medusa_sandbox.shop.seed import seed_shop
from tests.support.runs import JobRun, Runner
from tests.support.servers import ErpServer

README = Path(__file__).resolve().parents[3] / "README.md"
EXPORT, STOCK = "export_items_and_images_custom", "update_webitem_stock"
BEST_SELLERS, CLEARANCE = "add_top_selling_items_to_collection", "fetch_clearance_items"


@pytest.fixture
def shop(erp: ErpServer) -> ErpServer:
    seed_shop(erp.store, items=20, images=2)
    return erp


def said(run: JobRun) -> str:
    failed = [event.step_key for event in run.result.all_events if event.is_step_failure and event.step_key]
    return " ".join(run.failure_text(step) for step in failed)


def test_with_the_documented_roles_every_nightly_task_succeeds(shop: ErpServer, runner: Runner) -> None:
    shop.site(roles=list(ROLES))
    for job in (EXPORT, STOCK):
        assert runner.job(job, "batch_0").success
    for job in (BEST_SELLERS, CLEARANCE, "expire_otps"):
        assert runner.job(job).success


@pytest.mark.parametrize(
    ("role", "job", "batch"),
    [
        ("System Manager", "expire_otps", None),
        ("Item Manager", EXPORT, "batch_0"),
        ("Item Manager", CLEARANCE, None),
        ("Sales Master Manager", EXPORT, "batch_0"),
        ("Accounts User", BEST_SELLERS, None),
        ("Stock User", STOCK, "batch_0"),
    ],
)
def test_without_a_role_the_run_fails_and_names_it(
    shop: ErpServer, runner: Runner, role: str, job: str, batch: str | None
) -> None:
    if job == STOCK:
        assert runner.job(EXPORT, "batch_0").success
    shop.site(roles=[name for name in ROLES if name != role])
    run = runner.job(job, batch)
    assert not run.success
    assert f"the user of ERPNEXT_API_KEY needs the role {role}" in said(run)


def test_the_embedded_erpnext_and_the_table_know_the_same_roles() -> None:
    assert list(DOCUMENTED_ROLES) == list(ROLES)


def test_readme_names_exactly_these_roles() -> None:
    text = README.read_text(encoding="utf-8")
    table = text[text.index("### Rights of the ERPNext user") :].split("###")[1]
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")][1:]
    assert [row for row in rows if set(row) != {"-"}] == list(ROLES)


def test_the_longest_name_in_an_error_counts() -> None:
    assert role_for("GET /api/resource/Item%20Price", "No permission") == (
        "for Item Price the user of ERPNEXT_API_KEY needs the role Sales Master Manager"
    )
    assert role_for("GET /api/method/ping", "") is None
