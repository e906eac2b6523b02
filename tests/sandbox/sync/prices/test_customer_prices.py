"""Item Prices of one Customer against the embedded Medusa."""

import pytest

from tests.suites.customer_prices import CustomerPricesSuite, catalogue, customers, shop
from tests.suites.prices import EXPORT, started
from tests.support.customers import Customers
from tests.support.priced_shop import PricedShop
from tests.support.runs import Runner

__all__ = ["TestCustomerPrices", "catalogue", "customers", "shop"]


class TestCustomerPrices(CustomerPricesSuite):
    @pytest.mark.long
    def test_a_customer_that_is_renamed_keeps_its_prices_and_one_that_is_deleted_loses_them(
        self, shop: PricedShop, customers: Customers, runner: Runner
    ) -> None:
        private = customers.group("Private")
        before = customers.customer("clinic", private)
        item = shop.item()
        shop.price(item, 10)
        price = shop.price(item, 8, customer=before)
        account = customers.register("clinic")
        assert runner.job(EXPORT, "batch_0").success
        assert customers.shown(item, account) == (8, 8)
        # As ERPNext renames: the document and every row that names it.
        customers.store.delete("Customer", before)
        after = customers.customer("hospital", private, email=account)
        shop.change(price, customer=after)
        assert started(runner).success
        assert (customers.shown(item), customers.shown(item, account)) == ((10, 10), (8, 8))
        assert customers.groups() == {f"Customer {after}": [account]}
        shop.erp.store.delete("Item Price", price)
        customers.store.delete("Customer", after)
        assert started(runner, allow_removal=True).success
        assert customers.shown(item, account) == (10, 10)
        assert customers.groups() == {}
