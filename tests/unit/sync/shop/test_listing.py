"""Every list of a batch's Website Items can be answered from the one that a run reads."""

import pytest

from erp_medusa_pipelines.sync.catalogue import bindings, images
from erp_medusa_pipelines.sync.prices import item_prices
from erp_medusa_pipelines.sync.shop.listing import FIELDS
from erp_medusa_pipelines.sync.stock import items


@pytest.mark.parametrize(
    "fields", [bindings.FIELDS, images.OWNER_FIELDS, item_prices.ITEM_FIELDS, items.FIELDS], ids=str
)
def test_the_list_has_what_each_domain_asks_for(fields: list[str]) -> None:
    assert set(fields) <= set(FIELDS)
