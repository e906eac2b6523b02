"""Take the picture of what the UI plots of mails about carts: `.venv/bin/python -m dev.plot_picture`.

Some runs with carts that are left, bought after their mail, and left again, in an embedded Medusa, and the page of
their counts. CI takes none: pictures change when somebody looks at them.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import FloatRect, sync_playwright

from dev.killed_mails import Servers, environment_of, make_carts, run_once, serve
from dev.local_dagster import free_port
from dev.mail_sink import mail_sink

ROOT = Path(__file__).resolve().parents[1]
LEFT = (9, 14, 6, 11, 17, 8, 12)
"""Carts that are left before each run; every third of them is bought after its mail."""
PATIENCE, SETTLE = 60_000, 6_000
"""Milliseconds for a page of the UI to show what is asked for, and to draw it."""
CONTENT = FloatRect(x=250, y=450, width=860, height=1970)
NO_WELCOME = "nux:\n  enabled: false\ntelemetry:\n  enabled: false\n"
"""dagster.yaml of an instance whose UI asks nobody to sign up."""


def buy(servers: Servers, cart_id: str) -> None:
    """Pay for a cart, as its customer does who comes back."""
    collection = _store(servers, "payment-collections", {"cart_id": cart_id})["payment_collection"]["id"]
    _store(servers, f"payment-collections/{collection}/payment-sessions", {"provider_id": "pp_system_default"})
    _store(servers, f"carts/{cart_id}/complete", {})


def _store(servers: Servers, path: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"x-publishable-api-key": servers.publishable_key}
    answer = requests.post(f"{servers.environment['MEDUSA_URL']}/store/{path}", json=body, headers=headers, timeout=60)
    answer.raise_for_status()
    return answer.json()


def take(url: str, chromium: str) -> None:
    """Write the picture into docs/."""
    with sync_playwright() as playwright:
        # Chromium's sandbox needs rights that a container's root lacks; the only pages shown are our own.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1500, "height": 2600})
        page.goto(f"{url}/assets/abandoned_carts?view=overview", timeout=PATIENCE)
        page.get_by_text("recovered_omr").first.wait_for(timeout=PATIENCE)
        page.get_by_text("Plots", exact=True).first.click()
        page.wait_for_timeout(SETTLE)
        page.screenshot(path=ROOT / "docs" / "cart_counts.png", clip=CONTENT)
        browser.close()


def main() -> int:
    """Take it with the system's Chromium."""
    chromium = shutil.which("chromium")
    if not chromium:
        print("No chromium found. Debian: apt-get install chromium", file=sys.stderr)
        return 1
    with serve(real=False) as servers, mail_sink() as sink, tempfile.TemporaryDirectory() as home:
        Path(home, "dagster.yaml").write_text(NO_WELCOME, encoding="utf-8")
        environment = environment_of(servers, sink.port, home)
        for number in LEFT:
            carts = make_carts(servers, number)
            time.sleep(3)
            run_once(environment, None)
            for cart_id in list(carts.values())[::3]:
                buy(servers, cart_id)
        port = free_port(None)
        command = [sys.executable, "-m", "dagster_webserver", "-m", "erp_medusa_pipelines.definitions", "-p", str(port)]
        with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}) as webserver:  # noqa: S603
            try:
                _until_it_answers(f"http://127.0.0.1:{port}/server_info")
                take(f"http://127.0.0.1:{port}", chromium)
            finally:
                webserver.terminate()
    return 0


def _until_it_answers(url: str) -> None:
    for _ in range(120):
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(1)
    raise TimeoutError(url)


if __name__ == "__main__":
    sys.exit(main())
