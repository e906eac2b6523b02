"""Lists that a run keeps on disk: read once, shared where others may use them, never older than they may be."""

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from erp_medusa_pipelines.clients import reading as module
from erp_medusa_pipelines.clients.reading import HOLDS, NEW, WORTH_PACKING, Reading, Row, remove_old

ROWS = [(0, "a", {"name": "a", "qty": 1, "note": None}), (1, "b", {"name": "b", "qty": 2.5, "note": "é"})]
MANY = 2500


class Source:
    """A list that counts how often it is read."""

    def __init__(self, rows: list[tuple[int, str, Row]] = ROWS) -> None:
        self.rows, self.times = rows, 0

    def __call__(self) -> Iterator[tuple[int, str, Row]]:
        self.times += 1
        yield from self.rows


def test_a_list_is_read_once_and_comes_back_as_it_was_part_by_part(tmp_path: Path) -> None:
    source = Source()
    reading = Reading(tmp_path / "own", 2, shared=False)
    for _ in range(3):
        kept = reading.kept("Website Item", "name", source)
        assert [*kept.rows(0), *kept.rows(1)] == [row for _, _, row in ROWS]
    assert source.times == 1
    reading.close()
    assert not (tmp_path / "own").exists()


def test_a_long_list_keeps_its_order(tmp_path: Path) -> None:
    names = [f"{(7 * number) % MANY:05}" for number in range(MANY)]
    reading = Reading(tmp_path, 1, shared=False)
    kept = reading.kept("list", "name", Source([(0, name, {"name": name}) for name in names]))
    assert [row["name"] for row in kept.rows(0)] == names


def test_what_a_run_wrote_is_in_the_list_for_it_and_for_the_others_of_the_tick(tmp_path: Path) -> None:
    source = Source()
    own, other = (Reading(tmp_path, 2, shared=True) for _ in range(2))
    own.kept("list", "name", source)
    own.note("list", {"b": {"qty": 7, "unknown": 1}})
    for each in (own, other):
        assert list(each.kept("list", "name", source).rows(1)) == [{"name": "b", "qty": 7, "note": "é"}]
    assert source.times == 1


def test_a_list_that_is_too_old_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source()
    reading = Reading(tmp_path, 2, shared=True)
    reading.kept("list", "name", source)
    now = time.time()
    monkeypatch.setattr(module.time, "time", lambda: now + HOLDS + 1)
    reading.kept("list", "name", source)
    Reading(tmp_path, 2, shared=True).kept("list", "name", source)
    # A clock that was set back says nothing about an age.
    monkeypatch.setattr(module.time, "time", lambda: now - HOLDS)
    Reading(tmp_path, 2, shared=True).kept("list", "name", source)
    assert source.times == 3


def test_a_list_that_gets_too_old_while_somebody_is_in_the_middle_of_it_is_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{number:05}" for number in range(MANY)]
    source = Source([(0, name, {"name": name}) for name in names])
    reading = Reading(tmp_path, 1, shared=True)
    rows = reading.kept("list", "name", source).rows(0)
    first = next(rows)
    monkeypatch.setattr(module, "HOLDS", -1)
    reading.kept("list", "name", source)
    assert [first, *rows] == [{"name": name} for name in names]
    assert source.times == 2
    reading.close()


def test_a_long_row_is_packed_and_comes_back_as_it_was(tmp_path: Path) -> None:
    row = {"name": "a", "text": "é of a long text " * WORTH_PACKING}
    reading = Reading(tmp_path, 1, shared=True)
    kept = reading.kept("list", "name", Source([(0, "a", row)]))
    assert list(kept.rows(0)) == [row]
    assert kept.path.stat().st_size < len(row["text"])


def test_one_list_is_read_while_another_is(tmp_path: Path) -> None:
    reading = Reading(tmp_path, 1, shared=True)
    other_was_read = threading.Event()

    def waiting() -> Iterator[tuple[int, str, Row]]:
        assert other_was_read.wait(10)
        yield 0, "a", {"name": "a"}

    thread = threading.Thread(target=reading.kept, args=("slow", "name", waiting))
    thread.start()
    reading.kept("quick", "name", Source())
    other_was_read.set()
    thread.join(10)
    assert [row["name"] for row in reading.kept("slow", "name", Source()).rows(0)] == ["a"]


def test_closing_waits_for_a_list_that_is_read_and_asks_for_something_else(tmp_path: Path) -> None:
    reading, began, go_on = Reading(tmp_path, 1, shared=True), threading.Event(), threading.Event()

    def slowly() -> Iterator[tuple[int, str, Row]]:
        began.set()
        assert go_on.wait(10)
        assert reading.answers.find("something") is None
        yield 0, "a", {"name": "a"}

    reader = threading.Thread(target=reading.kept, args=("list", "name", slowly))
    reader.start()
    assert began.wait(10)
    closing = threading.Thread(target=reading.close)
    closing.start()
    go_on.set()
    for thread in (reader, closing):
        thread.join(10)
        assert not thread.is_alive()


def test_a_list_is_new_for_half_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, reading = Source(), Reading(tmp_path, 1, shared=True)
    assert not reading.is_new("list")
    reading.kept("list", "name", source)
    assert reading.is_new("list")
    now = time.time()
    for age in (NEW + 1, HOLDS + 1):
        monkeypatch.setattr(module.time, "time", lambda age=age: now + age)
        assert not reading.is_new("list")
    assert source.times == 1


def test_what_is_written_while_another_run_reads_anew_is_in_the_new_list_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = (Reading(tmp_path, 2, shared=True) for _ in range(2))
    source = Source()
    own.kept("list", "name", source)
    began, go_on = threading.Event(), threading.Event()

    def slowly() -> Iterator[tuple[int, str, Row]]:
        began.set()
        assert go_on.wait(20)
        yield from ROWS

    monkeypatch.setattr(module, "HOLDS", 0)
    thread = threading.Thread(target=lambda: other.kept("list", "name", slowly))
    thread.start()
    assert began.wait(20)
    monkeypatch.undo()
    noting = threading.Thread(target=lambda: own.note("list", {"a": {"qty": 9}}))
    noting.start()
    go_on.set()
    thread.join()
    noting.join()
    assert next(other.kept("list", "name", slowly).rows(0))["qty"] == 9


def test_a_list_that_was_cut_off_is_nobodys(tmp_path: Path) -> None:
    def failing() -> Iterator[tuple[int, str, Row]]:
        yield ROWS[0]
        raise ConnectionError

    source = Source()
    with pytest.raises(ConnectionError):
        Reading(tmp_path, 2, shared=True).kept("list", "name", failing)
    assert len(list(Reading(tmp_path, 2, shared=True).kept("list", "name", source).rows(1))) == 1


def _read_for_long(folder: Path) -> None:
    def rows() -> Iterator[tuple[int, str, Row]]:
        yield ROWS[0]
        (folder / "began").touch()
        time.sleep(60)

    Reading(folder, 2, shared=True).kept("list", "name", rows)


def test_a_run_that_was_killed_while_it_read_keeps_nobody_waiting(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_read_for_long, args=(tmp_path,))
    process.start()
    until = time.monotonic() + 60
    while not (tmp_path / "began").exists() and time.monotonic() < until:
        time.sleep(0.05)
    process.kill()
    process.join()
    source, began = Source(), time.monotonic()
    assert list(Reading(tmp_path, 2, shared=True).kept("list", "name", source).rows(0))
    assert source.times == 1
    assert time.monotonic() - began < 10


def test_runs_that_start_together_read_a_list_once(tmp_path: Path) -> None:
    source = Source()

    def slowly() -> Iterator[tuple[int, str, Row]]:
        time.sleep(0.3)
        yield from source()

    readings = [Reading(tmp_path, 2, shared=True) for _ in range(4)]
    threads = [threading.Thread(target=each.kept, args=("list", "name", slowly)) for each in readings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert source.times == 1


def test_folders_that_killed_runs_left_are_removed(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    os.utime(old, (1, 1))
    remove_old(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["new"]
