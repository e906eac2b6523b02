"""The amount that customers see for an Item Price, or why there is none.

A refused row keeps its days: no other row's price replaces it, because ERPNext would not use that price on them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from erp_medusa_pipelines.clients.medusa_prices import number_of
from erp_medusa_pipelines.settings import variable_name
from erp_medusa_pipelines.sync.prices.windows import PriceRow


class PriceRefusedError(Exception):
    """The row has no valid amount; `field` is the one to correct."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True)
class AmountRule:
    """Decimal digits by currency code, and whether a price of zero is allowed."""

    currencies: Mapping[str, int]
    allow_zero: bool = False


def amount_of(row: PriceRow, rule: AmountRule) -> Decimal:
    """Return the amount in the currency's precision, rounded half to even as Frappe does. Raises PriceRefusedError."""
    if row.unreadable:
        raise PriceRefusedError(*row.unreadable)
    if not row.is_ever_valid:
        raise PriceRefusedError("valid_upto", f"ends on {row.valid_upto}, before it starts on {row.valid_from}")
    digits = rule.currencies.get(row.currency)
    if digits is None:
        known = ", ".join(sorted(rule.currencies)) or "none"
        raise PriceRefusedError(
            "currency", f"the Medusa store has no currency {row.currency or '(empty)'}, only {known}"
        )
    if row.rate < 0:
        raise PriceRefusedError("price_list_rate", f"the rate {row.rate} is negative")
    amount = row.rate.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)
    if amount == 0 and not rule.allow_zero:
        reason = "the rate is 0" if row.rate == 0 else f"the rate {row.rate} rounds to 0 at {digits} decimals"
        raise PriceRefusedError(
            "price_list_rate", f"{reason}: enter a price, or set {variable_name('prices_allow_zero')}=true"
        )
    try:
        number_of(amount)
    except ValueError as error:
        raise PriceRefusedError("price_list_rate", str(error)) from None
    return amount
