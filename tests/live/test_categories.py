"""Categories of Item Groups, against a real Medusa."""

from tests.suites.categories import CategoriesSuite, on, shop
from tests.suites.export import catalogue

__all__ = ["TestCategories", "catalogue", "on", "shop"]


class TestCategories(CategoriesSuite):
    pass
