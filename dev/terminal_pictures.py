"""Write docs/plan.svg and docs/drift.svg: what the two commands print for a few items of the embedded shop.

The commands are the real ones, run as an operator runs them; rich turns their output into an SVG. CI takes none.
Start it with `.venv/bin/python -m dev.terminal_pictures`.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
TASK = "export_items_and_images_custom"
COLUMNS = 80
WEB_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""rich names fonts on another host; a viewer's own monospaced font does as well."""


def command(*arguments: str) -> str:
    """Return what `erp-medusa` prints with these arguments, with its colours."""
    run = subprocess.run(  # noqa: S603
        [str(Path(sys.executable).with_name("erp-medusa")), *arguments],
        env={**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return run.stdout


def picture(name: str, shown: str, output: str) -> None:
    """Write docs/NAME.svg with a prompt line and the output of a command."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        console.print(Text(f"$ {shown}"), Text.from_ansi(output), sep="\n")
        svg = console.export_svg(title="erp-medusa", unique_id=name)
    (ROOT / "docs" / f"{name}.svg").write_text(WEB_FONT.sub("", svg), encoding="utf-8")


def change_shop(names: Sequence[str]) -> None:
    """Make the two sides differ: a product is gone, a title, a price, a quantity and a status differ."""
    from erp_medusa_pipelines.connections import open_shop
    from erp_medusa_pipelines.settings import load_settings

    with open_shop(load_settings()) as shop:
        gone, retitled, repriced, restocked, hidden = (shop.erp.get("Website Item", name) for name in names)
        shop.medusa.send("DELETE", f"/admin/products/{gone['medusa_id']}", gives="deleted")
        shop.erp.update("Website Item", retitled["name"], {"web_item_name": f"{retitled['web_item_name']} (new box)"})
        prices = shop.erp.get_list(
            "Item Price", ["name", "price_list_rate"], filters=[["item_code", "=", repriced["item_code"]]]
        )
        for row in prices:
            shop.erp.update("Item Price", row["name"], {"price_list_rate": row["price_list_rate"] + 1.25})
        ids = "id,variants.inventory_items.inventory_item_id"
        (product,) = shop.medusa.products_by("id", [restocked["medusa_id"]], ids)
        inventory_item = product["variants"][0]["inventory_items"][0]["inventory_item_id"]
        level = f"/admin/inventory-items/{inventory_item}/location-levels/{shop.medusa.stock_location_id(None)}"
        shop.medusa.send("POST", level, {"stocked_quantity": 999}, gives="inventory_item")
        shop.medusa.send("POST", f"/admin/products/{hidden['medusa_id']}", {"status": "draft"}, gives="product")


def items(number: int) -> list[str]:
    """Return names of published Website Items that can be exported, with a price and stock."""
    from erp_medusa_pipelines.connections import open_shop
    from erp_medusa_pipelines.settings import load_settings

    with open_shop(load_settings()) as shop:
        rows = shop.erp.get_list("Website Item", ["name", "item_code"], filters=[["published", "=", 1]], limit=80)
        codes = [row["item_code"] for row in rows]
        priced = {row["item_code"] for row in shop.erp.rows_in("Item Price", ["item_code"], codes, key="item_code")}
        stocked = {row["item_code"] for row in shop.erp.rows_in("Bin", ["item_code"], codes, key="item_code")}
    return [row["name"] for row in rows if row["item_code"] in priced & stocked][:number]


def options(names: Sequence[str]) -> list[str]:
    """Return the options that limit a command to these items."""
    return [part for name in names for part in ("--item", name)]


def main() -> int:
    """Start an embedded shop, change it, write both pictures, end it."""
    with tempfile.TemporaryDirectory() as directory:
        home, sandbox = Path(directory, "home"), Path(directory, "sandbox")
        home.mkdir()
        shutil.copy(ROOT / "dagster.yaml", home)
        os.environ.update(USE_SANDBOX="true", SANDBOX_DIR=str(sandbox), DAGSTER_HOME=str(home))
        try:
            chosen = items(5)
            command("sync", *chosen)
            change_shop(chosen)
            # The first two have many values: in a plan they would fill more than a picture.
            for name, arguments in (
                ("plan", ["plan", TASK, *options(chosen[2:])]),
                ("drift", ["drift", *options(chosen)]),
            ):
                picture(name, f"erp-medusa {' '.join(arguments)}", command(*arguments))
        finally:
            stop = [sys.executable, "-m", "erp_medusa_sandbox", "stop", "--state-dir", str(sandbox)]
            subprocess.run(stop, check=True)  # noqa: S603
    return 0


if __name__ == "__main__":
    sys.exit(main())
