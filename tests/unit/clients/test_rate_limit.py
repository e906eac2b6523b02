"""What servers say of their rate limit, and the pace that keeps below it."""

import time
from collections.abc import Mapping

import pytest
from starlette.responses import JSONResponse

from erp_medusa_pipelines.clients.failures import RateLimitedError
from erp_medusa_pipelines.clients.http import LONGEST_WAIT, OUR_PART, HttpClient, HttpOptions
from erp_medusa_pipelines.clients.rate_limit import LOW, RateLimit, read_rate_limit
from tests.unit.clients.test_http import served

FRAPPE = {
    "X-RateLimit-Limit": "3600000000",
    "X-RateLimit-Remaining": "900130000",
    "X-RateLimit-Reset": "1800",
    "X-RateLimit-Used": "130000",
}


@pytest.mark.parametrize(
    ("headers", "share", "seconds", "used"),
    [
        (FRAPPE, 0.25, 1800, 130_000),
        ({"RateLimit-Limit": "100, 100;w=60", "RateLimit-Remaining": "40", "RateLimit-Reset": "30"}, 0.4, 30, 1),
        ({"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "7.5"}, 0, 7.5, 1),
        ({"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "12", "X-RateLimit-Reset": "4000000100"}, 1, 100, 1),
    ],
)
def test_headers_of_frappe_and_of_proxies_are_read(
    headers: Mapping[str, str], share: float, seconds: float, used: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last one gives a moment instead of seconds."""
    monkeypatch.setattr(time, "time", lambda: 4_000_000_000.0)
    found = read_rate_limit(headers)
    assert found is not None
    assert (found.share, found.used) == (pytest.approx(share), used)
    assert found.left_for() == pytest.approx(seconds)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-RateLimit-Limit": "100"},
        {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "5"},
        {"X-RateLimit-Limit": "0", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "5"},
        {"X-RateLimit-Limit": "many", "X-RateLimit-Remaining": "-1", "X-RateLimit-Reset": "soon"},
        {"X-RateLimit-Limit": "²", "X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "1"},
    ],
)
def test_what_cannot_be_read_says_nothing(headers: Mapping[str, str]) -> None:
    assert read_rate_limit(headers) is None


def test_nobody_waits_above_the_low_mark_and_below_it_what_is_left_lasts_until_the_window_ends() -> None:
    now = 1_000_000_000.0
    half = RateLimit(limit=100, remaining=50, ends=now + 60)
    assert half.pause(now=now) == 0
    low = RateLimit(limit=100, remaining=100 * LOW, ends=now + 60)
    assert low.pause(now=now) == 60 / 20
    assert low.pause(0.5, now=now) == 60 / 10
    # In Frappe's microseconds of worker time, by what the last request cost.
    frappe = RateLimit(limit=3600e6, remaining=72e6, ends=now + 600, used=120_000)
    assert frappe.pause(now=now) == 1
    assert RateLimit(limit=100, remaining=0, ends=now + 60).pause(now=now) == 61
    assert RateLimit(limit=100, remaining=0, ends=now - 2).pause(now=now) == 0


class Budget:
    """A server that takes `limit` requests a window, and refuses what comes beyond. Its clock is the client's sleep."""

    def __init__(self, limit: int, window: float) -> None:
        self.limit, self.window = limit, window
        self.slept: list[float] = []
        self.begun, self.taken, self.refused = 0.0, 0, 0

    @property
    def clock(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def answer(self, _request: object) -> JSONResponse:
        if self.clock >= self.begun + self.window:
            self.begun, self.taken = self.clock, 0
        left = {"X-RateLimit-Limit": str(self.limit), "X-RateLimit-Reset": f"{self.begun + self.window - self.clock:f}"}
        if self.taken >= self.limit:
            self.refused += 1
            return JSONResponse({}, 429, headers={**left, "X-RateLimit-Remaining": "0"})
        self.taken += 1
        return JSONResponse({"ok": True}, headers={**left, "X-RateLimit-Remaining": str(self.limit - self.taken)})


def test_a_run_goes_slower_before_the_limit_and_is_never_refused() -> None:
    budget = Budget(limit=50, window=60)
    with served(budget.answer) as server:
        client = HttpClient("ERPNext", server.url, {}, sleep=budget.sleep)
        for _ in range(200):
            client.request("GET", "/x")
        client.close()
    assert budget.refused == 0
    assert client.counts["requests"] == 200
    # Four windows' worth is not there in less than three of them.
    assert 180 <= client.seconds_slowed == budget.clock < 1200


def test_work_is_given_back_before_it_is_refused_where_the_window_is_long() -> None:
    headers = {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "3600"}
    slept: list[float] = []
    with served(lambda _request: JSONResponse({}, headers=headers)) as server:
        client = HttpClient("ERPNext", server.url, {}, sleep=slept.append)
        client.request("GET", "/x")
        with pytest.raises(RateLimitedError, match="0% of its rate limit is left for 3600 s") as refused:
            client.request("GET", "/x")
        assert refused.value.retry_after is not None
        assert refused.value.retry_after > LONGEST_WAIT
        assert len(server.seen) == 1
        client.close()
        assert slept == []


def test_who_may_not_wait_does_not() -> None:
    headers = {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "50"}
    slept: list[float] = []
    with served(lambda _request: JSONResponse({}, headers=headers)) as server:
        client = HttpClient("ERPNext", server.url, {}, options=HttpOptions(keeps_pace=False), sleep=slept.append)
        for _ in range(3):
            client.request("GET", "/x")
        client.close()
    assert slept == []
    assert client.rate_limit is not None
    assert client.rate_limit.share == 0
    assert 0 < OUR_PART < 1
