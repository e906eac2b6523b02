"""What ERPNext asks and what Medusa asks: the embedded servers."""

from tests.suites.what_erpnext_asks import WhatErpnextAsksSuite, catalogue, customers, rules, shop

__all__ = ["TestWhatErpnextAsks", "catalogue", "customers", "rules", "shop"]


class TestWhatErpnextAsks(WhatErpnextAsksSuite):
    pass
