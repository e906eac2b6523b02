"""What is for sale, against real servers."""

from tests.suites.for_sale import ForSaleSuite, catalogue, market

__all__ = ["TestForSale", "catalogue", "market"]


class TestForSale(ForSaleSuite):
    pass
