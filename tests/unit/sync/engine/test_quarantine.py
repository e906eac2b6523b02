"""When a rejected document is sent again: when it changed, or when an operator asks."""

import json

from erp_medusa_pipelines.sync.engine.quarantine import MOST_FAILURES, MOST_KEPT, Held, Quarantine

HELD = Held("fingerprint-1", "title is required", "title")


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
    quarantine.put("A", Held("fingerprint-1", "still wrong"))
    assert next_run(quarantine).entries() == [("A", Held("fingerprint-1", "still wrong"))]


def test_a_document_that_the_run_did_not_come_to_stays_held() -> None:
    quarantine = next_run(_held())
    quarantine.keep("A")
    quarantine.keep("never held")
    assert next_run(quarantine).entries() == [("A", HELD)]


def test_keeping_does_not_undo_what_this_run_found() -> None:
    quarantine = next_run(_held())
    quarantine.put("A", Held("fingerprint-2", "new reason"))
    quarantine.keep("A")
    assert next_run(quarantine).entries() == [("A", Held("fingerprint-2", "new reason"))]


def test_a_document_that_is_gone_is_forgotten() -> None:
    assert next_run(next_run(_held())).entries() == []


def test_several_things_of_one_document_are_held_each_by_itself() -> None:
    quarantine = Quarantine()
    quarantine.put("A", Held("1", "no price", kind="price"))
    quarantine.put("A", Held("1", "no ids", kind="ids"))
    again = next_run(quarantine)
    assert [held.reason for _, held in again.entries()] == ["no ids", "no price"]
    held = again.held("A", "1", "ids")
    assert held is not None
    assert held.reason == "no ids"
    assert again.held("A", "1") is None


def test_what_lies_elsewhere_is_tried_again_by_each_run() -> None:
    quarantine = Quarantine()
    quarantine.put("A", Held("1", "the sku already exists", again=True))
    again = next_run(quarantine)
    assert again.held("A", "1") is None
    assert again.entries() == [("A", Held("1", "the sku already exists", again=True))]


def test_a_document_on_which_the_server_fails_becomes_a_reject_after_some_runs() -> None:
    quarantine = Quarantine()
    for number in range(1, MOST_FAILURES + 2):
        assert quarantine.held("A", "1") is None
        counted = quarantine.failed("A", Held("1", "500"))
        assert (counted.failures, counted.is_reject) == (number, number >= MOST_FAILURES)
        quarantine = next_run(quarantine)
        assert bool(quarantine.entries()) is counted.is_reject
    assert quarantine.failed("A", Held("2", "500")).failures == 1, "a changed document begins anew"


def test_long_fingerprints_are_kept_short() -> None:
    quarantine = Quarantine()
    quarantine.put("A", Held("x" * 500, "no"))
    assert len(json.dumps(quarantine.to_json())) < 100
    assert next_run(quarantine).held("A", "x" * 500) is not None
    assert next_run(quarantine).held("A", "x" * 499) is None


def test_storage_is_bounded_and_what_is_beyond_is_counted() -> None:
    quarantine = Quarantine()
    for number in range(MOST_KEPT + 7):
        name = f"Website Item {number:07d}"
        quarantine.put(name, Held("x" * 100, "the title must not be longer than it is", "web_item_name"))
    assert quarantine.beyond == 7
    assert len(json.dumps(quarantine.to_json())) < 5_000_000
    assert len(next_run(quarantine).entries()) == MOST_KEPT
