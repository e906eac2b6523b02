"""The demo's shop: seeds an empty store with the catalogue of `clinic.py`, and what the other tasks read and write.

The order in which things are written. What is sold belongs to `clinic.py`; the set-up, waiting mails and passwords are
those of the sample shop (`seed.py`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from erp_medusa_sandbox.erpnext.store import ErpStore
from erp_medusa_sandbox.shop import trade as shop_trade
from erp_medusa_sandbox.shop.catalogue import Product
from erp_medusa_sandbox.shop.clinic import (
    ATTRIBUTES,
    BUYER,
    CLINICS,
    GROUPS,
    INTERNAL,
    ITEMS,
    NUMERIC,
    ROOT,
    SALE,
    WHOLESALE,
    Sold,
)
from erp_medusa_sandbox.shop.images import image
from erp_medusa_sandbox.shop.seed import (
    HOMEPAGE,
    TIME_ZONE,
    add_file,
    file_name,
    write_mails_and_passwords,
    write_setup,
)
from erp_medusa_sandbox.shop.trade import CURRENCY, SELLING, stamp, warehouse

STORES = warehouse("Muscat Main")


def seed_clinic(store: ErpStore, *, now: datetime | None = None) -> None:
    """Fill an empty store with the demo's shop; `now` is its wall clock, by default now in its zone."""
    now = (now or datetime.now(ZoneInfo(TIME_ZONE))).replace(tzinfo=None)
    chance = random.Random(1)  # noqa: S311 - sample data, no secret
    with store.transaction():
        write_setup(store, now)
        shop = _Clinic(store, now)
        shop.write_links()
        for sold in ITEMS:
            shop.write(sold)
        store.execute(
            "INSERT INTO sandbox_series (prefix, current) VALUES ('WEB-ITM-', ?)", (len(store.rows("Website Item")),)
        )
        shop.write_rules()
        shop.write_customers()
        _write_sales(store, shop.products, now, chance)
        store.insert("Expiring Items", modified=stamp(now), expiring_items=[])
        store.insert("Homepage Landing", name=HOMEPAGE, creation=stamp(now), price_visibility_threshold=50.0)
        store.set("Medusa Configuration", "", enable="0")
        write_mails_and_passwords(store, now, chance)


class _Clinic:
    """The store while it is filled."""

    def __init__(self, store: ErpStore, now: datetime) -> None:
        self.store, self.now = store, now
        self.made = {"creation": stamp(now - timedelta(days=400))}
        self.products: list[Product] = []
        """What was sold, for the invoices."""
        self._number = 0

    def write_links(self) -> None:
        """Item Groups as a nested set with pictures, attributes, brands, the second Price List."""
        for group, lft, rgt in _nested(ROOT, 1):
            known = {each.name: each for each in GROUPS}.get(group)
            values: dict[str, Any] = {"lft": lft, "rgt": rgt, "is_group": int(rgt - lft > 1), **self.made}
            if known:
                slug = _slug(group)
                values |= {"parent_item_group": known.parent, "weightage": known.weightage, "route": f"shop/{slug}"}
                values |= {"description": known.description, "show_in_website": int(group != INTERNAL)}
                values["image"] = f"/files/group-{slug}.png"
                self.store.put_file(values["image"], image("png", 900_000 + lft))
                self._translate(group, known.arabic)
            self.store.insert("Item Group", name=group, item_group_name=group, **values)
        for attribute, texts in ATTRIBUTES.items():
            rows = [{"attribute_value": value, "abbr": value[:3].upper()} for value in texts]
            self.store.insert("Item Attribute", attribute_name=attribute, item_attribute_values=rows, **self.made)
            for value, arabic in texts.items():
                self._translate(value, arabic)
        for attribute in NUMERIC:
            self.store.insert("Item Attribute", attribute_name=attribute, numeric_values=1, **self.made)
        for brand in sorted({sold.brand for sold in ITEMS if sold.brand}):
            self.store.insert("Brand", brand=brand, **self.made)
        for uom in ("Gram", "Kg"):
            self.store.insert("UOM", uom_name=uom, enabled=1, must_be_whole_number=0, **self.made)
        switches = {"selling": 1, "buying": 0, "enabled": 1, "currency": CURRENCY}
        self.store.insert("Price List", price_list_name=WHOLESALE, **switches, **self.made)

    def write(self, sold: Sold) -> None:
        """One Item, or a template with its variants."""
        self._translate(sold.name, sold.arabic)
        rows = [{"attribute": each, "numeric_values": int(each in NUMERIC)} for each in sold.attributes]
        template = {"has_variants": 1, "attributes": rows} if sold.values else {}
        name = self._page(sold, sold.code, sold.name, **template)
        self._picture(name, sold.code)
        for values in sold.values:
            code = "-".join((sold.code, *values)).upper()
            own = [
                {"attribute": attribute, "attribute_value": value, "numeric_values": int(attribute in NUMERIC)}
                for attribute, value in zip(sold.attributes, values, strict=True)
            ]
            variant = {"variant_of": sold.code, "attributes": [{**row, "variant_of": sold.code} for row in own]}
            self._page(sold, code, f"{sold.name} {' '.join(values)}", **variant)
            self._trade(sold, code)
        if not sold.values:
            self._trade(sold, sold.code)
        if sold.bundle:
            parts = [{"item_code": part, "qty": quantity, "uom": "Nos"} for part, quantity in sold.bundle.items()]
            self.store.insert("Product Bundle", name=sold.code, new_item_code=sold.code, items=parts, **self.made)

    def _page(self, sold: Sold, code: str, title: str, **item: Any) -> str:
        """The Item and its Website Item, whose name is returned."""
        self._number += 1
        both = {"item_code": code, "item_name": title, "item_group": sold.group, "stock_uom": sold.unit}
        both |= {"brand": sold.brand, "description": f"<p>{sold.short}</p>", **self.made}
        measures = {"weight_per_unit": sold.grams, "weight_uom": "Gram", "customs_tariff_number": "9018"}
        dated = {"has_batch_no": 1, "has_expiry_date": 1} if sold.batches else {}
        fields = {"country_of_origin": "Germany", **measures, **dated, **sold.item, **item}
        self.store.insert("Item", name=code, **both, **fields)
        name = f"WEB-ITM-{self._number:04d}"
        of_template = {key: item[key] for key in ("has_variants", "variant_of") if key in item}
        self.store.insert(
            "Website Item", name=name, web_item_name=title, published=sold.published, website_warehouse=STORES,
            route=f"shop/{_slug(sold.group)}/{_slug(title)}", short_description=sold.short,
            web_long_description=f"<p>{title}.</p><p>{sold.short}</p>", **both, **of_template,
        )  # fmt: skip
        if not item.get("has_variants") and sold.published:
            self.products.append(
                Product(self._number, code, title, sold.group, sold.unit, sold.brand, None, 0, 1, 0, "", None, [], None)
            )
        return name

    def _trade(self, sold: Sold, code: str) -> None:
        """Prices, stock and batches of an Item."""
        rate = {"item_code": code, "uom": sold.unit, "currency": CURRENCY, "selling": 1, "buying": 0}
        rows = [(SELLING, sold.rate, 0), (WHOLESALE, sold.wholesale, 0)]
        rows += [(SELLING, sold.pack[1], sold.pack[0])] if sold.pack else []
        for number, (price_list, amount, pack) in enumerate(rows):
            if amount is not None:
                own = {"price_list": price_list, "price_list_rate": amount, "packing_unit": pack}
                self.store.insert("Item Price", name=f"PRICE-{code}-{number}", **rate, **own, **self.made)
        if "is_stock_item" in sold.item:
            return
        place = {"item_code": code, "warehouse": STORES}
        quantities = {"actual_qty": sold.quantity, "reserved_qty": sold.reserved}
        self.store.insert("Bin", **place, **quantities, stock_uom=sold.unit, **self.made)
        for number, (quantity, days) in enumerate(sold.batches, start=1):
            batch = f"{code}-B{number}"
            expiry = (self.now.date() + timedelta(days=days)).isoformat()
            about = {"batch_id": batch, "item": code, "item_name": sold.name, "stock_uom": sold.unit}
            self.store.insert("Batch", name=batch, batch_qty=quantity, expiry_date=expiry, **about, **self.made)
            entry = {"batch_no": batch, "warehouse": STORES, "qty": quantity}
            booked = {"type_of_transaction": "Inward", "total_qty": quantity, "docstatus": 1}
            self.store.insert("Serial and Batch Bundle", **place, **booked, entries=[entry], **self.made)

    def _picture(self, name: str, code: str) -> None:
        kind = ("png", "jpg", "webp")[self._number % 3]
        url = add_file(
            self.store, name, f"{code.lower()}.{kind}", image(kind, self._number), creation=self.made["creation"]
        )
        self.store.set("Website Item", name, website_image=url)
        self.store.set("File", file_name(name, url), attached_to_field="website_image")

    def _translate(self, text: str, arabic: str) -> None:
        if arabic:
            self.store.insert("Translation", language="ar", source_text=text, translated_text=arabic, **self.made)

    def write_rules(self) -> None:
        """A sale with dates, a discount by quantity, and one that Medusa cannot say."""
        began, ends = (self.now.date() + timedelta(days=days) for days in (-3, 11))
        dates = {"valid_from": began.isoformat(), "valid_upto": ends.isoformat()}
        self._rule(SALE, "Item Group", "Clinic Wear", discount_percentage=20, **dates)
        self._rule("Files by the ten", "Item Group", "Endodontics", discount_percentage=10, min_qty=10)
        free = {"price_or_product_discount": "Product", "min_qty": 5}
        self._rule("Five respirators and one free", "Item Code", "FF", **free)

    def _rule(self, title: str, apply_on: str, target: str, **fields: Any) -> None:
        table, column = {"Item Group": ("item_groups", "item_group"), "Item Code": ("items", "item_code")}[apply_on]
        values = {"price_or_product_discount": "Price", "rate_or_discount": "Discount Percentage", **fields}
        about = {"title": title, "apply_on": apply_on, "selling": 1, "currency": CURRENCY}
        self.store.insert("Pricing Rule", name=title, **about, **values, **{table: [{column: target}]}, **self.made)

    def write_customers(self) -> None:
        """A clinic whose group has a Price List of its own."""
        group = {"customer_group_name": CLINICS, "default_price_list": WHOLESALE, "lft": 1, "rgt": 2}
        self.store.insert("Customer Group", name=CLINICS, **group, **self.made)
        name = "Al Noor Dental Clinic"
        self.store.insert("Customer", name=name, customer_name=name, customer_group=CLINICS, **self.made)
        link = {"link_doctype": "Customer", "link_name": name}
        self.store.insert("Contact", name=name, first_name=name, email_ids=[{"email_id": BUYER}], links=[link])


def _nested(name: str, lft: int) -> Iterator[tuple[str, int, int]]:
    """Yield (name, lft, rgt) of a group after all below it."""
    right = lft + 1
    for child in (group for group in GROUPS if group.parent == name):
        for found in _nested(child.name, right):
            yield found
            right = max(right, found[2] + 1)
    yield name, lft, right


def _slug(text: str) -> str:
    return "-".join("".join(sign if sign.isalnum() else " " for sign in text.lower()).split())


def _write_sales(store: ErpStore, products: list[Product], now: datetime, chance: random.Random) -> None:
    invoices, lines = [], []
    for invoice, rows in shop_trade.sales(products, 150, now, chance):
        invoices.append(invoice)
        lines += rows
    store.bulk_insert("Sales Invoice", shop_trade.INVOICE_COLUMNS, invoices)
    store.bulk_insert("Sales Invoice Item", shop_trade.LINE_COLUMNS, lines)
