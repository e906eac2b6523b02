"""Which numbers of pieces a Pricing Rule is for."""

from decimal import Decimal

import pytest

from erp_medusa_pipelines.sync.prices.pricing_rules import _pieces
from erp_medusa_pipelines.sync.prices.windows import Tier


@pytest.mark.parametrize(
    ("least", "most", "tier"),
    [
        ("0", "0", Tier(1, 0)),
        ("2.5", "7.5", Tier(3, 7)),
        ("-4", "0", Tier(1, 0)),
        ("5", "1e12", Tier(5, 0)),
        ("5", "4", None),
        ("2.2", "2.8", None),
        ("0", "0.5", None),
        ("0", "-5217166773442818.0", None),
        ("1e12", "0", None),
    ],
)
def test_limits_are_whole_pieces_and_without_any_the_rule_never_counts(
    least: str, most: str, tier: Tier | None
) -> None:
    assert _pieces(Decimal(least), Decimal(most)) == tier
