"""Half-made products, against the embedded Medusa."""

from collections.abc import Iterator

import pytest

from erp_medusa_sandbox.faults import Fault
from erp_medusa_sandbox.medusa.store import MedusaStore
from tests.suites.export import BATCH_ROUTE, EXPORT
from tests.suites.for_sale import Market, market
from tests.suites.halfmade import HalfMadeSuite, SellingShop, selling
from tests.support.catalogue import Catalogue
from tests.support.damage import Damage, StoreDamage
from tests.support.runs import Runner
from tests.support.servers import ErpServer, MedusaServer, embedded_medusa

__all__ = ["TestHalfMade", "market", "selling"]


@pytest.fixture
def store() -> MedusaStore:
    return MedusaStore(None)


@pytest.fixture
def medusa(store: MedusaStore) -> Iterator[MedusaServer]:
    with embedded_medusa(store=store) as server:
        yield server


@pytest.fixture
def catalogue(erp: ErpServer) -> Catalogue:
    return Catalogue(erp.store)


@pytest.fixture
def damage(store: MedusaStore) -> Damage:
    return StoreDamage(store)


class TestHalfMade(HalfMadeSuite):
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


@pytest.mark.long
def test_bundles_that_lost_a_part_are_kits_again(
    market: Market, runner: Runner, medusa: MedusaServer, damage: Damage
) -> None:
    first, second = market.offer(price=10, stock=10), market.offer(price=4, stock=7)
    bundles = [market.bundle({first: 2, second: 1}, price=30) for _ in range(4)]
    for _ in range(2):
        assert market.night(runner).success
    assert [market.on_sale(one) for one in bundles] == [(30, 5)] * 4
    rows = [market.catalogue.row(one) for one in bundles]
    damage.price_set(rows[0]["medusa_variant_id"])
    damage.inventory_link(rows[1]["medusa_variant_id"])
    medusa.admin("DELETE", f"/admin/products/{rows[2]['medusa_id']}/variants/{rows[2]['medusa_variant_id']}")
    damage.channel(rows[3]["medusa_id"])
    damage.options(rows[3]["medusa_id"])
    assert market.night(runner).success
    assert [market.on_sale(one) for one in bundles] == [(30, 5)] * 4
    assert all(market.can_buy(one, 5) and not market.can_buy(one, 6) for one in bundles)
    assert [market.catalogue.row(one)["medusa_id"] for one in bundles] == [row["medusa_id"] for row in rows]
    market.forget()
    assert market.night(runner).success
    assert market.writes() == []
