"""How requests are sent, against servers on real sockets."""

import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from starlette.responses import HTMLResponse, JSONResponse, Response

from dev.deployment import wait_for
from erp_medusa_pipelines.clients import http
from erp_medusa_pipelines.clients.facts import FACTS_HOLD
from erp_medusa_pipelines.clients.failures import (
    AccessError,
    ForeignAnswerError,
    PermanentError,
    RateLimitedError,
    TransientError,
)
from erp_medusa_pipelines.clients.http import LONGEST_WAIT, HttpClient
from erp_medusa_sandbox.faults import Fault
from tests.support.plain_server import SECRET, Client, Server, raw_server, served

# --- what is sent again --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_what_may_be_repeated_is_tried_again_until_it_works(server: Server, method: str) -> None:
    server.faults.add(Fault("status", status=502, times=3))
    client = Client(server.url)
    assert client.request(method, "/x") == {"ok": True}
    assert client.requests_sent == 4
    assert client.counts["retries"] == len(client.slept) == 3
    assert client.counts[method] == 4


def test_it_gives_up_after_its_attempts_and_says_why(server: Server) -> None:
    server.faults.add(Fault("status", status=503))
    client = Client(server.url, attempts=3)
    with pytest.raises(TransientError, match="temporarily unavailable"):
        client.request("GET", "/x")
    assert client.requests_sent == 3
    with pytest.raises(TransientError):
        client.request("GET", "/x", attempts=1)
    assert client.requests_sent == 4


def test_half_a_character_in_an_answer_is_replaced() -> None:
    text = r'{"name": "a\ud800.png", "brand": "\ud83e\uddb0 \u0645", "path": "C:\\users", "rate": 1.5}'
    with served(lambda _request: Response(text, media_type="application/json")) as server:
        found = Client(server.url).request("GET", "/x")
    assert found == {"name": "a?.png", "brand": "\U0001f9b0 \u0645", "path": "C:\\users", "rate": 1.5}


@pytest.mark.parametrize("action", ["drop_after", "drop_before", "truncate"])
def test_a_post_without_an_answer_is_not_sent_again(server: Server, action: Any) -> None:
    server.faults.add(Fault(action))
    client = Client(server.url)
    with pytest.raises(TransientError) as caught:
        client.request("POST", "/x", json={})
    assert caught.value.ambiguous
    assert client.requests_sent == 1
    assert len(server.faults.requests) == 1


@pytest.mark.parametrize("fault", [{"status": 429}, {"status": 503, "json": {"exc_type": "SessionStopped"}}])
def test_a_post_that_was_surely_not_carried_out_is_sent_again(server: Server, fault: dict[str, Any]) -> None:
    server.faults.add(Fault("status", **fault, times=1))
    assert Client(server.url).request("POST", "/x", json={}) == {"ok": True}


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_post_is_not_sent_again_after_a_gateways_error(server: Server, status: int) -> None:
    text = "upstream connect error or disconnect/reset before headers. reset reason: connection termination"
    server.faults.add(Fault("status", status=status, headers={"Content-Type": "text/plain"}, text=text, times=1))
    client = Client(server.url)
    with pytest.raises(TransientError, match="disconnect/reset before headers") as caught:
        client.request("POST", "/x", json={})
    assert caught.value.ambiguous
    assert client.requests_sent == 1


def test_a_post_may_be_declared_repeatable(server: Server) -> None:
    server.faults.add(Fault("drop_after", times=2))
    assert Client(server.url).request("POST", "/x", json={}, repeatable=True) == {"ok": True}
    assert len(server.seen) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 417])
def test_a_refusal_is_final(server: Server, status: int) -> None:
    server.faults.add(
        Fault("status", status=status, json={"exc_type": "ValidationError", "exception": "x.ValidationError: no"})
    )
    client = Client(server.url)
    with pytest.raises(PermanentError) as caught:
        client.request("GET", "/x")
    assert caught.value.status == status
    assert client.requests_sent == 1


# --- how long is waited --------------------------------------------------------------------------------------------


def test_waits_grow_and_are_spread(server: Server) -> None:
    server.faults.add(Fault("status", status=503))
    rounds = []
    for _ in range(12):
        client = Client(server.url, attempts=6)
        with pytest.raises(TransientError):
            client.request("GET", "/x")
        rounds.append(client.slept)
    for nth in range(5):
        waits = [each[nth] for each in rounds]
        assert all(0 <= wait <= min(20, 0.5 * 2 ** (nth + 1)) for wait in waits)
        assert len(set(waits)) > 6, "no jitter: everybody would come back at the same moment"


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_wait_that_the_server_names_is_kept(server: Server, form: str) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=7), usegmt=True)
    value = "7" if form == "seconds" else later
    server.faults.add(Fault("status", status=429, headers={"Retry-After": value}, times=1))
    client = Client(server.url)
    assert client.request("GET", "/x") == {"ok": True}
    assert len(client.slept) == 1
    assert 4 <= client.slept[0] <= 7


@pytest.mark.parametrize("seconds", [61, 3600, 10**9])
def test_a_longer_wait_is_given_back_instead_of_slept(server: Server, seconds: int) -> None:
    server.faults.add(Fault("status", status=429, headers={"Retry-After": str(seconds)}))
    client = Client(server.url)
    with pytest.raises(RateLimitedError) as caught:
        client.request("GET", "/x")
    assert caught.value.retry_after is not None
    assert seconds >= caught.value.retry_after > LONGEST_WAIT
    assert client.slept == []


@pytest.mark.parametrize("value", ["soon", "-5", "", "Fri, 99 Foo 9999 99:99:99 GMT", "1e3"])
def test_an_unreadable_wait_means_the_clients_own(server: Server, value: str) -> None:
    server.faults.add(Fault("status", status=503, headers={"Retry-After": value}, times=1))
    client = Client(server.url)
    assert client.request("GET", "/x") == {"ok": True}
    assert all(0 <= wait <= 1 for wait in client.slept)


def test_a_moment_that_has_passed_means_at_once(server: Server) -> None:
    value = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
    server.faults.add(Fault("status", status=503, headers={"Retry-After": value}, times=1))
    client = Client(server.url)
    assert client.request("GET", "/x") == {"ok": True}
    assert client.slept == [0.0]


# --- what comes back -----------------------------------------------------------------------------------------------


PAGE = "<html><head><title>Sign in</title></head><body>Please sign in</body></html>"


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (HTMLResponse(PAGE), r'HTTP 200 and text/html: "Please sign in"'),
        (HTMLResponse(PAGE, 403), r'HTTP 403 and text/html: "Please sign in"'),
        (HTMLResponse("", 405), r"HTTP 405 and text/html, and nothing in it"),
        (Response("404 page not found\n", 404, media_type="text/plain"), r'404 and text/plain: "404 page not found"'),
        (Response("default backend - 404", 404), r'404 and no content type: "default backend - 404"'),
        (Response(status_code=200), r"HTTP 200 and no content type, and nothing in it"),
        (JSONResponse({"message": "no Route matched with those values"}, 404), r"no Route matched"),
        (JSONResponse({"error": "Forbidden"}, 406), r"""HTTP 406 and application/json: ".*Forbidden"""),
        (JSONResponse(["down"], 451), r"HTTP 451"),
        (
            Response(status_code=302, headers={"Location": "https://sso.shop.example/login?back=secret"}),
            r"HTTP 302 to https://sso.shop.example/login \(if the server has moved, set ERPNEXT_URL",
        ),
        (Response(status_code=307, headers={"Location": "/maintenance"}), r"HTTP 307 to /maintenance"),
    ],
)
def test_what_is_not_the_servers_own_answer_is_trouble_of_the_way(server: Server, answer: Response, seen: str) -> None:
    server.answer = lambda _request: answer
    for method, tries in (("GET", 4), ("POST", 1)):
        client = Client(server.url)
        with pytest.raises(ForeignAnswerError, match=seen) as caught:
            client.request(method, "/x")
        assert client.requests_sent == tries, "a page may be about what a write holds, so it is not repeated blindly"
        assert caught.value.ambiguous
        assert "secret" not in str(caught.value)
        assert "Check the proxy, firewall or login page at ERPNEXT_URL" in caught.value.reason


def test_an_answer_that_was_cut_off_is_asked_for_again(server: Server) -> None:
    answers = iter([Response(b'{"data": [1, 2', media_type="application/json"), JSONResponse({"data": [1, 2]})])
    server.answer = lambda _request: next(answers)
    assert Client(server.url).request("GET", "/x") == {"data": [1, 2]}


def test_compressed_answers_are_read(server: Server) -> None:
    rows = [{"name": f"ITM-{number}"} for number in range(500)]
    server.answer = lambda _request: JSONResponse({"data": rows})
    client = Client(server.url)
    response = client.request("GET", "/x", parse=False)
    assert response.headers["content-encoding"] == "gzip"
    assert response.json() == {"data": rows}
    assert client.request("GET", "/x") == {"data": rows}


@pytest.mark.parametrize("answer", [{"message": "pong"}, [], "text", None, 5])
def test_an_answer_of_another_shape_is_no_key_error(server: Server, answer: Any) -> None:
    client = Client(server.url)
    assert client.part({"data": []}, "data", "/x") == []
    with pytest.raises(ForeignAnswerError, match="something else answered in its place, with HTTP 200"):
        client.part(answer, "data", "/x")


@pytest.mark.parametrize("zone", ["GMT", "+0000", "-0000"])
def test_the_servers_clock_goes_on_from_its_date_header(zone: str) -> None:
    answer = f"HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 01:02:03 {zone}\r\nContent-Length: 2\r\n\r\n{{}}"
    with raw_server(lambda connection: connection.sendall(answer.encode())) as url:
        client = Client(url)
        assert client.server_clock is None
        client.request("GET", "/x")
    assert client.server_clock is not None
    assert timedelta() <= client.server_clock - datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC) < timedelta(minutes=1)


def test_a_date_that_is_none_does_no_harm() -> None:
    answer = b"HTTP/1.1 200 OK\r\nDate: yesterday\r\nContent-Length: 2\r\n\r\n{}"
    with raw_server(lambda connection: connection.sendall(answer)) as url:
        client = Client(url)
        assert client.request("GET", "/x") == {}
    assert client.server_clock is None


# --- downloads -----------------------------------------------------------------------------------------------------


def test_a_download_stops_at_its_limit() -> None:
    sent = 0

    def endless(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 99999999999\r\n\r\n")
        while True:
            sent += connection.send(b"x" * 64 * 1024)

    with raw_server(endless) as url, pytest.raises(PermanentError, match="larger than the limit of 1,000,000 bytes"):
        Client(url).download("/files/big.png", limit=1_000_000)
    # Beyond the limit only what was on its way in the sockets' buffers.
    assert sent < 50_000_000


def test_a_file_of_exactly_the_limit_is_taken(server: Server) -> None:
    server.answer = lambda _request: Response(b"small")
    assert Client(server.url).download("/files/small.png", limit=5) == b"small"


def test_a_download_that_was_cut_off_is_made_again(server: Server) -> None:
    server.answer = lambda _request: Response(b"0123456789" * 100, media_type="image/png")
    server.faults.add(Fault("truncate", times=2))
    client = Client(server.url)
    assert client.download("/files/a.png", limit=2000) == b"0123456789" * 100
    assert client.requests_sent == 3
    assert "gzip" not in server.seen[0].headers["accept-encoding"]


def test_a_refused_download_is_judged_like_anything_else(server: Server) -> None:
    page = "<!doctype html>\n<html lang=en>\n<title>403 Forbidden</title>\n<h1>Forbidden</h1>\n<p>no</p>"
    server.faults.add(Fault("status", status=403, text=page))
    with pytest.raises(AccessError):
        Client(server.url).download("/private/files/a.png", limit=10)


def test_a_login_page_is_no_file(server: Server) -> None:
    server.answer = lambda _request: HTMLResponse(PAGE)
    with pytest.raises(ForeignAnswerError, match="Please sign in"):
        Client(server.url).download("/private/files/a.png", limit=10)


# --- connections ---------------------------------------------------------------------------------------------------


def test_connections_are_reused_also_after_refusals_and_downloads(server: Server) -> None:
    client = Client(server.url)
    for _ in range(5):
        client.request("GET", "/x")
        client.download("/files/x", limit=1000)
        server.faults.add(Fault("status", status=404, json={"exc_type": "DoesNotExistError"}, times=1))
        with pytest.raises(PermanentError):
            client.request("POST", "/x", json={})
    client.request("GET", "/x")
    assert len(server.connections) == 1


def test_a_connection_that_the_server_closed_meanwhile_costs_no_post() -> None:
    with served(keep_alive=0) as server:
        client = Client(server.url)
        client.request("GET", "/x")
        threading.Event().wait(0.3)
        assert client.request("POST", "/x", json={}) == {"ok": True}
        assert client.counts["retries"] == 0


@pytest.mark.long
def test_many_threads_share_one_client(server: Server) -> None:
    server.answer = lambda request: JSONResponse({"path": request.url.path})
    client = Client(server.url, connections=4)
    with ThreadPoolExecutor(12) as pool:
        paths = [f"/x/{number}" for number in range(240)]
        answers = list(pool.map(lambda path: client.request("GET", path)["path"], paths))
    assert answers == paths
    assert client.requests_sent == client.counts["GET"] == 240
    assert len(server.connections) <= 4


def test_each_answer_is_a_debug_line_without_its_query(caplog: pytest.LogCaptureFixture) -> None:
    with served() as server, caplog.at_level(logging.DEBUG, logger="erp_medusa_pipelines.clients"):
        HttpClient("ERPNext", server.url, {}).request("GET", "/api/resource/Item", params={"filters": SECRET})
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.DEBUG]
    assert line.startswith("ERPNext GET /api/resource/Item: 200 in ")
    assert SECRET not in line


# --- the end of the process ----------------------------------------------------------------------------------------


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end is that of one test."""
    monkeypatch.setattr(http, "_STOPPED", threading.Event())


@pytest.mark.usefixtures("stopping")
@pytest.mark.long
def test_what_waits_for_an_answer_ends_with_the_process_and_is_not_sent_again(server: Server) -> None:
    server.faults.add(Fault("latency", seconds=20))
    client = Client(server.url)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.request, "GET", "/x")
        wait_for("the request", lambda: server.faults.requests)
        http.stop_all()
        with pytest.raises(http.StoppedError, match="GET /x is not sent"):
            waiting.result(5)
    assert client.requests_sent == 1


@pytest.mark.parametrize("content_type", ["text/html", "text/plain", "application/json; charset=latin-1"])
def test_letters_of_any_script_are_read_as_they_are_whatever_a_proxy_calls_the_answer(content_type: str) -> None:
    """They were read as Latin-1, and an Item with an Arabic code had no Bin."""
    body = '{"item_code": "صنف-4"}'.encode()
    with served(lambda _: Response(body, headers={"Content-Type": content_type})) as server:
        assert HttpClient("ERPNext", server.url, {}).request("GET", "/x") == {"item_code": "صنف-4"}


def test_clients_of_one_run_ask_once_together_and_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    facts: dict[str, Any] = {}
    asked: list[int] = []

    def ask() -> int:
        asked.append(1)
        return len(asked)

    def learnt() -> int:
        return HttpClient("Medusa", "http://127.0.0.1:9", {}, facts=facts).once("stores", ask)

    assert [learnt(), learnt()] == [1, 1]
    now = http.time.monotonic()
    monkeypatch.setattr(http.time, "monotonic", lambda: now + FACTS_HOLD + 1)
    assert learnt() == 2, "what a run of hours learnt at its start counts no more"
