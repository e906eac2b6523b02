"""The Dagster UI in the distribution's Chromium, as an operator clicks through it.

The browser and the few gestures that tests make. Its own downloads are never used: no binary that the system's package
manager does not know.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 30_000
"""Milliseconds for a page of the UI to show what is asked for."""


def find_chromium() -> str:
    """The system's Chromium; CHROMIUM names another one."""
    named = os.environ.get("CHROMIUM")
    found = named or next((path for path in map(shutil.which, NAMES) if path), None)
    assert found, "No Chromium found. Debian: apt-get install chromium; or name one in CHROMIUM."
    return found


class Operator:
    """What an operator does and sees in the UI."""

    def __init__(self, page: Page, url: str, screenshots: Path) -> None:
        self._page = page
        self._url = url
        self._screenshots = screenshots

    def screenshot(self, name: str) -> None:
        self._page.screenshot(path=self._screenshots / f"{name}.png")

    def open_asset(self, asset: str, view: str = "overview") -> None:
        self._page.goto(f"{self._url}/assets/{asset}?view={view}")
        expect(self._page.get_by_role("button", name="Materialize").first).to_be_enabled()

    def materialize(self) -> None:
        """The button on an open asset's page."""
        self._page.get_by_role("button", name="Materialize").first.click()

    def backfill_failed(self) -> None:
        """In the dialog that opens for an asset with partitions."""
        self.materialize()
        self._page.get_by_role("button", name="Failed", exact=True).click()
        launch = self._page.get_by_role("button", name="Launch")
        expect(launch).to_be_enabled()
        launch.click()

    def run_batch(self, job: str, batch: str) -> None:
        """A whole batch of a task, from the page of its job."""
        self._page.goto(f"{self._url}/locations/erp_medusa_pipelines/jobs/{job}")
        self._page.get_by_role("button", name="Materialize all").first.click()
        self._page.get_by_text("Select a partition or create one").click()
        self._page.get_by_placeholder("Filter partitions").fill(batch)
        self._page.get_by_title(batch).first.click()
        # The list lies over the button until its section is closed.
        self._page.get_by_text("Partition selection").click()
        self._page.get_by_role("button", name="Launch 1 run").click()

    def sees(self, text: str) -> None:
        expect(self._page.get_by_text(text).first).to_be_visible()

    def toggle(self, kind: str, name: str) -> None:
        """The switch on the page of a schedule or sensor."""
        self._page.goto(f"{self._url}/locations/erp_medusa_pipelines/{kind}/{name}")
        switch = self._page.get_by_role("row", name="Running").locator("input[type=checkbox]")
        was_on = switch.is_checked()
        # The input itself is drawn over by its picture.
        switch.locator("xpath=..").click()
        expect(switch).to_be_checked(checked=not was_on)

    def open_run(self, run_id: str) -> None:
        self._page.goto(f"{self._url}/runs/{run_id}")


@contextmanager
def operator(url: str, screenshots: Path) -> Iterator[Operator]:
    """A browser on the UI at `url`."""
    screenshots.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        # Chromium's sandbox needs rights that a container's root lacks; the only page shown is our own.
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        yield Operator(page, url, screenshots)
        browser.close()
