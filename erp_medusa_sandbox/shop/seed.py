"""The sample shop: seeds an empty store with a catalogue, its trade and the documents that the tasks read and write.

The order in which things are written, and the documents that exist once. The rows themselves are made by
`catalogue.py`, `trade.py` and `images.py`. The same seed and moment make the same shop.
"""

from __future__ import annotations

import hashlib
import random
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from erp_medusa_sandbox.erpnext.store import ErpStore
from erp_medusa_sandbox.shop import catalogue as shop_catalogue
from erp_medusa_sandbox.shop import trade as shop_trade
from erp_medusa_sandbox.shop.catalogue import Product
from erp_medusa_sandbox.shop.images import image
from erp_medusa_sandbox.shop.trade import stamp, warehouse

TIME_ZONE = "Asia/Muscat"
MAX_IMAGES = 400
ACCOUNT, SENDER = "Sandbox Out", "erp@sandbox.example"
HOMEPAGE = "Active Homepage Landing"
# The app's own scheduled jobs, as it registers them with the Frappe scheduler.
SCHEDULED = {
    "medusa_integration.api.send_quotation_emails": ("Cron", "* * * * *"),
    "medusa_integration.api.expire_otps": ("Cron", "* * * * *"),
    "medusa_integration.api.fetch_clearance_items": ("Cron", "0 1 * * *"),
    "medusa_integration.api.add_top_selling_items_to_collection": ("Cron", "0 1 * * *"),
    "medusa_integration.api.export_items_and_images_custom": ("Cron", "0 1 * * *"),
    "medusa_integration.api.sync_missing_prices_to_medusa": ("Cron", "0 1 * * *"),
    "medusa_integration.api.update_webitem_stock": ("Daily Long", None),
    "frappe.email.queue.flush": ("All", None),
}
SYSTEM = ("name", "owner", "modified_by", "creation", "modified")
CHILD = ("idx", "parent", "parentfield", "parenttype")
Times = tuple[str, str, str, str]


def seed_shop(
    store: ErpStore,
    *,
    items: int = 400,
    seed: int = 1,
    now: datetime | None = None,
    images: int | None = None,
    smtp_host: str = "127.0.0.1",
    smtp_port: int = 2525,
) -> None:
    """Fill an empty store with `items` Website Items and what belongs to them.

    Args:
        store: an empty one.
        items: how many Website Items.
        seed: the same one makes the same shop.
        now: the shop's wall clock; by default now in its zone.
        images: how many items have pictures; by default all, at most 400.
        smtp_host: where the outgoing Email Account points at.
        smtp_port: its port.
    """
    chance = random.Random(seed)  # noqa: S311 - sample data, no secret
    now = (now or datetime.now(ZoneInfo(TIME_ZONE))).replace(tzinfo=None)
    with store.transaction():
        write_setup(store, now, smtp_host, smtp_port)
        products = shop_catalogue.products(items, chance)
        _write_catalogue(store, products, now, chance)
        _write_trade(store, products, now, chance)
        _write_images(store, products[: min(items, MAX_IMAGES) if images is None else images], now)
        _write_pages(store, products, now)
        write_mails_and_passwords(store, now, chance)


def write_mails_and_passwords(store: ErpStore, now: datetime, chance: random.Random) -> None:
    """What the tasks of every minute work on."""
    for row in shop_trade.mails(60, now, ACCOUNT, SENDER):
        store.insert("Email Queue", **row)
    for row in shop_trade.one_time_passwords(60, now, chance):
        store.insert("Email OTP", **row)


def write_setup(store: ErpStore, now: datetime, smtp_host: str = "127.0.0.1", smtp_port: int = 2525) -> None:
    """What a site has before its first Item: lists, partners, warehouses, mail, scheduled jobs, settings."""
    made = {"creation": stamp(now - timedelta(days=731))}
    _write_lists(store, made)
    _write_partners(store, now, made)
    for row in shop_trade.warehouses():
        store.insert("Warehouse", **row, **made)
    server = {"smtp_server": smtp_host, "smtp_port": str(smtp_port), "no_smtp_authentication": 1}
    outgoing = {"enable_outgoing": 1, "default_outgoing": 1}
    store.insert("Email Account", email_account_name=ACCOUNT, email_id=SENDER, **server, **outgoing, **made)
    for method, (frequency, cron) in SCHEDULED.items():
        name = ".".join(method.split(".")[-2:])
        job = {"method": method, "frequency": frequency, "cron_format": cron, "stopped": 1}
        store.insert("Scheduled Job Type", name=name, **job, **made)
    precision = {"float_precision": "3", "currency_precision": "", "enable_scheduler": 1}
    store.set("System Settings", "", time_zone=TIME_ZONE, language="en", country="Oman", **precision)


def _write_lists(store: ErpStore, made: dict[str, Any]) -> None:
    """What documents link to: countries, units, currencies, brands, folders, price lists."""
    for country, code in shop_catalogue.COUNTRIES.items():
        store.insert("Country", country_name=country, code=code, **made)
    for folder, above in (("Home", None), ("Home/Attachments", "Home")):
        # A save of a File checks its folder.
        row = {"name": folder, "file_name": folder.rsplit("/", 1)[-1], "folder": above, "is_folder": 1}
        store.insert("File", **row, **made)
    for uom in shop_catalogue.UOMS:
        store.insert("UOM", uom_name=uom, enabled=1, must_be_whole_number=0, **made)
    for currency, enabled in (("OMR", 1), ("USD", 1), ("EUR", 0)):
        store.insert("Currency", currency_name=currency, enabled=enabled, symbol=currency, **made)
    for brand in shop_catalogue.BRANDS:
        store.insert("Brand", brand=brand, **made)
    for name, buying in ((shop_trade.SELLING, 0), (shop_trade.BUYING, 1)):
        switches = {"buying": buying, "selling": 1 - buying, "enabled": 1, "currency": shop_trade.CURRENCY}
        store.insert("Price List", price_list_name=name, **switches, **made)


def _write_partners(store: ErpStore, now: datetime, made: dict[str, Any]) -> None:
    """The company, its customers and their quotations."""
    company = {"company_name": shop_trade.COMPANY, "abbr": shop_trade.ABBR, "country": "Oman"}
    store.insert("Company", **company, default_currency=shop_trade.CURRENCY, **made)
    for customer in shop_trade.CUSTOMERS:
        store.insert("Customer", customer_name=customer, **made)
    for number in range(1, 21):
        customer = shop_trade.CUSTOMERS[number]
        row = {"name": shop_trade.quotation(number), "party_name": customer, "customer_name": customer, "docstatus": 1}
        store.insert("Quotation", **row, transaction_date=f"{now:%Y-%m-%d}", status="Open", grand_total=number * 12.345)


def _write_catalogue(store: ErpStore, products: list[Product], now: datetime, chance: random.Random) -> None:
    long_ago = stamp(now - timedelta(days=730))
    system = ("Administrator", "Administrator", long_ago, long_ago)
    store.bulk_insert(
        "Item Group",
        (*SYSTEM, "item_group_name", "parent_item_group", "is_group", "lft", "rgt"),
        ((g.name, *system, g.name, g.parent, g.is_group, g.lft, g.rgt) for g in shop_catalogue.groups()),
    )
    made = [stamp(now - timedelta(days=chance.uniform(30, 730))) for _ in products]
    times = {
        product.number: ("Administrator", "Administrator", moment, moment)
        for product, moment in zip(products, made, strict=True)
    }
    _write_items(store, products, times)
    _write_website_items(store, products, times)


def _write_items(store: ErpStore, products: list[Product], times: dict[int, Times]) -> None:
    store.bulk_insert(
        "Item",
        (*SYSTEM, "item_code", "item_name", "item_group", "stock_uom", "brand", "country_of_origin", "disabled",
         "has_batch_no", "has_expiry_date", "description"),
        ((p.item_code, *times[p.number], p.item_code, p.item_name, p.item_group, p.uom, p.brand, p.country, p.disabled,
          p.has_batch, p.has_batch, p.description) for p in products),
    )  # fmt: skip
    store.bulk_insert(
        "Item Barcode",
        (*SYSTEM, *CHILD, "barcode", "barcode_type"),
        (
            (f"{p.number:010x}", *times[p.number], 1, p.item_code, "barcodes", "Item", p.barcode, "EAN")
            for p in products
            if p.barcode
        ),
    )


def _write_website_items(store: ErpStore, products: list[Product], times: dict[int, Times]) -> None:
    shown = [warehouse(name) for name in shop_trade.SHOWN]
    store.bulk_insert(
        "Website Item",
        (*SYSTEM, "naming_series", "web_item_name", "route", "published", "item_code", "item_name", "item_group",
         "stock_uom", "description", "brand", "website_warehouse", "custom_threshold_qty", "on_backorder",
         "short_description", "web_long_description", "ranking"),
        ((p.website_item, *times[p.number], "WEB-ITM-.####", p.item_name, f"item/itm-{p.number}", p.published,
          p.item_code, p.item_name, p.item_group, p.uom, p.description, p.brand,
          None if p.number % 40 == 0 else shown[p.number % len(shown)], (0, 5, 10)[p.number % 3],
          int(p.number % 17 == 0), f"Short {p.item_name}", p.long_description, p.number % 10) for p in products),
    )  # fmt: skip
    store.execute(
        "INSERT INTO sandbox_series (prefix, current) VALUES ('WEB-ITM-', ?) "
        "ON CONFLICT (prefix) DO UPDATE SET current = excluded.current",
        (len(products),),
    )
    table = ("website_specifications", "Website Item")
    store.bulk_insert(
        "Item Website Specification",
        (*SYSTEM, *CHILD, "label", "description"),
        (
            (f"{p.number:07x}{idx:03x}", *times[p.number], idx, p.website_item, *table, *row)
            for p in products
            for idx, row in enumerate(p.specifications, start=1)
        ),
    )


def _write_trade(store: ErpStore, products: list[Product], now: datetime, chance: random.Random) -> None:
    store.bulk_insert("Item Price", shop_trade.PRICE_COLUMNS, shop_trade.prices(products, now, chance))
    made = stamp(now - timedelta(days=2))
    system = ("Administrator", "Administrator", made, made)
    store.bulk_insert(
        "Bin",
        (*SYSTEM, "item_code", "warehouse", "actual_qty", "reserved_qty", "projected_qty", "stock_uom"),
        ((row[0], *system, *row[1:]) for row in shop_trade.bins(products, chance)),
    )
    batch = ("batch_id", "item", "item_name", "stock_uom", "batch_qty", "manufacturing_date", "expiry_date", "disabled")
    store.bulk_insert(
        "Batch",
        (*SYSTEM, *batch),
        ((row[0], *system, *row[1:]) for row in shop_trade.batches(products, now.date(), chance)),
    )
    invoices, lines = [], []
    for invoice, rows in shop_trade.sales(products, max(3 * len(products), 30), now, chance):
        invoices.append(invoice)
        lines += rows
    store.bulk_insert("Sales Invoice", shop_trade.INVOICE_COLUMNS, invoices)
    store.bulk_insert("Sales Invoice Item", shop_trade.LINE_COLUMNS, lines)


def _write_images(store: ErpStore, products: list[Product], now: datetime) -> None:
    """One picture each, a second one for some; names with spaces, Arabic and %, every tenth private."""
    made = stamp(now - timedelta(days=10))
    for product in products:
        number = product.number
        if number % 16 == 15:
            continue  # nobody took a picture yet
        kind = ("png", "jpg", "jpeg", "webp")[number % 4 if number % 8 else 3]
        name = f"item-{number:04d}.{kind}"
        if number % 25 == 0:
            name = f"photo {number:04d} (front).{kind}"
        if number % 30 == 0:
            name = f"صورة {number:04d} 50%.{kind}"
        url = add_file(store, product.website_item, name, image(kind, number), private=number % 10 == 0, creation=made)
        if number % 10:
            store.set("Website Item", product.website_item, website_image=url)
            store.set("File", file_name(product.website_item, url), attached_to_field="website_image")
        if number % 9 == 0:
            add_file(store, product.website_item, f"back-{name}", image(kind, number + 500_000), creation=made)


def add_file(
    store: ErpStore, website_item: str, name: str, content: bytes, *, private: bool = False, **values: Any
) -> str:
    """Attach a File with its content to a Website Item; returns its file_url."""
    url = f"{'/private' if private else ''}/files/{name}"
    extension = name.rpartition(".")[2].upper()
    row = {
        "name": file_name(website_item, url),
        "file_name": name,
        "file_url": url,
        "file_type": {"JPEG": "JPG"}.get(extension, extension),
        "file_size": len(content),
        "is_private": int(private),
        "folder": "Home/Attachments",
        "attached_to_doctype": "Website Item",
        "attached_to_name": website_item,
        "content_hash": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        **values,
    }
    store.insert("File", **row)
    store.put_file(url, content)
    return url


def file_name(website_item: str, url: str) -> str:
    """Return the name of the File that `add_file` makes for this address."""
    return hashlib.sha256(f"{website_item}{url}".encode()).hexdigest()[:10]


def _write_pages(store: ErpStore, products: list[Product], now: datetime) -> None:
    """The documents that exist once: what an earlier run of the app and the shop's staff left in them."""
    made = stamp(now - timedelta(days=1))
    names = {product.website_item: product.item_name for product in products}
    batched = [product.website_item for product in products if product.has_batch and product.published][:6]
    shown = [name for place, name in enumerate(batched) if place % 2 == 0]
    expiring = [
        {
            "website_item": name,
            "website_item_name": names[name],
            "expiry_date": (now.date() + timedelta(days=place * 7 - 3)).isoformat(),
            "show": int(name in shown),
            "creation": made,
            "owner": "Administrator",
        }
        for place, name in enumerate(batched)
    ]
    written = {"modified": made, "modified_by": "Administrator", "owner": "Administrator", "idx": "0"}
    store.insert("Expiring Items", **written, expiring_items=expiring)
    # Product Collection was never saved: a Single without `modified`, as on a new site.
    store.set("Medusa Configuration", "", enable="0")
    _write_homepage(store, names, shown, made)


def _write_homepage(store: ErpStore, names: dict[str, str], shown: list[str], made: str) -> None:
    child = {"creation": made, "owner": "Administrator"}
    by_hand = list(names)[:2]
    store.insert(
        "Homepage Landing",
        name=HOMEPAGE,
        creation=made,
        price_visibility_threshold=50.0,
        best_deals=[
            {"url": f"https://cdn.sandbox.example/deal-{place}.png", "website_item": name, **child}
            for place, name in enumerate(by_hand, start=1)
        ],
        clearance_items=[{"website_item": name, "website_item_name": names[name], **child} for name in shown],
        top_sellers=[{"website_item": name, "website_item_name": names[name], **child} for name in by_hand],
    )
