"""What the runs of a tick know together: the same question is asked once, until what it is about was changed."""

import time
from pathlib import Path

import pytest

from erp_medusa_pipelines.clients.facts import Facts
from erp_medusa_pipelines.clients.reading import HOLDS, Reading

STORES = "/admin/stores"


class Server:
    def __init__(self) -> None:
        self.asked = 0

    def answer(self) -> dict[str, int]:
        self.asked += 1
        return {"number": self.asked}


def facts_in(folder: Path, *, shared: bool = True) -> Facts:
    facts = Facts("Medusa")
    facts.reading = Reading(folder, 4, shared=shared)
    return facts


def read(facts: Facts, server: Server, what: str = "stores", method: str = "GET") -> int:
    return facts.seen(what, lambda: facts.answer(method, STORES, None, server.answer))["number"]


def test_runs_of_one_tick_ask_once_and_ask_again_what_was_forgotten(tmp_path: Path) -> None:
    server, one, other = Server(), facts_in(tmp_path), facts_in(tmp_path)
    assert [read(one, server), read(other, server)] == [1, 1]
    other.forget("regions")
    assert read(one, server) == 1
    other.forget("stores")
    assert [read(one, server), read(other, server)] == [2, 2]


def test_an_answer_to_a_question_from_before_the_change_is_not_kept(tmp_path: Path) -> None:
    server, one, other = Server(), facts_in(tmp_path), facts_in(tmp_path)

    def while_another_run_writes() -> dict[str, int]:
        answer = server.answer()
        other.forget("stores")
        return answer

    one.seen("stores", lambda: one.answer("GET", STORES, None, while_another_run_writes))
    assert read(other, server) == 2


@pytest.mark.parametrize("outside", ["no tick", "a write", "not inside seen"])
def test_nothing_else_is_answered_from_memory(outside: str, tmp_path: Path) -> None:
    server, facts = Server(), facts_in(tmp_path, shared=outside != "no tick")
    for _ in range(2):
        if outside == "not inside seen":
            facts.answer("GET", STORES, None, server.answer)
        else:
            read(facts, server, method="POST" if outside == "a write" else "GET")
    assert server.asked == 2


def test_an_answer_is_as_old_as_a_list_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, facts, now = Server(), facts_in(tmp_path), time.time()
    read(facts, server)
    monkeypatch.setattr(time, "time", lambda: now + HOLDS + 1)
    assert read(facts, server) == 2


def test_where_nothing_can_be_kept_a_run_asks_for_itself(tmp_path: Path) -> None:
    (tmp_path / "readings").write_text("no folder")
    server, facts = Server(), facts_in(tmp_path / "readings")
    assert [read(facts, server), read(facts, server)] == [1, 2]
