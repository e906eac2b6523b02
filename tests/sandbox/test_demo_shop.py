"""The shop of `make demo`: what its customers see after a night is what README.md shows, and more nights are quiet."""

from pathlib import Path

import pytest

from dev.demo import FIRST_JOBS, JOBS
from dev.demo_shop import DemoShop
from erp_medusa_pipelines.settings import load_settings
from erp_medusa_pipelines.tasks import task_named
from erp_medusa_sandbox.server import SandboxAddress
from erp_medusa_sandbox.shop.clinic import ITEMS
from erp_medusa_sandbox.shop.clinic_seed import seed_clinic
from tests.support.plain_runs import PlainRunner
from tests.support.servers import ErpServer, MedusaServer
from tests.support.writes import erp_writes, medusa_writes

README = Path(__file__).parents[2] / "README.md"
PUT_INTO_SHOP = {sold.name for sold in ITEMS} - {
    "Mercury Thermometer",  # disabled
    "Microscope Slides",  # not published
    "Autoclave Door Seal",  # not in SHOP_ITEMS
}
WHERE_A_SHOP_ALWAYS_IS = ("ERPNEXT_URL", "ERPNEXT_API_KEY", "ERPNEXT_API_SECRET", "MEDUSA_URL", "MEDUSA_API_KEY")


@pytest.fixture
def shop(shop_env: pytest.MonkeyPatch, erp: ErpServer, medusa: MedusaServer) -> DemoShop:
    """The demo's shop before its first night, with its settings."""
    seed_clinic(erp.store)
    address = SandboxAddress(
        erp.url, erp.key, erp.secret, medusa.url, medusa.api_key, medusa.publishable_key, medusa.admin_email,
        medusa.admin_password, pid=0,
    )  # fmt: skip
    made = DemoShop(address)
    for name, value in made.settings().items():
        shop_env.setenv(name, value)
    shop_env.setenv("EXPORT_BATCHES", "4")
    made.sign_in()
    return made


def night(runner: PlainRunner) -> None:
    for task in map(task_named, (*FIRST_JOBS, *JOBS)):
        for batch in range(load_settings().export_batches) if task.partitioned else (None,):
            run = runner.job(task.name, None if batch is None else f"batch_{batch}")
            assert run.success, run.reasons()


def test_what_readme_shows_is_what_customers_see_and_further_nights_are_quiet(
    shop: DemoShop, erp: ErpServer, medusa: MedusaServer
) -> None:
    runner = PlainRunner()
    night(runner)
    seen = shop.seen()
    assert max(map(len, seen.splitlines())) <= 80
    shown = "\n".join(f"    {line}".rstrip() for line in seen.splitlines())
    assert shown in README.read_text(encoding="utf-8")
    medusa.faults.forget_requests()
    erp.faults.forget_requests()
    night(runner)
    assert medusa_writes(medusa) == []
    assert erp_writes(erp) == []
    assert shop.seen() == seen


def test_a_customer_finds_what_the_shop_sells_and_nothing_else(shop: DemoShop, medusa: MedusaServer) -> None:
    night(PlainRunner())
    query = {"fields": "id,title,variants.sku,+variants.inventory_quantity", "limit": 100}
    found = medusa.store("GET", "/store/products", params=query).json()["products"]
    assert {product["title"] for product in found} == PUT_INTO_SHOP
    pieces = {one["sku"]: one["inventory_quantity"] for product in found for one in product["variants"]}
    expected = {
        "BP": 12,  # 3 of 15 are reserved
        "HR": 18,  # 12 of 30 have expired
        "EK": 140,  # as many as there are tweezers
        "PR": 0,
    }
    assert {sku: pieces[sku] for sku in expected} == expected
