"""With the five documented roles every task succeeds; without any one of them a task reports the missing role."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.mail_sink import mail_sink
from erp_medusa_pipelines.clients.rights import ROLES, role_for
from erp_medusa_sandbox.erpnext.site import DOCUMENTED_ROLES
from erp_medusa_sandbox.shop.seed import seed_shop
from tests.support.runs import JobRun, Runner
from tests.support.servers import ErpServer

RIGHTS = Path(__file__).resolve().parents[3] / "docs" / "rights.md"
EXPORT, PRICES, STOCK = "export_items_and_images_custom", "sync_missing_prices_to_medusa", "update_webitem_stock"
BEST_SELLERS, CLEARANCE = "add_top_selling_items_to_collection", "fetch_clearance_items"
MAILS, PASSWORDS = "send_quotation_emails", "expire_otps"
PARTITIONED = frozenset({EXPORT, PRICES, STOCK})
JOBS = (EXPORT, PRICES, STOCK, BEST_SELLERS, CLEARANCE, MAILS, PASSWORDS)
# Which tasks need which role: as recorded on a real server (tests/contract, rights by role).
NEEDED = {
    "System Manager": {BEST_SELLERS, CLEARANCE, MAILS, PASSWORDS},
    "Item Manager": {EXPORT, CLEARANCE},
    "Sales Master Manager": {EXPORT, PRICES},
    "Accounts User": {BEST_SELLERS},
    "Stock User": {EXPORT, STOCK},
}


@pytest.fixture
def shop(erp: ErpServer) -> Iterator[ErpServer]:
    """A small shop with something to do for every task, and a mail server for its mails."""
    with mail_sink() as sink:
        seed_shop(erp.store, items=20, images=2, smtp_port=sink.port)
        yield erp


def start(runner: Runner, job: str) -> JobRun:
    return runner.job(job, "batch_0" if job in PARTITIONED else None)


def said(run: JobRun) -> str:
    failed = [event.step_key for event in run.result.all_events if event.is_step_failure and event.step_key]
    return " ".join(run.failure_text(step) for step in failed)


@pytest.mark.long
def test_with_the_documented_roles_every_task_succeeds(shop: ErpServer, runner: Runner) -> None:
    shop.site(roles=list(ROLES))
    runs = {job: start(runner, job) for job in JOBS}
    assert {job: said(run) for job, run in runs.items() if not run.success} == {}
    assert shop.store.count("Email Queue", status="Not Sent", reference_doctype="Quotation") == 0
    assert shop.store.count("Item Group", medusa_id=None) < shop.store.count("Item Group")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.long
def test_without_a_role_the_tasks_that_need_it_fail_and_name_it(shop: ErpServer, runner: Runner, role: str) -> None:
    if role == "Stock User":
        assert start(runner, EXPORT).success
    shop.site(roles=[name for name in ROLES if name != role])
    for job in sorted(NEEDED[role]):
        run = start(runner, job)
        assert not run.success, job
        assert f"the user of ERPNEXT_API_KEY needs the role {role}" in said(run)


def test_the_embedded_erpnext_and_the_table_know_the_same_roles() -> None:
    assert list(DOCUMENTED_ROLES) == list(ROLES)


def test_the_documentation_names_exactly_these_roles() -> None:
    text = RIGHTS.read_text(encoding="utf-8")
    table = text[text.index("## Roles of the ERPNext user") :].split("##")[1]
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")][1:]
    assert [row for row in rows if set(row) != {"-"}] == list(ROLES)


def test_the_longest_name_in_an_error_counts() -> None:
    assert role_for("GET /api/resource/Item%20Price", "No permission") == (
        "for Item Price the user of ERPNEXT_API_KEY needs the role Sales Master Manager"
    )
    assert role_for("GET /api/method/ping", "") is None
