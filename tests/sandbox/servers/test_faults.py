"""The fault injector: what goes wrong, for which requests, and what the log remembers."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import requests
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.faults import Fault, FaultInjector
from erp_medusa_sandbox.server import running


class Echo:
    """An application that remembers what really reached it."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.app = Starlette(
            routes=[
                Route("/echo", self.echo, methods=["GET", "POST"]),
                Route("/__sandbox__/own", self.own, methods=["GET"]),
            ]
        )

    async def echo(self, request: Request) -> Response:
        self.bodies.append((await request.body()).decode())
        return JSONResponse({"body": self.bodies[-1], "query": request.url.query})

    async def own(self, request: Request) -> Response:
        return JSONResponse({"own": True})


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def injector(echo: Echo) -> FaultInjector:
    return FaultInjector(echo.app, name="echo")


@pytest.fixture
def url(injector: FaultInjector) -> Iterator[str]:
    with running(injector) as base:
        yield base


def post(url: str, body: str = "hello") -> requests.Response:
    return requests.post(f"{url}/echo", data=body, timeout=10)


def test_without_faults_everything_passes_and_says_sandbox(url: str) -> None:
    answer = post(url)
    assert answer.json()["body"] == "hello"
    assert answer.headers["X-Sandbox"] == "1"


def test_a_status_is_answered_without_reaching_the_application(url: str, injector: FaultInjector, echo: Echo) -> None:
    injector.add(Fault("status", status=429, headers={"Retry-After": "7"}, json={"message": "slow down"}))
    answer = post(url)
    assert (answer.status_code, answer.headers["Retry-After"], answer.json()) == (429, "7", {"message": "slow down"})
    assert answer.headers["X-Sandbox"] == "1"
    assert echo.bodies == []


def test_a_status_can_be_html_as_a_proxy_sends_it(url: str, injector: FaultInjector) -> None:
    injector.add(Fault("status", status=502, text="<html>Bad Gateway</html>"))
    answer = post(url)
    assert (answer.status_code, answer.text) == (502, "<html>Bad Gateway</html>")
    assert answer.headers["Content-Type"].startswith("text/html")


def test_dropped_after_applying_the_work_is_done_and_the_answer_lost(
    url: str, injector: FaultInjector, echo: Echo
) -> None:
    injector.add(Fault("drop_after", times=1))
    with pytest.raises(requests.ConnectionError):
        post(url)
    assert echo.bodies == ["hello"]
    assert injector.requests[-1].status is None


def test_dropped_before_applying_nothing_is_done(url: str, injector: FaultInjector, echo: Echo) -> None:
    injector.add(Fault("drop_before", times=1))
    with pytest.raises(requests.ConnectionError):
        post(url)
    assert echo.bodies == []


def test_a_truncated_answer_is_shorter_than_it_claims(url: str, injector: FaultInjector, echo: Echo) -> None:
    injector.add(Fault("truncate", times=1))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        post(url)
    assert echo.bodies == ["hello"]


@pytest.mark.long
def test_latency_delays_and_then_answers(url: str, injector: FaultInjector, echo: Echo) -> None:
    injector.add(Fault("latency", seconds=2))
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{url}/echo", timeout=0.3)
    injector.heal()
    injector.add(Fault("latency", seconds=0))
    assert post(url).status_code == 200


def test_headers_can_be_added_to_a_real_answer(url: str, injector: FaultInjector) -> None:
    injector.add(Fault("header", headers={"Retry-After": "3"}))
    answer = post(url)
    assert (answer.status_code, answer.headers["Retry-After"]) == (200, "3")


def test_skip_and_times_choose_which_requests_fail(url: str, injector: FaultInjector) -> None:
    injector.add(Fault("status", skip=1, times=2))
    assert [post(url).status_code for _ in range(5)] == [200, 503, 503, 200, 200]


def test_method_path_and_body_choose_which_requests_fail(url: str, injector: FaultInjector) -> None:
    injector.add(Fault("status", method="POST", path=r"^/echo\?page=2$", body="SKU-[0-9]"))

    def status(method: str, query: str, body: str) -> int:
        return requests.request(method, f"{url}/echo{query}", data=body, timeout=10).status_code

    assert status("POST", "?page=2", "a SKU-7 b") == 503
    assert status("GET", "?page=2", "a SKU-7 b") == 200
    assert status("POST", "?page=1", "a SKU-7 b") == 200
    assert status("POST", "?page=2", "nothing") == 200


def test_the_first_fault_that_decides_the_answer_wins(url: str, injector: FaultInjector) -> None:
    injector.add(Fault("status", status=500, times=1))
    injector.add(Fault("status", status=502, times=1))
    assert [post(url).status_code for _ in range(3)] == [500, 502, 200]


def test_faults_are_set_listed_and_healed_over_http(url: str) -> None:
    faults = f"{url}/__sandbox__/faults"
    made = requests.post(faults, json={"action": "status", "status": 503, "times": None}, timeout=10).json()
    assert post(url).status_code == 503
    (listed,) = requests.get(faults, timeout=10).json()
    assert (listed["id"], listed["fired"]) == (made["id"], 1)
    requests.delete(faults, timeout=10)
    assert requests.get(faults, timeout=10).json() == []
    assert post(url).status_code == 200


@pytest.mark.parametrize(
    "body", [{"action": "explode"}, {"action": "status", "colour": 1}, {}, {"action": "status", "path": "("}]
)
def test_what_is_no_fault_is_refused_with_a_reason(url: str, body: dict) -> None:
    answer = requests.post(f"{url}/__sandbox__/faults", json=body, timeout=10)
    assert answer.status_code == 400
    assert "SANDBOX" in answer.json()["message"]


def test_the_request_log_counts_everything_but_its_own_control(url: str) -> None:
    log = f"{url}/__sandbox__/requests"
    requests.get(f"{url}/echo?a=1", timeout=10)
    post(url, "12345")
    requests.get(f"{url}/nowhere", timeout=10)
    first, second, third = requests.get(log, timeout=10).json()
    assert first == {"n": 1, "method": "GET", "path": "/echo", "query": "a=1", "status": 200, "bytes": 0}
    assert (second["method"], second["bytes"], third["status"]) == ("POST", 5, 404)
    assert requests.get(f"{log}?since=2", timeout=10).json() == [third]
    requests.delete(log, timeout=10)
    assert requests.get(log, timeout=10).json() == []
    post(url)
    assert [seen["n"] for seen in requests.get(log, timeout=10).json()] == [4]


def test_control_routes_of_the_application_are_left_to_it(url: str, injector: FaultInjector) -> None:
    injector.add(Fault("status"))
    assert requests.get(f"{url}/__sandbox__/own", timeout=10).json() == {"own": True}


def test_a_connection_that_was_kept_survives_a_fault_on_another(url: str, injector: FaultInjector) -> None:
    session = requests.Session()
    assert session.get(f"{url}/echo", timeout=10).status_code == 200
    injector.add(Fault("drop_before", method="POST", times=1))
    with pytest.raises(requests.ConnectionError):
        post(url)
    assert session.get(f"{url}/echo", timeout=10).status_code == 200


def test_an_answer_that_drips_arrives_whole(url: str, injector: FaultInjector) -> None:
    injector.add(Fault("drip", seconds=0.01))
    began = time.monotonic()
    answer = post(url, "x" * 1000)
    assert answer.json()["body"] == "x" * 1000
    assert time.monotonic() - began >= 0.09
