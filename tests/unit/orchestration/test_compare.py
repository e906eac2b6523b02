"""When a message is due: a problem is reported once, and once when it is over."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg

from erp_medusa_pipelines.orchestration.sensors.problems.problem import MOST_PARTS, Known, Message, Problem, compare
from erp_medusa_pipelines.orchestration.sensors.problems.sensor import Cursor

NOW = datetime(2026, 11, 29, 5, 0, tzinfo=UTC)
PATIENCE = timedelta(minutes=15)
GONE = Problem("gate/x", "x does not start", "no answer", NOW)
PASSING = replace(GONE, heals=True)


class Record:
    """The record of what was reported, from tick to tick."""

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


def test_a_problem_is_reported_once_and_once_when_it_is_over() -> None:
    reports = Record()
    titles = [reports.tick(*found) for found in ([GONE], [GONE], [], [], [GONE])]
    assert titles == [["x does not start"], [], ["Over: x does not start"], [], ["x does not start"]]
    assert "It began: 2026-11-29 05:00 UTC" in reports.messages[1].body


def test_what_may_pass_is_reported_when_it_has_lasted_however_often_it_is_looked_at() -> None:
    """A check that runs every ten minutes gives a new time with each result."""
    reports = Record()
    titles = [reports.tick(replace(PASSING, since=reports.now), minutes=10) for _ in range(4)]
    assert titles == [[], ["x does not start"], [], []]


def test_what_passed_in_time_is_never_reported() -> None:
    reports = Record()
    assert [reports.tick(PASSING), reports.tick(), reports.tick(PASSING)] == [[], [], []]
    assert reports.messages == []


def test_while_a_retry_is_pending_nothing_is_reported_and_nothing_is_over() -> None:
    reports = Record()
    pending = replace(GONE, severity="pending")
    titles = [reports.tick(*found) for found in ([pending], [GONE], [pending], [GONE], [])]
    assert titles == [[], ["x does not start"], [], [], ["Over: x does not start"]]


def test_a_new_document_is_named_alone_and_known_ones_never_again() -> None:
    reports = Record()
    assert reports.tick(refused("a", "b")) == ["a: documents refused"]
    assert reports.tick(refused("b", "a")) == []
    assert reports.tick(refused("a", "b", "c")) == ["a: documents refused"]
    assert "- c: no" in reports.messages[-1].body
    assert "- a: no" not in reports.messages[-1].body
    assert reports.tick(refused("c")) == []
    assert reports.tick() == ["Over: a: documents refused"]


def test_hundreds_of_refused_documents_are_reported_once() -> None:
    reports = Record()
    many = [str(number) for number in range(MOST_PARTS + 500)]
    assert len(reports.tick(refused(*many[:400]))) == 1
    assert reports.tick(refused(*reversed(many[:400]))) == []
    assert len(reports.tick(refused(*many[:401]))) == 1
    for some in (many, many[1:], many, many[: MOST_PARTS - 1]):
        assert reports.tick(refused(*some)) == []
    assert reports.tick() == ["Over: a: documents refused"]


def test_two_ticks_that_find_the_same_write_the_same_messages() -> None:
    first, second = Record(), Record()
    first.tick(GONE, refused("a"))
    second.tick(refused("a"), GONE, minutes=2)
    assert {message.id for message in first.messages} == {message.id for message in second.messages}


def test_the_record_of_a_cursor_that_called_it_told_counts() -> None:
    record = {"gate/x": {"title": "x does not start", "since": NOW.isoformat(), "told": True, "parts": []}}
    text = json.dumps({"version": 1, "problems": record, "outbox": [], "receivers": []})
    with dg.DagsterInstance.ephemeral() as instance:
        assert Cursor.load(text, instance).problems["gate/x"].reported
