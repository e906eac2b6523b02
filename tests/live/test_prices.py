"""The prices against a real Medusa."""

from tests.suites.price_troubles import PriceTroublesSuite
from tests.suites.prices import PricesSuite, catalogue, shop

__all__ = ["TestPriceTroubles", "TestPrices", "catalogue", "shop"]


class TestPrices(PricesSuite):
    pass


class TestPriceTroubles(PriceTroublesSuite):
    pass
