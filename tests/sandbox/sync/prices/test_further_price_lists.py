"""Several Price Lists at once against the embedded Medusa."""

from tests.suites.further_price_lists import FurtherPriceListsSuite, catalogue, customers, shop

__all__ = ["TestFurtherPriceLists", "catalogue", "customers", "shop"]


class TestFurtherPriceLists(FurtherPriceListsSuite):
    pass
