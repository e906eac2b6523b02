"""Variants as options of one product, against a real Medusa."""

from tests.suites.export import catalogue
from tests.suites.variants import VariantsSuite, on, shop

__all__ = ["TestVariants", "catalogue", "on", "shop"]


class TestVariants(VariantsSuite):
    pass
