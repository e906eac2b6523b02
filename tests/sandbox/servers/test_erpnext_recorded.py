"""The embedded ERPNext against our own recordings of a real one (tests/contract/erpnext): the same, word by word."""

from functools import cache
from typing import Any

import pytest

from erp_medusa_sandbox.erpnext.site import DOCUMENTED_ROLES
from erp_medusa_sandbox.erpnext.store import ErpStore
from tests.contract.erpnext.record import Recorder, pairs, subjects
from tests.support.servers import embedded_erpnext


def seed(store: ErpStore) -> None:
    """What the questions take for granted on any ERPNext."""
    store.insert("UOM", uom_name="Nos", enabled=1)
    store.insert("Item Group", item_group_name="All Item Groups", is_group=1, lft=1, rgt=2)
    store.insert("Currency", currency_name="OMR", enabled=1)
    for name, buying in (("Standard Selling", 0), ("Standard Buying", 1)):
        store.insert("Price List", price_list_name=name, enabled=1, buying=buying, selling=1 - buying, currency="OMR")
    store.insert("File", name="Home", file_name="Home", is_folder=1)
    store.set("Medusa Configuration", "", enable="0")


@cache
def answers(subject: str) -> list[dict[str, Any]]:
    """What one fresh embedded server answers to all questions of a subject."""
    with embedded_erpnext(api_roles=(*DOCUMENTED_ROLES, "Script Manager")) as erp:
        seed(erp.store)
        recorder = Recorder(erp.url, {"admin": (erp.key, erp.secret)})
        return [recorder.ask(pair) for pair in pairs(subject)]


@pytest.mark.parametrize(
    ("subject", "place"),
    [
        pytest.param(subject, place, id=f"{subject}-{place}-{pair['label']}")
        for subject in subjects()
        for place, pair in enumerate(pairs(subject))
    ],
)
def test_the_embedded_erpnext_answers_as_the_recorded_one(subject: str, place: int) -> None:
    assert answers(subject)[place] == pairs(subject)[place]["response"]
