"""Which Website Items go to a shop and into which channels, against the embedded Medusa."""

import json

import pytest

from tests.suites.chosen import ChosenSuite, Groups, groups, night, second
from tests.suites.export import catalogue
from tests.support.catalogue import Catalogue
from tests.support.runs import Runner
from tests.support.servers import ErpServer, MedusaServer

__all__ = ["TestChosen", "catalogue", "groups", "second"]


class TestChosen(ChosenSuite):
    pass


def test_rules_and_languages_are_read_once_a_night_whatever_the_number_of_items(
    shop_env: pytest.MonkeyPatch, groups: Groups, catalogue: Catalogue, erp: ErpServer, medusa: MedusaServer,
    runner: Runner,
) -> None:  # fmt: skip
    """The Item Groups, the Translations and whether Medusa keeps these: no item costs a request more."""
    catalogue.items(60, groups.dental, brand="3M")
    night(runner)

    def requests() -> int:
        night(runner)
        erp.faults.forget_requests()
        medusa.faults.forget_requests()
        night(runner)
        return len(erp.faults.requests) + len(medusa.faults.requests)

    before = requests()
    shop_env.setenv("SHOP_ITEMS", json.dumps({"item_group": groups.dental, "brand": "3M"}))
    shop_env.setenv("SALES_CHANNELS", json.dumps({medusa.sales_channel_id: {"item_group": groups.dental}}))
    shop_env.setenv("LANGUAGES", '{"ar-OM": "ar"}')
    after = requests()
    assert after - before == 3
