"""What answers and exceptions mean, by answers of a real ERPNext and a real Medusa."""

import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from erp_medusa_pipelines.clients.failures import (
    AccessError,
    ApiError,
    ForeignAnswerError,
    PayloadTooLargeError,
    PermanentError,
    RateLimitedError,
    TransientError,
    is_blocked,
    is_gone,
    judge_answer,
    judge_exception,
)

DATA = Path(__file__).parent / "data"


def refusals(service: str) -> list[dict[str, Any]]:
    return json.loads((DATA / f"{service}_refusals.json").read_text(encoding="utf-8"))


def judged(refusal: dict[str, Any], service: str = "ERPNext") -> ApiError:
    return judge_answer(service, f"{refusal['method']} {refusal['path']}", refusal["status"], refusal["body"])


def expected_of_erpnext(status: int, exc_type: str | None, text: str) -> type[ApiError]:
    """The same classification, grouped by what an operator would do."""
    if status in (401, 403):
        return AccessError
    if status == 429:
        return RateLimitedError
    if status in (413, 414) or "Request Line is too large" in text:
        return PayloadTooLargeError
    if status in (502, 503, 504) or exc_type == "QueryTimeoutError" or "(2003," in text:
        return TransientError
    if status == 500 and exc_type is None:
        return TransientError
    return PermanentError


@pytest.mark.parametrize("refusal", refusals("erpnext"), ids=lambda r: f"{r['status']} {r['path'][:40]}")
def test_every_way_in_which_erpnext_refuses_has_its_verdict(refusal: dict[str, Any]) -> None:
    error = judged(refusal)
    body = refusal["body"]
    exc_type = None
    if isinstance(body, dict):
        exc_type = body.get("exc_type") or body["errors"][0].get("type")
    assert type(error) is expected_of_erpnext(refusal["status"], exc_type, json.dumps(body))
    assert error.status == refusal["status"]
    assert error.exc_type == exc_type
    # Only where a worker or a gateway vanished can the work have been done all the same.
    vanished = refusal["status"] in (502, 504) or (refusal["status"] == 500 and exc_type is None)
    assert error.ambiguous is vanished


@pytest.mark.parametrize("refusal", refusals("medusa"), ids=lambda r: f"{r['status']} {str(r['body'])[:60]}")
def test_every_way_in_which_medusa_refuses_has_its_verdict(refusal: dict[str, Any]) -> None:
    error = judged(refusal, "Medusa")
    expected = {401: AccessError, 413: PayloadTooLargeError, 500: TransientError}.get(refusal["status"], PermanentError)
    assert type(error) is expected
    assert error.ambiguous is (refusal["status"] == 500)
    if isinstance(refusal["body"], dict):
        assert refusal["body"]["message"][:60] in error.reason


@pytest.mark.parametrize("service", ["erpnext", "medusa"])
def test_messages_are_for_people(service: str) -> None:
    for refusal in refusals(service):
        error = judged(refusal)
        assert len(error.reason) > 8, refusal
        for noise in ("<", "Traceback", "&gt;", "&#", "\n", "frappe.exceptions", "href=", "None"):
            assert noise not in error.reason, (noise, error.reason)
        assert str(refusal["status"]) in str(error)
        assert refusal["path"] in str(error)


@pytest.mark.parametrize(
    ("status", "marker", "said"),
    [
        (400, "Request Line is too large", "the address is too long"),
        (404, "does not exist</p>", "Not Found 127.0.0.1 does not exist"),
        (409, "DuplicateEntryError", "Brand IMany 1 already exists"),
        (417, "UniqueValidationError", "must be unique"),
        (500, "IndexError", "IndexError list index out of range"),
        (501, "OutgoingEmailError", "Please setup default Email Account"),
        (417, "CharacterLengthExceededError", "max characters allowed is 140"),
        (403, "permission to access this file", "You don't have permission"),
        (404, "Website Item NOPE", "Website Item NOPE not found"),
    ],
)
def test_a_message_says_what_was_wrong(status: int, marker: str, said: str) -> None:
    found = [
        r for r in refusals("erpnext") if r["status"] == status and marker in json.dumps(r["body"], ensure_ascii=False)
    ]
    assert found, marker
    assert said in judged(found[0]).reason


@pytest.mark.parametrize(
    ("number", "kind", "ambiguous"),
    [
        (1205, TransientError, False),
        (1213, TransientError, False),
        (2006, TransientError, False),
        (2013, TransientError, True),
        (1040, TransientError, False),
        (1292, PermanentError, False),
        (1054, PermanentError, False),
    ],
)
def test_the_databases_own_number_decides(number: int, kind: type[ApiError], ambiguous: bool) -> None:
    body = {"exc_type": "OperationalError", "exception": f"pymysql.err.OperationalError: ({number}, 'words')"}
    error = judge_answer("ERPNext", "PUT /x", 500, body)
    assert type(error) is kind
    assert error.ambiguous is ambiguous


@pytest.mark.parametrize("exc_type", ["QueryDeadlockError", "DocumentLockedError", "LockTimeoutError"])
def test_a_lock_is_waited_for_whatever_the_status(exc_type: str) -> None:
    for status in (417, 423, 500):
        error = judge_answer("ERPNext", "PUT /x", status, {"exc_type": exc_type, "exception": f"a.b.{exc_type}"})
        assert type(error) is TransientError
        assert not error.ambiguous


def test_a_save_hook_whose_server_is_down_may_have_saved() -> None:
    body = {"exc_type": "ConnectionError", "exception": "requests.exceptions.ConnectionError: no route"}
    error = judge_answer("ERPNext", "PUT /x", 500, body)
    assert isinstance(error, TransientError)
    assert error.ambiguous


def test_medusas_conflicts_are_worth_another_try_and_its_duplicates_are_not() -> None:
    conflict = {"type": "conflict", "message": "The request conflicted with another request."}
    assert type(judge_answer("Medusa", "POST /x", 409, conflict)) is TransientError
    duplicate = {"type": "duplicate_error", "message": "already exists"}
    assert type(judge_answer("Medusa", "POST /x", 422, duplicate)) is PermanentError


@pytest.mark.parametrize("status", [408, 425, 599])
def test_statuses_of_servers_in_between(status: int) -> None:
    assert type(judge_answer("Medusa", "GET /x", status, "")) is TransientError


@pytest.mark.parametrize("body", [None, "", [], {}, {"errors": []}, {"errors": ["x"]}, {"message": 5}, {"type": "x"}])
@pytest.mark.parametrize("service", ["ERPNext", "Medusa"])
def test_a_body_of_no_known_shape_is_not_the_servers(service: str, body: Any) -> None:
    error = judge_answer(service, "POST /x", 404, body)
    assert type(error) is ForeignAnswerError
    assert "404" in error.reason
    assert is_blocked(error)
    assert not is_gone(error)


def test_broken_messages_do_no_harm() -> None:
    error = judge_answer("ERPNext", "GET /x", 404, {"_server_messages": "no json", "exc_type": "X"})
    assert type(error) is PermanentError
    assert "404" in error.reason
    assert is_gone(error)


RECORDED = [Path(__file__).parents[2] / place for place in ("sandbox/servers/contract", "contract")]


def recorded_refusals() -> Iterator[tuple[str, str, int, Any]]:
    """(service, "METHOD path", status, body) of every refusal in the recordings."""
    for path in sorted(each for place in RECORDED for each in place.rglob("*.json")):
        service = "Medusa" if path.parent.name == "medusa" or path.name.startswith("medusa_") else "ERPNext"
        content = json.loads(path.read_text(encoding="utf-8"))
        for pair in content if isinstance(content, list) else [content]:
            answer = pair.get("response") if isinstance(pair, dict) else None
            if isinstance(answer, dict) and isinstance(answer.get("status"), int) and answer["status"] >= 400:
                where = f"{pair['request']['method']} {pair['request']['path'].partition('?')[0]}"
                yield service, where, answer["status"], answer.get("body")


def test_every_recorded_refusal_is_known_as_the_servers_own() -> None:
    refusals = list(recorded_refusals())
    assert len(refusals) > 200
    for service, where, status, body in refusals:
        error = judge_answer(service, where, status, body)
        assert not isinstance(error, ForeignAnswerError), (where, status, body)
        if status in (400, 404, 409, 417):
            assert isinstance(error, PermanentError), (where, status, body)


def test_an_unknown_route_is_told_by_medusa_and_by_any_other_express_server() -> None:
    page = "<!DOCTYPE html><html><head><title>Error</title></head><body><pre>Cannot POST /admin/x</pre></body></html>"
    error = judge_answer("Medusa", "POST /admin/x", 404, page)
    assert type(error) is PermanentError
    assert is_blocked(error), "no document is rejected for it, unless others get through"
    assert not is_gone(error)


@pytest.mark.parametrize("status", [400, 408, 431])
def test_nodes_own_parser_says_nothing(status: int) -> None:
    assert not isinstance(judge_answer("Medusa", "GET /x", status, ""), ForeignAnswerError)


def test_a_missing_right_may_be_about_one_document() -> None:
    forbidden = judge_answer("Medusa", "POST /x", 403, {"type": "forbidden", "message": "Forbidden"})
    assert type(forbidden) is AccessError
    assert is_blocked(forbidden)
    assert not is_blocked(judge_answer("Medusa", "GET /x", 403, {"type": "forbidden", "message": "Forbidden"}))
    assert not is_blocked(judge_answer("Medusa", "POST /x", 401, {"message": "Unauthorized"}))


# --- exceptions, each from a socket that did it -------------------------------------------------------------------


@contextmanager
def socket_that(act: Callable[[socket.socket], object]) -> Iterator[int]:
    """A server on the loopback interface that reads a request and then acts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(65536)
                    act(connection)
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


def raised(url: str, **options: Any) -> ApiError:
    with pytest.raises(requests.RequestException) as caught:
        requests.post(url, timeout=options.pop("timeout", (2, 5)), **options)
    error = judge_exception("ERPNext", "POST /x", caught.value)
    assert url not in str(error)
    return error


def test_a_refused_connection_was_never_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = raised(f"http://127.0.0.1:{port}/")
    assert type(error) is TransientError
    assert not error.ambiguous
    assert "connection refused" in error.reason


def test_an_unknown_name_was_never_sent() -> None:
    error = raised("http://erp.invalid/")
    assert type(error) is TransientError
    assert not error.ambiguous
    assert "name cannot be resolved" in error.reason


def test_a_silent_server_may_have_done_it() -> None:
    silence = threading.Event()
    with socket_that(lambda _connection: silence.wait(5)) as port:
        error = raised(f"http://127.0.0.1:{port}/", timeout=(2, 0.1))
        silence.set()
    assert type(error) is TransientError
    assert error.ambiguous
    assert "within the time limit" in error.reason


def test_a_body_that_stalls_is_a_time_out_too() -> None:
    silence = threading.Event()

    def stall(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
        silence.wait(5)

    with socket_that(stall) as port:
        error = raised(f"http://127.0.0.1:{port}/", timeout=(2, 0.1))
        silence.set()
    assert error.ambiguous
    assert "within the time limit" in error.reason


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
        b"this is not HTTP at all\r\n\r\n",
    ],
    ids=["cut before the answer", "cut in the body", "cut between chunks", "not HTTP"],
)
def test_a_cut_connection_may_have_done_it(sent: bytes) -> None:
    with socket_that(lambda connection: connection.sendall(sent)) as port:
        error = raised(f"http://127.0.0.1:{port}/")
    assert type(error) is TransientError
    assert error.ambiguous
    assert "connection was lost" in error.reason


def test_a_damaged_body_may_have_done_it() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\nnot gzip"
    with socket_that(lambda connection: connection.sendall(answer)) as port:
        error = raised(f"http://127.0.0.1:{port}/")
    assert type(error) is TransientError
    assert error.ambiguous


def test_an_unknown_certificate_needs_somebody_to_act(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, pytest.raises((OSError, ssl.SSLError)):
                context.wrap_socket(connection, server_side=True)

        thread = threading.Thread(target=serve)
        thread.start()
        error = raised(f"https://127.0.0.1:{listener.getsockname()[1]}/")
        thread.join(5)
    assert type(error) is PermanentError
    assert "REQUESTS_CA_BUNDLE" in error.reason


def test_a_proxy_that_is_down_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = raised("http://erp.invalid/", proxies={"http": f"http://127.0.0.1:{port}"})
    assert type(error) is TransientError
    assert not error.ambiguous
    assert "HTTPS_PROXY" in error.reason


def test_a_request_that_cannot_be_made_is_permanent() -> None:
    error = raised("http://127.0.0.1:1/", headers={"X-Key": "secret\nvalue"})
    assert type(error) is PermanentError
    assert "secret" not in str(error)
