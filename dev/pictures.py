"""Take the two pictures of README from a running demo: `.venv/bin/python dev/pictures.py http://127.0.0.1:3000`.

Which pages are shown, and how much of them. CI takes none: pictures change when somebody looks at them.
"""

import argparse
import shutil
import sys
from pathlib import Path

from playwright.sync_api import FloatRect, Page, ViewportSize, sync_playwright

DOCS = Path(__file__).resolve().parents[1] / "docs"
LINEAGE = "/assets/medusa_products?view=lineage&lineageScope=neighbors&lineageDepth=2"
REJECTS = "/assets/medusa_prices?view=checks&checkDetail=nothing_rejected"
WINDOW = ViewportSize(width=1500, height=960)
CONTENT = FloatRect(x=240, y=0, width=1260, height=960)
"""The page without the navigation."""
SETTLE = 8_000
"""Milliseconds that the UI takes to lay out a graph and fit it into the window, or to load its icons."""


def take(page: Page, url: str) -> None:
    """Write both pictures into docs/."""
    page.goto(url + LINEAGE)
    page.get_by_text("medusa_images").first.wait_for()
    page.wait_for_timeout(SETTLE)
    # The UI leaves the last row below its edge: pull the graph up by an empty spot.
    page.mouse.move(400, 400)
    page.mouse.down()
    page.mouse.move(400, 340, steps=5)
    page.mouse.up()
    page.screenshot(path=DOCS / "lineage.png", clip=CONTENT)
    page.goto(url + REJECTS)
    page.get_by_text("Show schema").first.wait_for()
    page.wait_for_timeout(SETTLE)
    page.screenshot(path=DOCS / "rejects.png", clip=CONTENT)


def main() -> int:
    """Take them with the system's Chromium."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="address of the demo's UI")
    options = parser.parse_args()
    chromium = shutil.which("chromium")
    if not chromium:
        print("No chromium found. Debian: apt-get install chromium", file=sys.stderr)
        return 1
    with sync_playwright() as playwright:
        # Chromium's sandbox needs rights that a container's root lacks; the only pages shown are our own.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        take(browser.new_page(viewport=WINDOW), options.url)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
