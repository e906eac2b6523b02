"""Whether a Website Item is for sale in this shop: ERPNext would sell it, and the shop takes it; and if not, why.

`published` alone does not say it: an Item can be disabled, past its end of life, a template, or not for sales while its
Website Item is still published (by an import, by SQL, or published again by hand). ERPNext refuses each of these in
get_item_details. Which of them the shop takes is a choice of its settings (chosen.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.sync.shop.chosen import Choice, read_choice

FIELDS = (
    "published", "item_code", "item_code.disabled as item_disabled", "item_code.end_of_life as item_end_of_life",
    "item_code.has_variants as item_has_variants", "item_code.is_sales_item as item_is_sales_item",
    "item_code.is_stock_item as item_is_stock_item",
)  # fmt: skip
"""Fields of a list of Website Items that `reason_against` needs. Those of the Item come with the same request."""


@dataclass(frozen=True, slots=True)
class ForSale:
    """What is for sale in one shop. `fields` are those of a list of Website Items that it needs."""

    choice: Choice

    @property
    def fields(self) -> tuple[str, ...]:
        """Return FIELDS and those of the choice."""
        return (*FIELDS, *self.choice.columns)

    def reason_against(self, row: Mapping[str, Any], today: date) -> str | None:
        """Return why a Website Item is not for sale in this shop, or None if it is."""
        return reason_against(row, today) or self.choice.reason_against(row)


def for_sale_in(erp: ErpNextClient) -> ForSale:
    """Return what is for sale in the shop of this client. Raises PermanentError, see read_choice."""
    return ForSale(read_choice(erp))


def reason_against(row: Mapping[str, Any], today: date) -> str | None:
    """Return why ERPNext would not sell the Website Item on this day at the ERP, or None if it would.

    `row` holds FIELDS. The reason is a sentence without its full stop.
    """
    code = row["item_code"]
    if not row["published"]:
        return "it is not published in ERPNext"
    if not code:
        return "the Website Item has no Item"
    if row["item_is_stock_item"] is None:
        return f"its Item {code} does not exist"
    if row["item_disabled"]:
        return f"its Item {code} is disabled"
    ended = ended_by(row["item_end_of_life"], today)
    if ended:
        return f"its Item {code} {ended}"
    if row["item_has_variants"]:
        return f"its Item {code} is a template: its variants are sold"
    if not row["item_is_sales_item"]:
        return f"its Item {code} is not for sales (Allow Sales is off)"
    return None


def ended_by(end_of_life: Any, today: date) -> str:
    """Return why an Item is not sold any more by its end of life, or ''. MariaDB's zero date is none."""
    if not end_of_life or str(end_of_life).startswith("0000"):
        return ""
    try:
        end = date.fromisoformat(str(end_of_life)[:10])
    except ValueError:
        return "has an end of life that is no date"
    return f"reached its end of life on {end}" if end <= today else ""
