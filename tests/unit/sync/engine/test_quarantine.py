"""When a rejected document is sent again: when it changed, or when an operator asks."""

import json

import pytest

from erp_medusa_pipelines.clients.failures import PermanentError
from erp_medusa_pipelines.sync.engine.quarantine import MOST_FAILURES, MOST_KEPT, Held, Lies, Quarantine, lies_of

OWN, ELSEWHERE = Lies.IN_THE_DOCUMENT, Lies.ELSEWHERE
HELD = Held("fingerprint-1", "title is required", OWN, "title")


def next_run(quarantine: Quarantine, *, retry_all: bool = False) -> Quarantine:
    """Return what the next run loads from storage."""
    return Quarantine.from_json(json.loads(json.dumps(quarantine.to_json())), retry_all=retry_all)


def _held() -> Quarantine:
    quarantine = Quarantine()
    quarantine.put("A", HELD)
    return quarantine


def test_an_unchanged_document_stays_held_over_many_runs() -> None:
    quarantine = Quarantine()
    quarantine.put("صنف/1", HELD)
    for _ in range(3):
        quarantine = next_run(quarantine)
        assert quarantine.held("صنف/1", "fingerprint-1") == HELD


def test_a_changed_document_is_sent_again_and_forgotten() -> None:
    quarantine = next_run(_held())
    assert quarantine.held("A", "fingerprint-2") is None
    assert quarantine.to_json() == {}


def test_an_operator_may_ask_for_all() -> None:
    quarantine = next_run(_held(), retry_all=True)
    assert quarantine.held("A", "fingerprint-1") is None
    quarantine.put("A", Held("fingerprint-1", "still wrong", OWN))
    assert next_run(quarantine).entries() == [("A", Held("fingerprint-1", "still wrong", OWN))]


def test_a_document_that_the_run_did_not_come_to_stays_held() -> None:
    quarantine = next_run(_held())
    quarantine.keep("A")
    quarantine.keep("never held")
    assert next_run(quarantine).entries() == [("A", HELD)]


def test_keeping_does_not_undo_what_this_run_found() -> None:
    quarantine = next_run(_held())
    quarantine.put("A", Held("fingerprint-2", "new reason", OWN))
    quarantine.keep("A")
    assert next_run(quarantine).entries() == [("A", Held("fingerprint-2", "new reason", OWN))]


def test_a_document_that_is_gone_is_forgotten() -> None:
    assert next_run(next_run(_held())).entries() == []


def test_several_things_of_one_document_are_held_each_by_itself() -> None:
    quarantine = Quarantine()
    quarantine.put("A", Held("1", "no price", OWN, kind="price"))
    quarantine.put("A", Held("1", "no ids", OWN, kind="ids"))
    again = next_run(quarantine)
    assert [held.reason for _, held in again.entries()] == ["no ids", "no price"]
    held = again.held("A", "1", "ids")
    assert held is not None
    assert held.reason == "no ids"
    assert again.held("A", "1") is None


def test_what_lies_elsewhere_is_tried_again_by_each_run() -> None:
    quarantine = Quarantine()
    quarantine.put("A", Held("1", "the sku already exists", ELSEWHERE))
    again = next_run(quarantine)
    assert again.held("A", "1") is None
    assert again.entries() == [("A", Held("1", "the sku already exists", ELSEWHERE))]


def test_a_document_on_which_the_server_fails_becomes_a_reject_after_some_runs() -> None:
    quarantine = Quarantine()
    quarantine.server_took()
    for number in range(1, MOST_FAILURES + 2):
        assert quarantine.held("A", "1") is None
        counted = quarantine.failed("A", Held("1", "500", ELSEWHERE))
        assert (counted.failures, counted.is_reject) == (number, number >= MOST_FAILURES)
        quarantine = next_run(quarantine)
        assert bool(quarantine.entries()) is counted.is_reject
    assert quarantine.failed("A", Held("2", "500", ELSEWHERE)).failures == 1, "a changed document begins anew"


def test_a_server_that_takes_nothing_makes_no_rejects() -> None:
    quarantine = Quarantine()
    for _ in range(MOST_FAILURES + 2):
        assert not quarantine.failed("A", Held("1", "500", ELSEWHERE)).is_reject
        quarantine = next_run(quarantine)
        assert quarantine.entries() == []
    quarantine.failed("A", Held("1", "500", ELSEWHERE))
    # Another document goes through later in the same run: so it was this one.
    quarantine.server_took()
    assert next_run(quarantine).failed("A", Held("1", "500", ELSEWHERE)).is_reject


def test_what_the_server_took_in_an_earlier_run_counts() -> None:
    quarantine = Quarantine()
    quarantine.failed("A", Held("1", "500", ELSEWHERE))
    quarantine.server_took()
    for rejected in (False, True, True):
        quarantine = next_run(quarantine)
        assert quarantine.failed("A", Held("1", "500", ELSEWHERE)).is_reject is rejected


def test_long_fingerprints_are_kept_short() -> None:
    quarantine = Quarantine()
    quarantine.put("A", Held("x" * 500, "no", OWN))
    assert len(json.dumps(quarantine.to_json())) < 100
    assert next_run(quarantine).held("A", "x" * 500) is not None
    assert next_run(quarantine).held("A", "x" * 499) is None


@pytest.mark.long
def test_storage_is_bounded_and_what_is_beyond_is_counted() -> None:
    quarantine = Quarantine()
    for number in range(MOST_KEPT + 7):
        name = f"Website Item {number:07d}"
        quarantine.put(name, Held("x" * 100, "the title must not be longer than it is", OWN, "web_item_name"))
    assert quarantine.beyond == 7
    assert len(json.dumps(quarantine.to_json())) < 5_000_000
    assert len(next_run(quarantine).entries()) == MOST_KEPT


def test_holds_that_an_earlier_version_stored_are_tried_again_once() -> None:
    """It held until the document changed what a proxy or another document was the reason of."""
    stored = {"reasons": ["the file is missing"], "held": [["A", "", "1", 0, "file_url", False]]}
    quarantine = Quarantine.from_json(stored)
    assert [held.reason for _, held in quarantine.entries()] == ["the file is missing"]
    assert quarantine.held("A", "1") is None


@pytest.mark.parametrize(
    ("reason", "status", "lies"),
    [
        ("Field 'create, 5, title' is required", 400, OWN),
        ("Invalid request: Value for field 'update, 0, stocked_quantity' too small, expected at least: '0'", 400, OWN),
        ("Invalid request: Expected type: 'string' for field 'create, 0, subtitle', got: 'false'", 400, OWN),
        ("Invalid product handle 'Has Spaces/and?slash'. It must contain URL safe characters", 400, OWN),
        ("Invalid request: Value for field 'prices, 3, amount' too small, expected at least: '0'", 400, OWN),
        ("Invalid request: Value for field 'create, 0, variants, 0, sku' too long", 400, OWN),
        ("Field 'create, 0, additional_data' is required", 400, ELSEWHERE),
        ("Invalid request: Expected type: 'string' for field 'create, 0, sales_channels, 0, id'", 400, ELSEWHERE),
        ("Field 'create, 0, title' is required; Field 'create, 0, additional_data' is required", 400, ELSEWHERE),
        ("Invalid request: Unrecognized fields: 'foo'", 400, ELSEWHERE),
        ("Product variant with barcode: 6291, already exists.", 400, ELSEWHERE),
        ("You tried to set relationship collection_id: pcol_1, but such entity does not exist", 404, ELSEWHERE),
        ("Price lists with id: plist_1 was not found", 404, ELSEWHERE),
        ("the request is too large", 413, ELSEWHERE),
        ("not permitted", 403, ELSEWHERE),
        ("whatever else a server says", 400, ELSEWHERE),
    ],
)
def test_a_refusal_lies_in_the_document_only_where_the_recorded_text_says_so(
    reason: str, status: int, lies: Lies
) -> None:
    own = ("title", "subtitle", "handle", "stocked_quantity", "prices.amount", "variants.sku")
    assert lies_of(*own)(PermanentError("Medusa", "POST /", reason, status=status)) is lies
