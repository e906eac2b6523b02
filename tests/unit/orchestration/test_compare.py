"""When a message is due: a problem is told once, and once when it is over."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from erp_medusa_pipelines.orchestration.sensors.problems.problem import MOST_PARTS, Known, Message, Problem, compare

NOW = datetime(2026, 11, 29, 5, 0, tzinfo=UTC)
PATIENCE = timedelta(minutes=15)
GONE = Problem("gate/x", "x does not start", "no answer", NOW)
PASSING = replace(GONE, heals=True)


class Teller:
    """The record of what was told, from tick to tick."""

    def __init__(self) -> None:
        self.known: dict[str, Known] = {}
        self.now = NOW
        self.messages: list[Message] = []

    def tick(self, *found: Problem, minutes: float = 0.5) -> list[str]:
        self.now += timedelta(minutes=minutes)
        messages, self.known = compare(self.known, found, self.now, PATIENCE, "1")
        self.messages += messages
        return [message.title for message in messages]


def refused(*documents: str) -> Problem:
    return Problem("rejects/a", "a: documents refused", "text", NOW, parts={name: f"{name}: no" for name in documents})


def test_a_problem_is_told_once_and_once_when_it_is_over() -> None:
    teller = Teller()
    titles = [teller.tick(*found) for found in ([GONE], [GONE], [], [], [GONE])]
    assert titles == [["x does not start"], [], ["Over: x does not start"], [], ["x does not start"]]
    assert "It began: 2026-11-29 05:00 UTC" in teller.messages[1].body


def test_what_may_pass_is_told_when_it_has_lasted_however_often_it_is_looked_at() -> None:
    """A check that runs every ten minutes gives a new time with each result."""
    teller = Teller()
    titles = [teller.tick(replace(PASSING, since=teller.now), minutes=10) for _ in range(4)]
    assert titles == [[], ["x does not start"], [], []]


def test_what_passed_in_time_is_never_told() -> None:
    teller = Teller()
    assert [teller.tick(PASSING), teller.tick(), teller.tick(PASSING)] == [[], [], []]
    assert teller.messages == []


def test_while_a_retry_is_pending_nothing_is_told_and_nothing_is_over() -> None:
    teller = Teller()
    pending = replace(GONE, severity="pending")
    titles = [teller.tick(*found) for found in ([pending], [GONE], [pending], [GONE], [])]
    assert titles == [[], ["x does not start"], [], [], ["Over: x does not start"]]


def test_a_new_document_is_named_alone_and_known_ones_never_again() -> None:
    teller = Teller()
    assert teller.tick(refused("a", "b")) == ["a: documents refused"]
    assert teller.tick(refused("b", "a")) == []
    assert teller.tick(refused("a", "b", "c")) == ["a: documents refused"]
    assert "- c: no" in teller.messages[-1].body
    assert "- a: no" not in teller.messages[-1].body
    assert teller.tick(refused("c")) == []
    assert teller.tick() == ["Over: a: documents refused"]


def test_hundreds_of_refused_documents_are_told_once() -> None:
    teller = Teller()
    many = [str(number) for number in range(MOST_PARTS + 500)]
    assert len(teller.tick(refused(*many[:400]))) == 1
    assert teller.tick(refused(*reversed(many[:400]))) == []
    assert len(teller.tick(refused(*many[:401]))) == 1
    for some in (many, many[1:], many, many[: MOST_PARTS - 1]):
        assert teller.tick(refused(*some)) == []
    assert teller.tick() == ["Over: a: documents refused"]


def test_two_ticks_that_find_the_same_write_the_same_messages() -> None:
    first, second = Teller(), Teller()
    first.tick(GONE, refused("a"))
    second.tick(refused("a"), GONE, minutes=2)
    assert {message.id for message in first.messages} == {message.id for message in second.messages}
