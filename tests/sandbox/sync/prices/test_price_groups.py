"""Prices of customer groups against the embedded Medusa."""

from tests.suites.price_groups import PriceGroupsSuite, catalogue, customers, shop

__all__ = ["TestPriceGroups", "catalogue", "customers", "shop"]


class TestPriceGroups(PriceGroupsSuite):
    pass
