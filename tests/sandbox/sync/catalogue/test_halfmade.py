"""Half-made products, against the embedded Medusa."""

from collections.abc import Iterator

import pytest

from erp_medusa_sandbox.faults import Fault
from erp_medusa_sandbox.medusa.store import MedusaStore
from tests.suites.export import BATCH_ROUTE, EXPORT
from tests.suites.halfmade import BoundHalfMadeSuite, SellingShop, selling
from tests.support.damage import Damage, StoreDamage
from tests.support.servers import MedusaServer, embedded_medusa

__all__ = ["TestHalfMade", "selling"]


@pytest.fixture
def store() -> MedusaStore:
    return MedusaStore(None)


@pytest.fixture
def medusa(store: MedusaStore) -> Iterator[MedusaServer]:
    with embedded_medusa(store=store) as server:
        yield server


@pytest.fixture
def damage(store: MedusaStore) -> Damage:
    return StoreDamage(store)


class TestHalfMade(BoundHalfMadeSuite):
    pass


@pytest.mark.parametrize("steps", range(1, 8))
def test_a_medusa_that_dies_in_its_create_workflow_leaves_nothing_that_is_not_for_sale(
    selling: SellingShop, medusa: MedusaServer, store: MedusaStore, steps: int
) -> None:
    names = [selling.item() for _ in range(3)]
    medusa.faults.add(Fault("kill", method="POST", path=BATCH_ROUTE, steps=steps, times=1))
    selling.runner.assets(EXPORT, "batch_0")
    medusa.faults.heal()
    selling.night()
    assert {name: selling.is_for_sale(name) for name in names} == dict.fromkeys(names, True)
    counts = {table: len(store.all(table)) for table in ("product", "variant", "inventory_item", "price")}
    assert counts == dict.fromkeys(("product", "variant", "inventory_item", "price"), 3)


def test_products_that_medusa_may_still_be_creating_are_looked_at_again_before_they_are_mended(
    selling: SellingShop, medusa: MedusaServer, store: MedusaStore, shop_env: pytest.MonkeyPatch
) -> None:
    """A run that is killed does not stop Medusa, and a call that timed out does not either."""
    names = [selling.item() for _ in range(2)]
    assert selling.runner.assets(EXPORT, "batch_0").success
    sets = {variant["id"]: variant["price_set_id"] for variant in store.all("variant")}
    for name in names:
        StoreDamage(store).price_set(selling.ids(name)[1])
    waited: list[float] = []

    def medusa_goes_on(seconds: float) -> None:
        waited.append(seconds)
        for variant in store.all("variant"):
            store.put("variant", {**variant, "price_set_id": sets[variant["id"]]})

    shop_env.setattr("erp_medusa_pipelines.clients.http.DEFAULT_SLEEP", medusa_goes_on)
    medusa.faults.forget_requests()
    selling.night()
    assert len(waited) == 1
    assert 0 < waited[0] <= 20
    assert {variant["id"]: variant["price_set_id"] for variant in store.all("variant")} == sets
    assert not [seen for seen in medusa.faults.requests if "workflows-executions" in seen.path]
