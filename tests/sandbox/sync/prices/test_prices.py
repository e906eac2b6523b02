"""The prices against the embedded Medusa."""

from tests.suites.prices import PricesSuite, catalogue, shop

__all__ = ["TestPrices", "catalogue", "shop"]


class TestPrices(PricesSuite):
    pass
