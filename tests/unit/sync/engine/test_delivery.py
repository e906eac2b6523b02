"""One bad item among many: who is rejected, what it costs, and that nothing is delivered twice."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_medusa_pipelines.clients.failures import (
    AccessError,
    PayloadTooLargeError,
    PermanentError,
    RateLimitedError,
    TransientError,
)
from erp_medusa_pipelines.sync.engine.batch_sync import named_by_index
from erp_medusa_pipelines.sync.engine.delivery import chunks, deliver, json_bytes


def refusal(text: str = "no") -> PermanentError:
    return PermanentError("Medusa", "POST /x", text, status=400)


def lost(status: int | None = None) -> TransientError:
    return TransientError("Medusa", "POST /x", "lost", status=status, ambiguous=True)


class Server:
    """Takes groups, all or nothing; `delivered` holds what it kept, in order."""

    def __init__(self, bad: set[int] | None = None, error: Exception | None = None) -> None:
        self.bad = bad or set()
        self.error = error
        self.calls: list[list[int]] = []
        self.delivered: list[int] = []

    def send(self, group: Sequence[int]) -> None:
        self.calls.append(list(group))
        bad = self.bad & set(group)
        if bad:
            raise self.error or refusal(f"{min(bad)} is bad")
        self.delivered += group

    def missing(self, group: Sequence[int]) -> list[int]:
        """Return what the server does not have yet."""
        return [item for item in group if item not in self.delivered]


@given(st.integers(0, 120).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, max(n - 1, 0))))))
def test_exactly_the_bad_ones_are_rejected_and_the_others_delivered_once(case: tuple[int, set[int]]) -> None:
    number, bad = case
    bad &= set(range(number))
    server = Server(bad)
    delivery = deliver(range(number), server.send)
    assert sorted(item for item, _ in delivery.rejected) == sorted(bad)
    assert sorted(server.delivered) == sorted(set(range(number)) - bad)
    assert delivery.failed == []
    # What is said of a rejected item was said of it alone.
    assert all(error.reason == f"{item} is bad" for item, error in delivery.rejected)


def test_one_bad_item_costs_at_most_two_log2_n_calls_more() -> None:
    for number in range(2, 501):
        for bad in {0, 1, number // 3, number // 2 - 1, number // 2, number - 2, number - 1}:
            server = Server({bad})
            deliver(range(number), server.send)
            assert len(server.calls) - 1 <= 2 * math.log2(number), (number, bad)


def test_a_refusal_that_passes_rejects_nobody() -> None:
    server = Server({3})
    calls = 0

    def send(group: Sequence[int]) -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            server.bad = set()
        server.send(group)

    delivery = deliver(range(8), send)
    assert delivery.rejected == []
    assert sorted(server.delivered) == list(range(8))


@given(
    st.integers(1, 60),
    st.lists(st.sampled_from(["ok", "lost before", "lost after", "gateway"]), max_size=8),
    st.booleans(),
)
def test_a_lost_answer_never_delivers_twice(number: int, fates: list[str], one_bad: bool) -> None:
    server = Server({number // 2} if one_bad else set())
    coming = iter(fates)

    def send(group: Sequence[int]) -> None:
        fate = next(coming, "ok")
        if fate == "lost before":
            raise lost()
        server.send(group)
        if fate != "ok":
            raise lost(504 if fate == "gateway" else None)

    delivery = deliver(range(number), send, recover=server.missing)
    assert len(server.delivered) == len(set(server.delivered))
    ended = [*server.delivered, *(item for item, _ in delivery.rejected), *(item for item, _ in delivery.failed)]
    assert sorted(ended) == list(range(number))
    assert {item for item, _ in delivery.rejected} <= server.bad


def test_a_server_that_fails_inside_on_one_item_loses_only_that_one() -> None:
    for number in (2, 3, 7, 50):
        server = Server({number - 1}, lost(500))
        delivery = deliver(range(number), server.send, recover=server.missing)
        assert [item for item, _ in delivery.failed] == [number - 1]
        assert sorted(server.delivered) == list(range(number - 1))
        assert delivery.server_down is None


def test_a_server_that_is_down_is_told_from_one_that_fails_on_an_item() -> None:
    for error in (lost(), lost(502), RateLimitedError("Medusa", "POST /x", "slow", status=429, retry_after=100.0)):
        server = Server(set(range(9)), error)
        delivery = deliver(range(9), server.send, recover=server.missing)
        assert delivery.server_down is error
        assert [item for item, _ in delivery.failed] == list(range(9))
        assert len(server.calls) <= 2, "a server that is down is not asked for every item"


def test_a_look_up_that_fails_too_leaves_the_items_for_later() -> None:
    def unreachable(_group: Sequence[int]) -> list[int]:
        raise lost()

    delivery = deliver([1, 2], Server({1}, lost()).send, recover=unreachable)
    assert [item for item, _ in delivery.failed] == [1, 2]


def test_too_large_a_call_is_halved_until_it_fits() -> None:
    delivered: list[int] = []

    def send(group: Sequence[int]) -> None:
        if len(group) > 3 or 7 in group:
            raise PayloadTooLargeError("Medusa", "POST /x", "too large", status=413)
        delivered.extend(group)

    delivery = deliver(range(20), send)
    assert [item for item, _ in delivery.rejected] == [7]
    assert sorted(delivered) == [item for item in range(20) if item != 7]


def test_a_missing_right_ends_everything() -> None:
    server = Server({2}, AccessError("Medusa", "POST /x", "no", status=401))
    with pytest.raises(AccessError):
        deliver(range(9), server.send)
    assert len(server.calls) == 1


def test_what_a_refusal_names_is_not_searched_for() -> None:
    server = Server({4, 6})

    def resolve(error: PermanentError, group: Sequence[int]) -> tuple[list[int], list[tuple[int, PermanentError]]]:
        named = int(error.reason.split()[0])
        return [item for item in group if item != named], [(named, error)]

    delivery = deliver(range(50), server.send, resolve=resolve)
    assert [item for item, _ in delivery.rejected] == [4, 6]
    assert len(server.calls) == 3


class Named:
    def __init__(self, name: str) -> None:
        self.name = self.fingerprint = name


def test_validation_errors_name_items_by_their_number_in_the_call() -> None:
    group = [Named(f"item {number}") for number in range(6)]
    text = "Invalid request: Field 'create, 1, title' is required; Field 'create, 4, variants, 0, sku' is required"
    resolution = named_by_index(refusal(text), group)
    assert resolution is not None
    remaining, rejected = resolution
    assert [one.name for one in remaining] == ["item 0", "item 2", "item 3", "item 5"]
    assert [(one.name, error.reason) for one, error in rejected] == [
        ("item 1", "Field 'create, 1, title' is required"),
        ("item 4", "Field 'create, 4, variants, 0, sku' is required"),
    ]
    assert named_by_index(refusal("Field 'create, 6, title' is required"), group) is None
    assert named_by_index(refusal("Product with handle: x, already exists."), group) is None


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 9), st.integers(1, 120))
def test_chunks_hold_everything_in_order_within_their_limits(sizes: list[int], most: int, most_bytes: int) -> None:
    found = list(chunks(sizes, lambda size: size, most=most, most_bytes=most_bytes))
    assert [size for chunk in found for size in chunk] == sizes
    for chunk in found:
        assert 1 <= len(chunk) <= most
        assert sum(chunk) <= most_bytes or len(chunk) == 1


def test_bytes_are_those_of_the_request() -> None:
    assert json_bytes({"a": "ص"}) == len('{"a":"\\u0635"}')


class FailingServer(Server):
    """Answers 500 where others would refuse."""

    def __init__(self, bad: set[int]) -> None:
        super().__init__(bad, TransientError("Medusa", "POST /x", "unknown", status=500))


def test_a_server_that_fails_on_everything_is_given_up_after_a_few_calls() -> None:
    server = FailingServer(set(range(100)))
    delivery = deliver(range(100), server.send)
    assert len(server.calls) <= 12
    assert delivery.server_down is not None
    assert sorted(item for item, _ in delivery.failed) == list(range(100))


@pytest.mark.parametrize("bad", [{0}, {99}, {0, 1}, {0, 1, 2}, {97, 98, 99}, {5, 6, 70}])
def test_items_that_the_server_fails_on_keep_nobody_back(bad: set[int]) -> None:
    server = FailingServer(bad)
    delivery = deliver(range(100), server.send)
    assert sorted(item for item, _ in delivery.failed) == sorted(bad)
    assert sorted(server.delivered) == sorted(set(range(100)) - bad), "each once"
    assert delivery.server_down is None
    assert delivery.server_works
