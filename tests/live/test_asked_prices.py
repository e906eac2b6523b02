"""What ERPNext asks against a real Medusa; ERPNext is the one that ERPNEXT_URL names, else the embedded one."""

from tests.suites.what_erpnext_asks import WhatErpnextAsksSuite, catalogue, customers, rules, shop

__all__ = ["TestWhatErpnextAsks", "catalogue", "customers", "rules", "shop"]


class TestWhatErpnextAsks(WhatErpnextAsksSuite):
    pass
