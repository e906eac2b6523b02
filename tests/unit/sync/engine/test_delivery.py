"""One bad item among many: who is rejected, what it costs, and that nothing is delivered twice."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_medusa_pipelines.clients.failures import (
    AccessError,
    ForeignAnswerError,
    PayloadTooLargeError,
    PermanentError,
    RateLimitedError,
    TransientError,
)
from erp_medusa_pipelines.sync.engine.batch_sync import named_by_index
from erp_medusa_pipelines.sync.engine.delivery import chunks, deliver, json_bytes
from erp_medusa_pipelines.sync.engine.quarantine import Lies, lies_of


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
        assert [item for item, _ in delivery.alone] == [number - 1]
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


def test_a_look_up_that_fails_while_a_refusal_is_read_puts_the_items_off() -> None:
    def resolve(_error: PermanentError, _group: Sequence[int]) -> None:
        raise lost(500)

    delivery = deliver(range(5), Server({1}).send, resolve=resolve)
    assert [item for item, _ in delivery.failed] == list(range(5))
    assert (delivery.rejected, delivery.alone) == ([], [])
    assert delivery.server_down is not None


# --- what stands in between ---------------------------------------------------------------------------------------


def page(status: int = 403) -> ForeignAnswerError:
    return ForeignAnswerError("Medusa", "POST /x", "a page", status=status, ambiguous=True)


def forbidden() -> AccessError:
    return AccessError("Medusa", "POST /x", "not permitted", status=403)


def is_open() -> None:
    """A way on which a harmless request gets through."""


@pytest.mark.parametrize("status", [200, 302, 400, 403, 404, 405, 406, 451])
@pytest.mark.parametrize("number", [1, 2, 3, 100])
def test_what_a_firewall_refuses_alone_is_rejected_alone(number: int, status: int) -> None:
    for bad in {0, number // 2, number - 1}:
        server = Server({bad}, page(status))
        delivery = deliver(range(number), server.send, recover=server.missing, check_way=is_open)
        assert [item for item, _ in delivery.rejected] == [bad]
        assert sorted(server.delivered) == sorted(set(range(number)) - {bad})
        assert (delivery.failed, delivery.alone, delivery.server_down) == ([], [], None)
        assert len(server.calls) <= 1 + 2 * math.log2(number)
        assert lies_of("title")(delivery.rejected[0][1]) is Lies.ELSEWHERE, "it is tried again every night"


@pytest.mark.parametrize("number", [1, 2, 3, 100])
def test_a_closed_way_rejects_nobody(number: int) -> None:
    def closed() -> None:
        raise page(302)

    server = Server(set(range(number)), page(302))
    delivery = deliver(range(number), server.send, recover=server.missing, check_way=closed)
    assert [item for item, _ in delivery.failed] == list(range(number))
    assert (delivery.rejected, delivery.alone) == ([], [])
    assert isinstance(delivery.server_down, ForeignAnswerError)
    assert len(server.calls) == 1


def test_a_way_that_closes_meanwhile_rejects_nobody_either() -> None:
    checks = iter(range(100))

    def closes_after_two() -> None:
        if next(checks) >= 2:
            raise page(302)

    server = Server(set(range(5, 60)), page(302))
    delivery = deliver(range(60), server.send, check_way=closes_after_two)
    assert delivery.rejected == []
    assert sorted([*server.delivered, *(item for item, _ in delivery.failed)]) == list(range(60))


def test_a_firewall_that_lets_no_document_through_is_doubted_after_some() -> None:
    server = Server(set(range(300)), page())
    delivery = deliver(range(300), server.send, check_way=is_open)
    assert delivery.rejected == []
    assert len(delivery.failed) == 300
    assert delivery.server_down is not None
    assert len(server.calls) < 60


def test_without_a_way_to_check_others_must_have_got_through() -> None:
    for bad, rejected in (({3}, [3]), (set(range(8)), [])):
        delivery = deliver(range(8), Server(bad, page()).send)
        assert [item for item, _ in delivery.rejected] == rejected
        assert len(delivery.failed) == (8 if not rejected else 0)


def test_a_page_in_place_of_the_servers_good_answer_delivers_nothing_twice() -> None:
    server = Server()

    def send(group: Sequence[int]) -> None:
        server.send(group)
        raise page()

    delivery = deliver(range(20), send, recover=server.missing, check_way=is_open)
    assert server.delivered == list(range(20))
    assert (delivery.rejected, delivery.failed) == ([], [])


def test_a_missing_right_is_judged_by_what_else_the_key_may_do() -> None:
    def may_nothing() -> None:
        raise forbidden()

    one = deliver(range(9), Server({2}, forbidden()).send, check_way=is_open)
    assert [item for item, _ in one.rejected] == [2]
    with pytest.raises(AccessError):
        deliver(range(9), Server({2}, forbidden()).send, check_way=may_nothing)
    with pytest.raises(AccessError):
        deliver(range(100), Server(set(range(100)), forbidden()).send, check_way=is_open)


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
    assert sorted(item for item, _ in delivery.alone) == sorted(bad)
    assert delivery.failed == []
    assert sorted(server.delivered) == sorted(set(range(100)) - bad), "each once"
    assert delivery.server_down is None
    assert delivery.server_works
