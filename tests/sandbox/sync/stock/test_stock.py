"""The stock against the embedded Medusa."""

from tests.suites.stock import StockSuite, catalogue, shop

__all__ = ["TestStock", "catalogue", "shop"]


class TestStock(StockSuite):
    pass
