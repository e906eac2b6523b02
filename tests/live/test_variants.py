"""Variants as options of one product, against a real Medusa."""

from tests.suites.export import catalogue
from tests.suites.moved_variants import MovedVariantsSuite
from tests.suites.variants import VariantsSuite, on, shop

__all__ = ["TestMovedVariants", "TestVariants", "catalogue", "on", "shop"]


class TestVariants(VariantsSuite):
    pass


class TestMovedVariants(MovedVariantsSuite):
    pass
