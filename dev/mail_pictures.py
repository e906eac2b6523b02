"""Take the pictures of our mails in docs/: `.venv/bin/python -m dev.mail_pictures`.

Belongs here: a cart to look at, in each language. CI takes none: pictures change when somebody looks at them.
"""

import base64
import shutil
import sys
from decimal import Decimal
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import sync_playwright

from erp_medusa_pipelines.mail.texts import Texts

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


def page(language: str) -> str:
    """Return the HTML of a mail."""
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


def main() -> int:
    """Take them with the system's Chromium."""
    chromium = shutil.which("chromium")
    if not chromium:
        print("No chromium found. Debian: apt-get install chromium", file=sys.stderr)
        return 1
    with sync_playwright() as playwright:
        # Chromium's sandbox needs rights that a container's root lacks; the only pages shown are our own.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for language in LANGUAGES:
            shown = browser.new_page(viewport={"width": 640, "height": 640})
            shown.set_content(page(language))
            shown.screenshot(path=DOCS / f"cart_mail_{language}.png", full_page=True)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
