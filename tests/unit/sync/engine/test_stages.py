"""Stages: bounded, and neither silent nor stuck when something fails."""

import threading
from collections.abc import Iterator

import pytest

from erp_medusa_pipelines.clients.failures import TransientError
from erp_medusa_pipelines.clients.http import LONGEST_WAIT
from erp_medusa_pipelines.sync.engine.stages import Breaker, Stage, ahead

SOON = 10.0
"""Seconds after which something that should have happened did not."""


class BrokenError(Exception):
    pass


def test_the_next_item_is_fetched_while_the_last_is_worked_on() -> None:
    fetched = [threading.Event() for _ in range(3)]

    def source() -> Iterator[int]:
        for number, event in enumerate(fetched):
            event.set()
            yield number

    reader = ahead(source())
    assert next(reader) == 0
    assert fetched[1].wait(SOON)
    assert not fetched[2].is_set(), "only one item ahead: memory stays bounded"
    assert list(reader) == [1, 2]


def test_what_the_source_raises_is_raised_where_it_is_read() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise BrokenError

    reader = ahead(source())
    assert next(reader) == 1
    with pytest.raises(BrokenError):
        next(reader)


def test_a_reader_that_stops_early_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    reader = ahead(iter(range(100)))
    next(reader)
    reader.close()  # pyright: ignore[reportAttributeAccessIssue]  # it is a generator
    assert threading.active_count() == before


def test_submitting_waits_until_there_is_room() -> None:
    gate = threading.Event()
    stage = Stage("test", workers=1, waiting=2)
    submitted = []

    def submit() -> None:
        for number in range(4):
            stage.submit(gate.wait)
            submitted.append(number)

    thread = threading.Thread(target=submit)
    thread.start()
    thread.join(0.2)
    assert submitted == [0, 1], "more than two chunks in flight"
    gate.set()
    thread.join(SOON)
    stage.finish()
    assert submitted == [0, 1, 2, 3]


def fail() -> None:
    raise BrokenError


def test_the_first_error_is_raised_by_the_next_submit_and_by_finish() -> None:
    stage = Stage("test", workers=1, waiting=1)
    stage.submit(fail)
    with pytest.raises(BrokenError):
        stage.submit(fail)  # there is room only once the first has ended
    with pytest.raises(BrokenError):
        stage.finish()


def test_close_drops_what_has_not_begun() -> None:
    begun, gate, done = threading.Event(), threading.Event(), []
    stage = Stage("test", workers=1, waiting=5)

    def work() -> None:
        begun.set()
        gate.wait(SOON)
        done.append("first")

    stage.submit(work)
    for number in range(3):
        stage.submit(done.append, number)
    assert begun.wait(SOON)
    closing = threading.Thread(target=stage.close)
    closing.start()
    gate.set()
    closing.join(SOON)
    assert "first" in done
    with pytest.raises(RuntimeError):
        stage.submit(fail)


def test_a_second_stage_that_fails_does_not_hold_up_the_first() -> None:
    second = Stage("second", workers=1, waiting=1)
    first = Stage("first", workers=2)
    ended: list[str] = []

    def feed() -> None:
        for _ in range(50):
            first.submit(second.submit, fail)
        first.finish()

    def run() -> None:
        try:
            with pytest.raises(BrokenError):
                feed()
        finally:
            first.close()
            second.close()
        ended.append("all")

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SOON)
    assert ended == ["all"], "deadlock"


def test_every_chunk_is_worked_on_once() -> None:
    lock, seen = threading.Lock(), []

    def work(number: int) -> None:
        with lock:
            seen.append(number)

    stage = Stage("test", workers=4)
    for number in range(500):
        stage.submit(work, number)
    stage.finish()
    assert sorted(seen) == list(range(500))


def passing(retry_after: float | None = None) -> TransientError:
    return TransientError("Medusa", "GET /x", "down", retry_after=retry_after)


def test_a_server_is_given_up_after_failures_in_a_row() -> None:
    breaker = Breaker(most=3)
    for _ in range(5):
        breaker.failed(passing())
        breaker.failed(passing())
        breaker.passed()
    assert breaker.error is None
    errors = [passing() for _ in range(4)]
    for error in errors:
        breaker.failed(error)
    assert breaker.error is errors[2]


def test_a_server_that_asks_for_a_long_pause_is_given_up_at_once() -> None:
    breaker = Breaker()
    breaker.failed(passing(LONGEST_WAIT))
    assert breaker.error is None
    error = passing(LONGEST_WAIT + 1)
    breaker.failed(error)
    assert breaker.error is error
