"""Pricing Rules and packs against a real Medusa."""

from tests.suites.pricing_rules import PricingRulesSuite, catalogue, customers, rules, shop

__all__ = ["TestPricingRules", "catalogue", "customers", "rules", "shop"]


class TestPricingRules(PricingRulesSuite):
    pass
