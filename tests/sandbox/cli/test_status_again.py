"""status and again: what is red is named with batch and reason, and run again as a whole."""

from pathlib import Path

import pytest

from erp_medusa_pipelines.tasks import EXPORT
from erp_medusa_sandbox.faults import Fault
from tests.sandbox.cli.conftest import Command
from tests.sandbox.plan.test_plans import Shop
from tests.support.catalogue import Catalogue
from tests.support.operations import our_daemon
from tests.support.servers import ErpServer, MedusaServer


def test_a_new_installation_has_nothing_red_and_no_daemon(erp_medusa: Command, home: Path) -> None:
    output = erp_medusa("status")
    assert output.code == 1, "no daemon runs"
    assert output.data["silent_daemons"]
    assert (output.data["running"], output.data["waiting"], output.data["red"]) == ([], [], [])
    assert erp_medusa("again").data == {"status": "fine", "runs": []}


def test_what_waits_is_shown(erp_medusa: Command, home: Path) -> None:
    with our_daemon(home) as daemon:
        daemon.queued(EXPORT.name, "batch_0")
    output = erp_medusa("status")
    assert [(one["what"], one["status"]) for one in output.data["waiting"]] == [(f"{EXPORT.name} batch_0", "QUEUED")]


def test_published_items_that_cannot_be_bought_are_shown_with_their_reason(
    erp_medusa: Command, home: Path, erp: ErpServer, medusa: MedusaServer, tmp_path: Path
) -> None:
    shop = Shop(Catalogue(erp.store), erp, medusa)
    name = shop.item(rate=None, quantity=3)
    plan = tmp_path / "plan.json"
    erp_medusa("plan", EXPORT.name, "--out", str(plan))
    assert erp_medusa("apply", "--plan", str(plan)).code == 0
    why = "ERPNext has no price for it today in Standard Selling"
    shown = {"number": 1, "broken": 0, "items": [{"website_item": name, "reason": why}]}
    assert erp_medusa("status").data["cannot_be_bought"] == shown


@pytest.mark.long
def test_a_red_batch_is_named_with_its_reason_and_run_again_as_a_whole(
    erp_medusa: Command, home: Path, erp: ErpServer, medusa: MedusaServer, tmp_path: Path
) -> None:
    shop = Shop(Catalogue(erp.store), erp, medusa)
    name = shop.item(rate=2.5, quantity=3)
    plan = tmp_path / "plan.json"
    erp_medusa("plan", EXPORT.name, "--out", str(plan))
    medusa.faults.add(Fault("status", "POST", r"/admin/products/batch$", status=503))
    assert erp_medusa("apply", "--plan", str(plan)).code == 1
    (red,) = erp_medusa("status").data["red"]
    assert (red["task"], red["batch"]) == (EXPORT.name, "batch_0")
    assert "temporarily unavailable" in red["reason"]
    finding = erp_medusa("doctor").finding("Dagster", f"{EXPORT.name} batch_0")
    assert finding["level"] == "fail"
    assert finding["fix"] == f"erp-medusa again {EXPORT.name} --batch batch_0"
    assert erp_medusa("again", "expire_otps").data["runs"] == []

    medusa.faults.heal()
    output = erp_medusa("again", EXPORT.name, "--batch", "batch_0")
    assert output.code == 0, output.data
    assert [run["success"] for run in output.data["runs"]] == [True]
    assert erp_medusa("status").data["red"] == []
    assert shop.product_of(name)
