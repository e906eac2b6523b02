"""Reading a cart: when it was touched, what it is worth, and what keeps it from a mail."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from erp_medusa_pipelines.sync.storefront.cart_texts import MOST_LINES, fault_of
from erp_medusa_pipelines.sync.storefront.carts import NEVER, NOTE, Cart, Note, ordered_since, wants_no_mails
from erp_medusa_pipelines.sync.storefront.quiet_hours import QuietHours

MONDAY = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
PRODUCTS = {"prod_1": {"id": "prod_1", "status": "published", "handle": "gloves"}}
LINE = {"id": "cali_1", "title": "Gloves", "quantity": 2, "unit_price": 1.1, "product_id": "prod_1"}


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def cart(updated: datetime = MONDAY, *, items: Any = None, customer: Any = None, **values: Any) -> Cart:
    lines = [{**LINE, "updated_at": iso(updated)}] if items is None else items
    row = {
        "id": "cart_1",
        "email": "a@shop.example",
        "currency_code": "omr",
        "updated_at": iso(updated),
        "items": lines,
    }
    return Cart({**row, **values}, {"id": "cus_1", "email": "A@shop.example", **(customer or {})})


def test_a_line_that_was_added_touches_a_cart_whose_own_time_stands() -> None:
    later = MONDAY + timedelta(hours=3)
    assert cart(items=[{**LINE, "updated_at": iso(later)}]).touched == later


def test_our_own_note_is_no_touch_and_a_later_change_is() -> None:
    noted = MONDAY + timedelta(days=2)
    metadata = {NOTE + "ab12": Note("ab12", noted, MONDAY).value}
    lines = [{**LINE, "updated_at": iso(MONDAY)}]
    assert cart(noted + timedelta(seconds=1), metadata=metadata, items=lines).touched == MONDAY
    later = noted + timedelta(hours=1)
    assert cart(later, metadata=metadata, items=lines).touched == later


def test_a_note_reads_as_it_was_written() -> None:
    note = Note("ab12", MONDAY + timedelta(milliseconds=5), MONDAY)
    assert Note.of(NOTE + "ab12", note.value) == note


@pytest.mark.parametrize("value", ["yes", 5, ["x"], {"at": "now"}, "2026, untouched since yesterday"])
def test_a_note_that_somebody_damaged_still_means_that_there_was_a_mail(value: Any) -> None:
    (found,) = cart(metadata={NOTE + "ab12": value}).notes
    assert (found.installation, found.seen) == ("ab12", NEVER)


def test_money_is_exact() -> None:
    lines = [{**LINE, "quantity": 3}, {**LINE, "unit_price": 0.1, "quantity": 3}, {**LINE, "unit_price": "x"}]
    assert cart(items=lines).total == Decimal("3.6")


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        ({"email": "nowhere@localhost"}, "email", "no address"),
        ({"currency_code": "aed"}, "currency_code", "AED is no currency of the store"),
        ({"currency_code": None}, "currency_code", "none is no currency"),
        ({"items": [LINE] * 500}, "items", f"500 lines are more than a customer fills in (at most {MOST_LINES})"),
        ({"items": [LINE, {**LINE, "product_id": "prod_2"}]}, "items", "1 of 2 products are sold no more: Gloves"),
        ({"items": [{**LINE, "product_id": None}]}, "items", "sold no more"),
    ],
)
def test_what_keeps_a_cart_from_a_mail_is_said_without_its_address(values: Any, field: str, said: str) -> None:
    fault = fault_of(cart(**values), PRODUCTS, {"OMR"})
    assert fault is not None
    assert fault.field == field
    assert said in fault.reason
    assert "shop.example" not in fault.reason
    assert "localhost" not in fault.reason


def test_a_cart_in_order_has_no_fault_and_a_draft_is_not_sold() -> None:
    assert fault_of(cart(), PRODUCTS, {"OMR"}) is None
    draft = {"prod_1": {**PRODUCTS["prod_1"], "status": "draft"}}
    assert fault_of(cart(), draft, {"OMR"}) is not None


def test_a_guest_and_an_account_of_one_address_are_one_person() -> None:
    guest = {"id": "cus_1", "metadata": None, "orders": []}
    account = {"id": "cus_2", "metadata": {"mails_unsubscribed": "2026-01-01"}, "orders": [{"created_at": iso(MONDAY)}]}
    assert wants_no_mails([guest, account])
    assert not wants_no_mails([guest])
    assert ordered_since([guest, account], MONDAY - timedelta(hours=1))
    assert not ordered_since([guest, account], MONDAY)


@pytest.mark.parametrize(
    ("text", "hour", "quiet"),
    [
        ("22:00-08:00", 23, True),
        ("22:00-08:00", 7, True),
        ("22:00-08:00", 8, False),
        ("22:00-08:00", 12, False),
        ("12:00-14:00", 13, True),
        ("12:00-14:00", 14, False),
        ("00:00-00:00", 0, False),
    ],
)
def test_quiet_hours_are_of_the_shops_clock(text: str, hour: int, quiet: bool) -> None:
    hours = QuietHours.of(text, "Asia/Muscat")
    assert hours.contains(datetime(2026, 11, 30, hour, 0, tzinfo=hours.zone)) is quiet
    assert hours.contains(datetime(2026, 11, 30, hour, 0, tzinfo=hours.zone).astimezone(UTC)) is quiet
