"""Items whose Website Item was renamed into another batch: the old batch's lists keep no price of theirs."""

import pytest

from erp_medusa_pipelines.sync.engine.batches import batch_of_name
from tests.machine.projection import differences
from tests.machine.servers import open_world
from tests.machine.world import BATCHES, CLINICS, World

NIGHTS = 3


def moved(world: World) -> str:
    """An exported item that is in another batch than its price, whose lists were of before."""
    name = before = world.add_item(0, rate=1.5, quantity=5, picture=False)
    world.add_item(0, rate=2.5, quantity=5, picture=False)
    world.night()
    while batch_of_name(name, len(BATCHES)) == batch_of_name(before, len(BATCHES)):
        name = world.publish_again(name)
    return name


def nights(world: World) -> list[str]:
    for _ in range(NIGHTS):
        world.night()
    return differences(world)


@pytest.mark.long
def test_its_price_goes_when_erpnext_has_none_any_more() -> None:
    with open_world() as world:
        name = moved(world)
        world.drop_price(name)
        assert nights(world) == []


@pytest.mark.long
def test_its_price_in_a_list_that_is_not_used_any_more_goes() -> None:
    with open_world() as world:
        world.furnish()
        name = moved(world)
        world.set_price_list(CLINICS)
        assert nights(world) == []
        world.set_price(name, 7.5)
        assert nights(world) == []
