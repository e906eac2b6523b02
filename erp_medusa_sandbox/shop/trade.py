"""The sample shop's trade: prices, stock, batches, sales, waiting mails and one-time passwords, as plain rows.

The rows around the catalogue, with difficult cases: windows of prices, negative and fractional stock, batches without
stock, returns, one-time passwords without an expiry. Writing to the store belongs to `seed.py`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from email.message import EmailMessage
from itertools import accumulate
from typing import Any

from erp_medusa_sandbox.shop.catalogue import Product

CUSTOMERS = tuple(f"Hospital {number:03d}" for number in range(1, 31))
SELLING, BUYING, CURRENCY = "Standard Selling", "Standard Buying", "OMR"
COMPANY, ABBR = "Sandbox Trading", "ST"
# (name, parent); lft and rgt are numbered in this order, children after their parent.
WAREHOUSES = {
    "All Warehouses": {
        "Stores": {},
        "Muscat": {"Muscat Main": {}, "Muscat Transit": {}},
        "Sohar": {"Sohar Main": {}, "Sohar 50% Outlet/B": {}},
    }
}
STOCKED = ("Stores", "Muscat Main", "Muscat Transit", "Sohar Main", "Sohar 50% Outlet/B")
SHOWN = ("All Warehouses", "Muscat", "Muscat Main", "Sohar")
Row = tuple[Any, ...]
PRICE_COLUMNS = (
    "name", "owner", "modified_by", "creation", "modified", "item_code", "item_name", "uom", "price_list", "customer",
    "buying", "selling", "currency", "price_list_rate", "valid_from", "valid_upto",
)  # fmt: skip
INVOICE_COLUMNS = (
    "name", "owner", "modified_by", "creation", "modified", "docstatus", "customer", "customer_name", "company",
    "posting_date", "currency", "conversion_rate", "is_return", "status", "total_qty", "grand_total",
)  # fmt: skip
LINE_COLUMNS = (
    "name", "owner", "modified_by", "creation", "modified", "docstatus", "idx", "parent", "parentfield", "parenttype",
    "item_code", "item_name", "item_group", "qty", "stock_qty", "uom", "stock_uom", "conversion_factor", "rate",
    "amount",
)  # fmt: skip


def warehouse(name: str) -> str:
    """Return the name of a Warehouse, which ends in the company's abbreviation."""
    return f"{name} - {ABBR}"


def warehouses() -> list[dict[str, Any]]:
    """Return the tree of Warehouses as a nested set."""
    found: list[dict[str, Any]] = []

    def visit(name: str, parent: str | None, children: dict[str, Any], lft: int) -> int:
        row: dict[str, Any] = {"name": warehouse(name), "warehouse_name": name, "company": COMPANY, "lft": lft}
        found.append(row)
        right = lft + 1
        for child, below in children.items():
            right = visit(child, row["name"], below, right)
        row.update(rgt=right, is_group=int(bool(children)), parent_warehouse=parent)
        return right + 1

    for name, children in WAREHOUSES.items():
        visit(name, None, children, 1)
    return found


def stamp(moment: datetime) -> str:
    """Write a moment as ERPNext does."""
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def prices(products: list[Product], now: datetime, chance: random.Random) -> Iterator[Row]:
    """Yield several rows per item: the standing price, promotions of all times, customers' and buying prices."""
    for product in products:
        number, rate = product.number, round(chance.uniform(0.25, 300), 3)
        for part, changes in enumerate(_price_rows(number, rate, now.date(), chance)):
            made = stamp(now - timedelta(days=chance.uniform(1, 700)))
            row = {
                "name": f"{number:06x}{part:02x}{chance.getrandbits(16):04x}",
                **dict.fromkeys(("owner", "modified_by"), "Administrator"),
                **dict.fromkeys(("creation", "modified"), made),
                "item_code": product.item_code,
                "item_name": product.item_name,
                "uom": product.uom,
                "price_list": SELLING,
                "customer": None,
                "buying": 0,
                "selling": 1,
                "currency": CURRENCY,
                "price_list_rate": rate,
                "valid_from": None,
                "valid_upto": None,
                **changes,
            }
            yield tuple(row[column] for column in PRICE_COLUMNS)


def _price_rows(number: int, rate: float, today: date, chance: random.Random) -> Iterator[dict[str, Any]]:
    def ago(days: int) -> str:
        return (today - timedelta(days=days)).isoformat()

    if number % 23 == 0:
        return  # an item that nobody priced yet
    yield {"valid_from": ago(chance.randint(300, 700))}
    if number % 3 == 0:
        yield {"price_list_rate": round(rate * 0.9, 3), "valid_from": ago(chance.randint(30, 200))}
    if number % 7 == 0:  # a promotion that runs now
        yield {"price_list_rate": round(rate * 0.8, 3), "valid_from": ago(5), "valid_upto": ago(-9)}
    if number % 10 == 0:  # one that is over
        yield {"price_list_rate": round(rate * 0.7, 3), "valid_from": ago(60), "valid_upto": ago(40)}
    if number % 13 == 0:  # one to come
        yield {"price_list_rate": round(rate * 0.75, 3), "valid_from": ago(-30), "valid_upto": ago(-60)}
    if number % 6 == 0:
        yield {"price_list_rate": round(rate * 0.85, 3), "customer": chance.choice(CUSTOMERS), "valid_from": ago(100)}
    if number % 4 == 0:
        yield {"price_list_rate": round(rate * 0.6, 3), "price_list": BUYING, "buying": 1, "selling": 0}
    if number % 120 == 0:  # entered twice: any later save of either is refused as a duplicate
        twice = {"price_list_rate": rate, "valid_from": ago(250)}
        yield twice
        yield twice


def bins(products: list[Product], chance: random.Random) -> Iterator[Row]:
    """Yield (name, item_code, warehouse, actual_qty, reserved_qty, projected_qty, stock_uom) of each Bin."""
    for product in products:
        for place, name in enumerate(chance.sample(STOCKED, chance.randint(0, 3))):
            quantity = float(chance.choice((0, 0, 5, 10, 40, 250, 1000)))
            if product.number % 31 == 0:
                quantity = -3.0
            if product.number % 17 == 0:
                quantity = 12.5
            reserved = 2.0 if quantity > 2 and product.number % 5 == 0 else 0.0
            key = f"{product.number:07x}{place:03x}"
            yield key, product.item_code, warehouse(name), quantity, reserved, quantity - reserved, product.uom


def batches(products: list[Product], today: date, chance: random.Random) -> Iterator[Row]:
    """Yield (name, batch_id, item, item_name, uom, batch_qty, manufacturing_date, expiry_date, disabled)."""
    for product in products:
        if not product.has_batch:
            continue
        for part in range(chance.randint(1, 3)):
            name = f"B{product.number:05d}{part}"
            # Some long expired, some soon, some far away, some without a date; every third without stock.
            days = chance.choice((-40, -1, 0, 3, 20, 45, 59, 60, 61, 120, 400, None))
            expiry = None if days is None else (today + timedelta(days=days)).isoformat()
            quantity = 0.0 if (product.number + part) % 3 == 0 else float(chance.randint(1, 80))
            made = (today - timedelta(days=400)).isoformat()
            disabled = int(product.number % 35 == 0)
            yield name, name, product.item_code, product.item_name, product.uom, quantity, made, expiry, disabled


def sales(products: list[Product], count: int, now: datetime, chance: random.Random) -> Iterator[tuple[Row, list[Row]]]:
    """Yield invoices over two years with their lines: submitted ones, drafts, cancelled ones, returns."""
    # A few items sell much more often than the rest.
    weights = list(accumulate(1 / (1 + product.number * 37 % len(products)) for product in products))
    for number in range(1, count + 1):
        moment = now - timedelta(seconds=chance.uniform(0, 730 * 86400))
        is_return = int(number % 23 == 0)
        docstatus = 0 if number % 19 == 0 else 2 if number % 29 == 0 else 1
        status = {0: "Draft", 1: "Return" if is_return else "Paid", 2: "Cancelled"}[docstatus]
        name, made = f"ACC-SINV-{moment:%Y}-{number:05d}", stamp(moment)
        system = ("Administrator", "Administrator", made, made, docstatus)
        lines, total, quantity_sum = [], 0.0, 0.0
        sold = chance.choices(products, cum_weights=weights, k=chance.randint(1, 5))
        for idx, product in enumerate(sold, start=1):
            quantity = float(chance.choice((0.5, 1, 2, 5, 10, 50))) * (-1 if is_return else 1)
            rate = round(chance.uniform(0.5, 90), 3)
            amount = round(quantity * rate, 3)
            total, quantity_sum = total + amount, quantity_sum + quantity
            key = f"{chance.getrandbits(40):010x}"
            item = (product.item_code, product.item_name, product.item_group, quantity, quantity)
            unit = (product.uom, product.uom, 1.0, rate, amount)
            lines.append((key, *system, idx, name, "items", "Sales Invoice", *item, *unit))
        customer = chance.choice(CUSTOMERS)
        rest = (customer, customer, COMPANY, made[:10], CURRENCY, 1.0, is_return, status, quantity_sum, round(total, 3))
        yield (name, *system, *rest), lines


def quotation(number: int) -> str:
    """Return the name of a Quotation."""
    return f"SAL-QTN-2026-{number:05d}"


def mails(count: int, now: datetime, account: str, sender: str) -> Iterator[dict[str, Any]]:
    """Yield Email Queue rows.

    A quarter wait, of those three in four for a Quotation; one in ten has two recipients.
    """
    statuses = ("Not Sent", "Sent", "Sent", "Sent", "Not Sent", "Sent", "Error", "Sent")
    for number in range(1, count + 1):
        made = stamp(now - timedelta(minutes=3 * (count - number) + 1))
        status = "Partially Sent" if number == count else "Sending" if number == count - 1 else statuses[number % 8]
        about = "Sales Invoice" if number % 4 == 3 else "Quotation"
        people = [f"buyer{number}@sandbox.example", *([f"cc{number}@sandbox.example"] if number % 10 == 0 else [])]
        done = "Sent" if status == "Sent" else "Not Sent"
        yield {
            "name": f"mail{number:06d}",
            "creation": made,
            "sender": sender,
            "show_as_cc": "",
            "message": _message(number, about, sender),
            "status": status,
            "error": "Traceback: smtplib.SMTPRecipientsRefused" if status == "Error" else None,
            "reference_doctype": about,
            "reference_name": quotation(number % 20 + 1) if about == "Quotation" else None,
            "priority": 1,
            "retry": 3 if status == "Error" else 0,
            "email_account": account,
            "recipients": [{"recipient": person, "status": done, "creation": made} for person in people],
        }


def _message(number: int, about: str, sender: str) -> str:
    message = EmailMessage()
    message["Subject"] = f"{about} عرض سعر #{number}"
    message["From"] = sender
    message["To"] = "<!--recipient-->"
    message["Message-Id"] = f"<{number}@sandbox.example>"
    message.set_content(f"Dear customer,\n\nplease find {about} {number} attached.\n")
    return message.as_string()


def one_time_passwords(count: int, now: datetime, chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield Pending passwords expired, running and without an expiry; Verified ones; Expired ones."""
    for number in range(1, count + 1):
        kind = number % 10
        minutes = chance.randint(1, 600) * (-1 if kind < 4 or kind > 6 else 1)
        expires: str | None = stamp(now + timedelta(minutes=minutes))
        status = "Pending" if kind < 7 else "Verified" if kind < 9 else "Expired"
        yield {
            "name": f"otp{number:07d}",
            "creation": stamp(now - timedelta(minutes=700)),
            "email": f"buyer{number}@sandbox.example",
            "otp": chance.randint(100000, 999999),
            "expiration_time": None if kind == 6 and number % 20 == 6 else expires,
            "status": status,
        }
