"""Every place that can take something away from customers is known, and asks a guard first."""

import ast
from collections.abc import Iterator
from pathlib import Path

import erp_medusa_pipelines.sync

SYNC = Path(erp_medusa_pipelines.sync.__file__).parent
CALLS = {
    "delete",
    "batch_variants",
    "delete_empty_list",
    "delete_products",
    "delete_collection",
    "update_list",
    "retire",
    "write_levels",
    "batch_products",
    "merge_save",
}
ASKS = ("guard.refusal(", "guard.refuse(", "_shrinks(")

ASKED_IN = {
    # Prices
    ("prices/removals.py", "_delete", "delete"): "prices/price_sync.py",
    ("prices/removals.py", "_retire", "retire"): "prices/price_sync.py",
    ("prices/lists.py", "retire", "update_list"): "prices/price_sync.py",
    ("prices/lists.py", "retire", "draft"): "prices/price_sync.py",
    # Stock
    ("stock/stock_sync.py", "_send", "write_levels"): "stock/stock_sync.py",
    # Products
    ("catalogue/product_updates.py", "_send", "batch_products"): "catalogue/withdrawals.py",
    ("catalogue/withdrawals.py", "body", "draft"): "catalogue/withdrawals.py",
    ("catalogue/withdrawals.py", "_send", "batch_products"): "catalogue/withdrawals.py",
    ("catalogue/orphans.py", "_send", "draft"): "catalogue/orphans.py",
    ("catalogue/orphans.py", "_send", "batch_products"): "catalogue/orphans.py",
    ("catalogue/deletions.py", "_send", "delete_products"): "catalogue/deletions.py",
    ("catalogue/leaving_variants.py", "_delete", "batch_variants"): "catalogue/leaving_variants.py",
    ("catalogue/option_products.py", "run", "delete"): "catalogue/leaving_variants.py",
    ("catalogue/option_products.py", "_bring", "batch_variants"): "catalogue/leaving_variants.py",
    # Rows of lists
    ("merchandising/top_sellers.py", "write_collection", "merge_save"): "merchandising/top_sellers.py",
    ("merchandising/clearance.py", "write_expiring_items", "merge_save"): "merchandising/clearance.py",
}
"""The module that asks, by (module, function, what it does)."""

TAKES_NOTHING = {
    ("catalogue/collections.py", "_remove_empty", "delete_collection"): "no product in it is shown",
    ("prices/lists.py", "delete_empty", "delete_empty_list"): "it has no entry",
    ("prices/lists.py", "reconcile", "update_list"): "a list becomes a draft after its last instant by Medusa's clock",
    ("merchandising/clearance.py", "write_homepage", "merge_save"): "follows from the list and from what staff tick",
    ("catalogue/images.py", "_send_updates", "batch_products"): "images are added, and sent with those that are there",
    ("catalogue/products.py", "_send", "batch_products"): "creates products",
    ("catalogue/publication.py", "_send", "batch_products"): "publishes products",
    ("catalogue/binding_repair.py", "_send", "batch_products"): "names the owner of a product",
    ("catalogue/mending.py", "_update_products", "batch_products"): "makes a product whole",
    ("catalogue/unique_keys.py", "_update_products", "batch_products"): "frees keys that another item gets",
    ("catalogue/option_products.py", "_send", "batch_products"): "creates products",
    ("catalogue/retired.py", "free", "batch_products"): "the product that is made next shows the same items",
    ("catalogue/retired.py", "retire_option_products", "batch_products"): "each of its variants gets a product",
    ("catalogue/retired.py", "retired_body", "draft"): "the same",
    ("storefront/journal.py", "forget", "delete"): "forgets mails about carts that are gone",
    ("storefront/journal.py", "keep_only", "delete"): "forgets mails of earlier editions",
    ("minute/otps.py", "_delete_old", "delete"): "codes that no longer open anything",
}


def found() -> Iterator[tuple[str, str, str]]:
    """Yield (module, function, what it does) of everything in sync/ that could take something away."""
    for path in sorted(SYNC.rglob("*.py")):
        module = path.relative_to(SYNC).as_posix()
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Call):
                    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                    if name in CALLS:
                        yield module, function.name, name
                elif isinstance(node, ast.Dict) and "'status'" in map(_text, node.keys):
                    values = [
                        _text(value)
                        for key, value in zip(node.keys, node.values, strict=True)
                        if _text(key) == "'status'"
                    ]
                    if values == ["'draft'"]:
                        yield module, function.name, "draft"


def _text(node: ast.expr | None) -> str:
    return ast.unparse(node) if node else ""


def test_every_removal_asks_a_guard_or_takes_nothing_away() -> None:
    assert set(found()) == {*ASKED_IN, *TAKES_NOTHING}


def test_the_modules_that_ask_do() -> None:
    for module in set(ASKED_IN.values()):
        text = (SYNC / module).read_text(encoding="utf-8")
        assert any(asks in text for asks in ASKS), module
