"""Every text that code acts on was said by a real Medusa, and no other text is acted on."""

import json
from pathlib import Path

import pytest

from erp_medusa_pipelines.clients.refusals import TABLE, variants_without_price_set

ROOT = Path(__file__).parents[3]
PAIRS = ROOT / "tests/sandbox/servers/contract/medusa"


@pytest.mark.parametrize("name", TABLE)
def test_each_row_matches_what_its_recorded_pairs_say(name: str) -> None:
    row = TABLE[name]
    assert row.pairs
    for pair in row.pairs:
        answer = json.loads((PAIRS / f"{pair}.json").read_text())["response"]
        assert answer["status"] >= 400
        assert row.search(answer["body"]["message"]), pair


def test_variants_are_named_by_this_refusal_alone() -> None:
    assert variants_without_price_set("No price set exist for variants: variant_1, own-id") == {"variant_1", "own-id"}
    assert not variants_without_price_set("Variants with IDs variant_1 do not have prices associated.")
    assert not variants_without_price_set("variant_1 is locked by another request")
