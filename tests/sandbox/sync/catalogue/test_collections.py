"""Collections of Item Groups while a server fails: who is named, who is left for a retry, what is made only once."""

import pytest

from erp_medusa_sandbox.faults import Fault
from tests.support.catalogue import Catalogue
from tests.support.runs import Runner
from tests.support.servers import ErpServer, MedusaServer

ASSET = "medusa_collections"
ROUTE = "^/admin/collections$"
UNKNOWN = {"code": "unknown_error", "type": "unknown_error", "message": "An unknown error occurred."}


@pytest.fixture
def groups(erp: ErpServer) -> list[str]:
    """Two groups, each with a Website Item."""
    catalogue = Catalogue(erp.store)
    made = [catalogue.group(name) for name in ("Gloves", "Syringes")]
    for group in made:
        catalogue.item(group)
    return made


def owners(medusa: MedusaServer) -> list[str]:
    """Return the groups that collections belong to."""
    rows = medusa.admin("GET", "/admin/collections?fields=id,external_id&limit=100")["collections"]
    return sorted(row["external_id"] for row in rows)


def bound(erp: ErpServer) -> set[str]:
    return {row["name"] for row in erp.store.rows("Item Group") if row["medusa_id"]}


def test_a_group_that_medusa_refuses_is_named_and_the_others_go_on(
    groups: list[str], erp: ErpServer, medusa: MedusaServer, runner: Runner
) -> None:
    good, bad = groups
    refused = {"type": "invalid_data", "message": "no such title"}
    medusa.faults.add(Fault("status", method="POST", path=ROUTE, body=bad, status=400, json=refused))
    run = runner.asset(ASSET)
    assert run.success
    (row,) = run.rejects(ASSET)
    assert row["document"] == f"Item Group {bad}"
    assert "no such title" in row["reason"]
    assert bound(erp) == {good}


def test_a_group_that_medusa_fails_on_is_left_for_a_retry(
    groups: list[str], erp: ErpServer, medusa: MedusaServer, runner: Runner
) -> None:
    good, bad = groups
    medusa.faults.add(Fault("status", method="POST", path=ROUTE, body=bad, status=500, json=UNKNOWN))
    run = runner.asset(ASSET)
    assert run.metadata(ASSET)["left"] == 1
    assert bound(erp) == {good}
    medusa.faults.heal()
    assert runner.asset(ASSET).success
    assert bound(erp) == set(groups)
    assert owners(medusa) == sorted(groups)


def test_an_empty_collection_that_medusa_does_not_delete_is_named_and_the_others_go(
    groups: list[str], erp: ErpServer, medusa: MedusaServer, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    assert runner.asset(ASSET).success
    first, _ = groups
    ids = {row["name"]: row["medusa_id"] for row in erp.store.rows("Item Group")}
    for row in erp.store.rows("Website Item"):
        erp.store.set("Website Item", row["name"], published=0)
    shop_env.setenv("EMPTY_GROUPS", "remove")
    refused = {"type": "not_allowed", "message": "it is in use"}
    medusa.faults.add(Fault("status", method="DELETE", path=f"/{ids[first]}$", status=400, json=refused))
    run = runner.asset(ASSET)
    assert run.success, run.reasons()
    assert [(row["document"], row["reason"]) for row in run.rejects(ASSET)] == [(f"Item Group {first}", "it is in use")]
    assert owners(medusa) == [first]
    medusa.faults.heal()
    assert runner.asset(ASSET).success
    assert owners(medusa) == []


def test_a_collection_whose_answer_was_lost_is_not_made_twice(
    groups: list[str], erp: ErpServer, medusa: MedusaServer, runner: Runner
) -> None:
    medusa.faults.add(Fault("drop_after", method="POST", path=ROUTE, body=groups[0], times=1))
    assert runner.asset(ASSET).success
    assert owners(medusa) == sorted(groups)
    assert bound(erp) == set(groups)


def test_a_wrong_key_ends_the_run_instead_of_naming_every_group(
    groups: list[str], medusa: MedusaServer, runner: Runner
) -> None:
    medusa.faults.add(Fault("status", method="POST", path=ROUTE, status=401, json={"message": "Unauthorized"}))
    run = runner.asset(ASSET)
    assert not run.success
    assert "check MEDUSA_API_KEY" in run.failure(ASSET).description


@pytest.mark.parametrize("status", [503, 417])
def test_an_id_that_cannot_be_kept_in_erpnext_is_kept_by_the_next_run(
    groups: list[str], erp: ErpServer, medusa: MedusaServer, runner: Runner, status: int
) -> None:
    refused = {"exc_type": "ValidationError", "exception": "frappe.exceptions.ValidationError: no"}
    erp.faults.add(Fault("status", method="PUT", path="Item Group|Item%20Group", status=status, json=refused))
    erp.faults.add(Fault("status", method="POST", path="bulk_update", status=status, json=refused))
    run = runner.asset(ASSET)
    numbers = run.metadata(ASSET)
    assert (numbers["left"], numbers["rejected"]) == ((2, 0) if status == 503 else (0, 2))
    assert bound(erp) == set()
    erp.faults.heal()
    again = runner.asset(ASSET)
    assert again.success
    assert again.metadata(ASSET)["written"] == 0, "the collections are there"
    assert bound(erp) == set(groups)
    assert owners(medusa) == sorted(groups)


@pytest.mark.usefixtures("groups")
def test_a_medusa_that_is_too_old_fails_the_run_in_one_sentence(medusa: MedusaServer, runner: Runner) -> None:
    said = {"type": "invalid_data", "message": "Invalid request: Unrecognized fields: 'external_id'"}
    medusa.faults.add(Fault("status", "GET", r"/admin/collections\?.*external_id", status=400, json=said))
    run = runner.asset(ASSET)
    assert not run.success
    assert "this Medusa is older than 2.17, whose collections have no external_id: upgrade it" in run.reasons()[0]
    medusa.faults.heal()
    assert owners(medusa) == []
