"""Every place of the work that holds a document says where its reason lies, and here stands which says what.

A new place fails the first test: decide when its hold ends, then add it. `Held` and `reject` have no default for it.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import erp_medusa_pipelines.sync

ROOT = Path(erp_medusa_pipelines.sync.__file__).parent

OWN, ELSEWHERE, BY_ITS_TEXT = "Lies.IN_THE_DOCUMENT", "Lies.ELSEWHERE", "lies_of"

PLACES: dict[str, set[str]] = {
    # --- pictures: a File's type, size and saved content are its own; its disk, proxies and Medusa are not
    "catalogue/images.py _use_in_place": {OWN},
    "catalogue/images.py _fetch": {OWN, ELSEWHERE},
    "catalogue/images.py _upload": {ELSEWHERE},
    "catalogue/images.py _show": {ELSEWHERE},
    "catalogue/images.py _note": {ELSEWHERE},
    # --- products
    "catalogue/products.py _candidate": {OWN},
    "catalogue/products.py _create": {BY_ITS_TEXT},
    "catalogue/products.py _adopt": {ELSEWHERE},
    "catalogue/product_updates.py _deliver": {"lies_elsewhere"},
    "catalogue/products.py _without_taken": {ELSEWHERE},
    "catalogue/product_updates.py _with_free_keys": {ELSEWHERE},
    "catalogue/product_updates.py _note_shared": {ELSEWHERE},
    "catalogue/product_updates.py _resolve": {BY_ITS_TEXT, ELSEWHERE},
    # --- options: other variants of the template, and what Medusa has, decide
    "catalogue/option_products.py _work": {ELSEWHERE},
    "catalogue/option_products.py _freed": {ELSEWHERE},
    "catalogue/option_products.py _deliver": {"lies_elsewhere"},
    "catalogue/option_products.py _attempt": {ELSEWHERE},
    "catalogue/option_products.py _change_options": {ELSEWHERE},
    "catalogue/option_products.py _prepare": {ELSEWHERE},
    "catalogue/option_products.py _untaken": {ELSEWHERE},
    "catalogue/leaving_variants.py _delete": {ELSEWHERE},
    # --- a status or an id alone: nothing of the document that could be wrong
    "catalogue/publication.py run": {"lies_elsewhere"},
    "catalogue/publication.py _pictures_given_up": {ELSEWHERE},
    "catalogue/withdrawals.py send": {"lies_elsewhere"},
    "catalogue/binding_repair.py _rename": {"lies_elsewhere"},
    "catalogue/binding_repair.py _mend": {ELSEWHERE},
    # --- prices: the store's currencies, the lists and the variant are not the Item Price's
    "prices/price_sync.py _note": {ELSEWHERE},
    "prices/price_sync.py _offers": {ELSEWHERE},
    "prices/sender.py _create": {BY_ITS_TEXT},
    "prices/sender.py _update": {BY_ITS_TEXT},
    # --- what a mapping cannot make: the file is corrected as often as the document
    "catalogue/website_item_sync.py note_problems": {ELSEWHERE},
    # --- stock: locations, inventory items and warehouses are other documents
    "stock/inventory.py _by_variant": {ELSEWHERE},
    "stock/inventory.py _inventory_item": {ELSEWHERE},
    "stock/stock_sync.py send": {"lies_elsewhere"},
    "stock/stock_sync.py _reject_warehouse": {ELSEWHERE},
    "stock/stock_sync.py _on_hand": {ELSEWHERE},
    "stock/kits.py _try": {ELSEWHERE},
    # --- one-time passwords: the fingerprint holds the day, since a task of every minute would try too often
    "minute/otps.py _note": {OWN},
    # --- the engine: ids that ERPNext refuses to store, and documents on which alone a server fails
    "engine/batch_sync.py note_written": {ELSEWHERE},
    # --- look-ups that something in between refuses
    "engine/batch_sync.py refuse": {ELSEWHERE},
    "prices/price_sync.py refuse": {ELSEWHERE},
    "engine/batch_sync.py _failed_alone": {ELSEWHERE},
}

HOLDING = {"Held", "reject", "withhold", "send_chunk", "_refuse", "_left_out"}
PASSED_ON = {"lies", "lies(error)", "lies[is_old or bool(elsewhere)]"}
"""In the engine and in `_refuse`: what the caller said, or what was stored."""


@pytest.mark.long
def test_every_place_that_holds_a_document_is_known_and_says_where_the_reason_lies() -> None:
    found: dict[str, set[str]] = {}
    for place, said in _holds():
        found.setdefault(place, set()).update(said)
    assert found == PLACES


def _holds() -> Iterator[tuple[str, set[str]]]:
    """Yield (file and function, what is said) of every call that holds a document."""
    for path in sorted(ROOT.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef):
                continue
            for call in _calls(function):
                if said := _said(call) - PASSED_ON:
                    yield f"{path.relative_to(ROOT).as_posix()} {function.name}", said


def _calls(function: ast.FunctionDef) -> Iterator[ast.Call]:
    """Yield the calls of a function, without those of functions inside it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef):
            continue
        if isinstance(node, ast.Call):
            yield node
        waiting += ast.iter_child_nodes(node)


def _said(call: ast.Call) -> set[str]:
    name = ast.unparse(call.func).rpartition(".")[2]
    partial = name == "partial" and bool(call.args) and ast.unparse(call.args[0]).endswith("send_chunk")
    if name not in HOLDING and not partial:
        return set()
    texts = [ast.unparse(each.value) for each in call.keywords if each.arg == "lies"]
    texts += [text for text in map(ast.unparse, call.args) if "ies" in text and ("Lies." in text or "lies" in text)]
    return {word for text in texts for word in _words(text)}


def _words(text: str) -> set[str]:
    if "Lies." in text:
        return {each for each in (OWN, ELSEWHERE) if each in text}
    return {text.partition("(")[0] if text.startswith("lies_") else text}
