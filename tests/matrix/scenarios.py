"""All starts of both shops, as the matrices' tests are parametrized with them."""

from collections.abc import Collection

import pytest

from tests.matrix.catalogue_shop import CATALOGUE_SCENARIOS, CatalogueShop
from tests.matrix.shop import SCENARIOS, WITHOUT_MEDUSA, Shop

KINDS = {Shop: SCENARIOS, CatalogueShop: CATALOGUE_SCENARIOS}
ALL_SCENARIOS = {**SCENARIOS, **CATALOGUE_SCENARIOS}


def starts(without: Collection[str] = ()) -> tuple[str, list[object]]:
    """Return what parametrizes a test with every scenario but these, each in its shop."""
    return "shop_and_states, scenario", [
        pytest.param(kind, name, id=name) for kind, names in KINDS.items() for name in names if name not in without
    ]


EVERY_SCENARIO, WITH_MEDUSA = starts(), starts(WITHOUT_MEDUSA)
