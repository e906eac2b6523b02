"""Every text that code acts on was said by a real server, and no other text is acted on."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from erp_medusa_pipelines.clients.failures import judge_answer
from erp_medusa_pipelines.clients.refusals import TABLE, numbered_fields, variants_without_price_set

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "erp_medusa_pipelines"
RECORDED = ROOT / "tests/sandbox/servers/contract"
LOOKS = {"search", "match", "fullmatch", "findall", "finditer", "startswith", "endswith"}


@pytest.mark.parametrize("name", TABLE)
def test_each_row_matches_what_its_recorded_pairs_say(name: str) -> None:
    row = TABLE[name]
    assert row.pairs
    for pair in row.pairs:
        service, answer = recorded(pair)
        error = judge_answer(service, "POST /recorded", answer["status"], answer.get("body", answer.get("json")))
        assert row.search(error.reason), (pair, error.reason)


def recorded(pair: str) -> tuple[str, dict[str, Any]]:
    """The server, and its answer."""
    file, _, label = pair.partition(": ")
    if not label:
        return "Medusa", json.loads((RECORDED / f"medusa/{file}.json").read_text())["response"]
    rows = json.loads((RECORDED / f"erpnext/{file}").read_text())
    return "ERPNext", next(row["response"] for row in rows if row["label"] == label)


def test_no_other_words_of_a_refusal_are_interpreted() -> None:
    """The reason of an error is searched with rows of the table only; anywhere else it is shown as it is."""
    assert [
        f"{path}:{line}" for path in PACKAGE.rglob("*.py") for line in interpreted(ast.parse(path.read_text()))
    ] == []


def interpreted(module: ast.Module) -> Iterator[int]:
    """The lines where something else looks into `error.reason`."""
    for node in ast.walk(module):
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.In | ast.NotIn | ast.Eq) for op in node.ops):
            looked_into = [node.left, *node.comparators]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOOKS:
            row = node.func.value
            looked_into = [] if isinstance(row, ast.Name) and row.id in TABLE else [row, *node.args]
        else:
            continue
        if any(is_reason(one) for one in looked_into):
            yield node.lineno


def is_reason(node: ast.expr) -> bool:
    """Whether it is the reason of an error."""
    is_one = isinstance(node, ast.Attribute) and node.attr == "reason" and isinstance(node.value, ast.Name)
    return is_one and "error" in ast.unparse(node)


def test_a_look_into_a_reason_is_found() -> None:
    assert list(interpreted(ast.parse('"already exists" in error.reason'))) == [1]
    assert list(interpreted(ast.parse("_TAKEN.search(error.reason)"))) == [1]
    assert list(interpreted(ast.parse("KEY_TAKEN.search(error.reason)"))) == []


def test_variants_are_named_by_this_refusal_alone() -> None:
    assert variants_without_price_set("No price set exist for variants: variant_1, own-id") == {"variant_1", "own-id"}
    assert not variants_without_price_set("Variants with IDs variant_1 do not have prices associated.")
    assert not variants_without_price_set("variant_1 is locked by another request")


def test_fields_are_named_with_the_number_of_their_document() -> None:
    said = "Invalid request: Field 'create, 5, title' is required; Unrecognized fields: 'foo'"
    assert list(numbered_fields(said)) == [(5, "title", "Field 'create, 5, title' is required")]
    assert not list(numbered_fields("Invalid request: Field 'variants, 0, prices' is required"))
