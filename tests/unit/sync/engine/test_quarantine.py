"""When a rejected document is sent again: when it changed, or when an operator asks."""

import json

from erp_medusa_pipelines.sync.engine.quarantine import Held, Quarantine

HELD = Held("fingerprint-1", "title is required", "title")


def next_run(quarantine: Quarantine, *, retry_all: bool = False) -> Quarantine:
    """What the next run finds, after the way through storage."""
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
