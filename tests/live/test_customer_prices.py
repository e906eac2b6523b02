"""Item Prices of one Customer against a real Medusa."""

from tests.suites.customer_prices import CustomerPricesSuite, catalogue, customers, shop

__all__ = ["TestCustomerPrices", "catalogue", "customers", "shop"]


class TestCustomerPrices(CustomerPricesSuite):
    pass
