"""Take the pictures of our mails in docs/: `.venv/bin/python -m dev.mail_pictures`.

A cart, a newsletter and a week to look at, in each language. CI takes none: pictures change when somebody looks at
them.
"""

import base64
import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import sync_playwright

from erp_medusa_pipelines.assets.publication import NotBoughtInShop
from erp_medusa_pipelines.assets.weekly_report import Changes, TaskWeek, Week
from erp_medusa_pipelines.mail.texts import Texts
from erp_medusa_pipelines.sync.storefront.newsletter_items import Shown

DOCS = Path(__file__).resolve().parents[1] / "docs"
LANGUAGES = {
    "en": ("Shop of Muscat", ("Nitrile gloves, 100 pieces", "Surgical masks, 50 pieces", "Ultrasound gel, 5 l")),
    "ar": ("متجر مسقط", ("قفازات نيتريل، 100 قطعة", "كمامات جراحية، 50 قطعة", "جل الموجات فوق الصوتية، 5 لتر")),
}
COLOURS = ("#5b8def", "#48b5a0", "#e8a33d")


def picture(colour: str) -> str:
    """Return a product's picture as a data address."""
    image = Image.new("RGB", (128, 128), colour)
    ImageDraw.Draw(image).ellipse((34, 34, 94, 94), fill="white")
    stored = BytesIO()
    image.save(stored, "PNG")
    return "data:image/png;base64," + base64.b64encode(stored.getvalue()).decode()


def cart_mail(language: str) -> str:
    """Return the HTML of a mail about a cart."""
    shop, titles = LANGUAGES[language]
    prices = (Decimal("3.250"), Decimal("1.900"), Decimal("6.750"))
    lines = [
        {"title": title, "quantity": number + 1, "total": price * (number + 1), "picture": picture(colour), "link": ""}
        for number, (title, price, colour) in enumerate(zip(titles, prices, COLOURS, strict=True))
    ]
    total = sum((price * (number + 1) for number, price in enumerate(prices)), Decimal(0))
    cart = {"currency": "omr", "total": total, "more": 0, "lines": lines}
    values = {
        "cart": cart,
        "recovery_link": "https://shop.example/cart",
        "unsubscribe_link": "https://shop.example/stop",
    }
    return Texts(None, language, shop, {"omr": 3}).write("abandoned_cart", values).html


def newsletter(language: str) -> str:
    """Return the HTML of a newsletter."""
    shop, titles = LANGUAGES[language]
    prices = (Decimal("3.250"), Decimal("1.900"), Decimal("6.750"))
    shown = [
        Shown(title, title, price, None, False, "omr", picture(colour), "https://shop.example/p")
        for title, price, colour in zip(titles, prices, COLOURS, strict=True)
    ]
    cheaper = replace(shown[1], price=Decimal("1.200"), before=Decimal("1.900"))
    sections = {"new": [shown[0]], "clearance": [cheaper], "best": [replace(shown[2], several=True)]}
    values = {"sections": sections, "unsubscribe_link": "https://shop.example/stop"}
    return Texts(None, language, shop, {"omr": 3}).write("newsletter", values).html


def weekly_report(language: str) -> str:
    """Return the HTML of a report about a week in which some things went wrong."""
    until = datetime(2026, 11, 30, 6, tzinfo=UTC)
    week = Week(
        until - timedelta(days=7),
        until,
        [
            TaskWeek("export_items_and_images_custom", 28, 1, 47.2),
            TaskWeek("sync_missing_prices_to_medusa", 28, 0, 12.4),
            TaskWeek("update_webitem_stock", 28, 0, 9.8),
            TaskWeek("add_top_selling_items_to_collection", 7, 0, 1.3),
            TaskWeek("fetch_clearance_items", 7, 0, 0.4),
            TaskWeek("send_quotation_emails", 214, 2, 0.6),
            TaskWeek("send_abandoned_cart_emails", 28, 0, 1.1),
        ],
        [
            ("medusa_products", {"written": 64, "updated": 212}),
            ("medusa_prices", {"written": 71, "updated": 390}),
            ("medusa_stock", {"updated": 3120}),
            ("quotation_emails", {"sent": 331}),
            ("abandoned_carts", {"sent": 58, "recovered": 9}),
            ("newsletter", {"sent": 1240}),
        ],
        [("medusa_products", 2), ("medusa_prices", 3)],
        [
            ("Dental", [("Mouth mirror, 12 pieces", 412.0), ("Probe, double ended", 260.0)]),
            ("Medical", [("Nitrile gloves, 100 pieces", 1890.0), ("Surgical masks, 50 pieces", 1204.0)]),
        ],
        ["Batch 2 of medusa_images failed 3 times: File 7f3a1c was not found"],
        NotBoughtInShop(
            14,
            2,
            [
                ("WEB-ITM-0412", "its variant has no inventory item"),
                ("WEB-ITM-0977", "it is not in the sales channel"),
                ("WEB-ITM-1003", "no Item Price in Standard Selling is valid today"),
                ("WEB-ITM-1010", "no Item Price in Standard Selling is valid today"),
                ("WEB-ITM-1011", "no Item Price in Standard Selling is valid today"),
            ],
        ),
        Changes(186, 0.8, 6.4, 0.0, ""),
    )
    values = {"week": week, "ui": "https://dagster.example"}
    return Texts(None, language, LANGUAGES[language][0], {}).write("weekly_report", values).html


PICTURES = {"cart_mail": cart_mail, "newsletter": newsletter, "weekly_report": weekly_report}


def main() -> int:
    """Take them with the system's Chromium."""
    chromium = shutil.which("chromium")
    if not chromium:
        print("No chromium found. Debian: apt-get install chromium", file=sys.stderr)
        return 1
    with sync_playwright() as playwright:
        # Chromium's sandbox needs rights that a container's root lacks; the only pages shown are our own.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, html in PICTURES.items():
            for language in LANGUAGES:
                shown = browser.new_page(viewport={"width": 640, "height": 640})
                shown.set_content(html(language))
                shown.screenshot(path=DOCS / f"{name}_{language}.png", full_page=True)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
