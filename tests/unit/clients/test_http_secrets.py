"""No key is shown, or sent, to anybody whom it does not concern."""

import logging
from pathlib import Path

import pytest
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from erp_medusa_pipelines.clients.failures import (
    ForeignAnswerError,
    PermanentError,
    TransientError,
)
from erp_medusa_pipelines.clients.http import HttpClient, Redactor
from erp_medusa_pipelines.clients.login import LOGIN, Login
from erp_medusa_sandbox.faults import Fault
from tests.support.plain_server import KEY, SECRET, Client, Server, served


def test_no_message_repr_or_log_shows_a_secret(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "erp_medusa_pipelines")
    caplog.set_level(logging.WARNING, "urllib3")  # its debug log shows whole addresses, for who asks for it
    caplog.set_level(logging.WARNING, "uvicorn")
    said = f"bad token {SECRET} or Basic {KEY} or s3cr3t%2Fwith%2Bsigns, unknown sk_{'12' * 32}"
    server.faults.add(
        Fault("status", status=503, json={"exc_type": "SessionStopped", "exception": f"E: {said}"}, times=2)
    )
    server.faults.add(Fault("status", status=417, json={"exc_type": "ValidationError", "exception": f"E: {said}"}))
    client = Client(server.url)
    with pytest.raises(PermanentError) as caught:
        client.request("GET", f"/x/{SECRET}", params={"key": SECRET})
    error = caught.value
    shown = [str(error), repr(error), error.reason, error.where, repr(client), repr(vars(error)), caplog.text]
    assert error.reason.startswith("bad ***")
    for text in shown:
        for secret in (SECRET, KEY, "s3cr3t%2F", "12" * 32):
            assert secret not in text
    assert "attempt 1 failed" in caplog.text


def test_exceptions_show_neither_query_nor_cause() -> None:
    client = Client("http://erp.invalid", attempts=1)
    with pytest.raises(TransientError) as caught:
        client.request("GET", "/x?fields=secret", params={"filters": "private"})
    assert "private" not in str(caught.value)
    assert caught.value.where == "GET /x"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_addresses_are_hidden_only_where_asked() -> None:
    redact = Redactor([SECRET])
    assert redact("mail to a.b@shop.example") == "mail to a.b@shop.example"
    redact.hide_addresses = True
    assert redact('mail to <a.b@shop.example>, "x@y"') == 'mail to <<address>>, "<address>"'


def test_the_key_is_shown_to_no_other_server(server: Server) -> None:
    with served() as other:
        client = Client(server.url)
        for path in (f"@{other.url.removeprefix('http://')}/x", ".shop.example/files/x.png", "x", ""):
            with pytest.raises(PermanentError, match="must begin with /"):
                client.request("GET", path)
            with pytest.raises(PermanentError, match="must begin with /"):
                client.download(path, limit=10)
        server.answer = lambda _request: Response(status_code=302, headers={"Location": other.url})
        with pytest.raises(ForeignAnswerError, match=r"HTTP 302 to http://127\.0\.0\.1"):
            client.request("GET", "/x")
        assert other.seen == []


def test_netrc_does_not_replace_the_key(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    Client(server.url).request("GET", "/x")
    assert server.seen[0].headers["authorization"] == f"token key:{SECRET}"
    assert server.seen[0].headers["accept"] == "application/json"


def test_cookies_are_not_sent_back(server: Server) -> None:
    server.answer = lambda _request: JSONResponse({}, headers={"Set-Cookie": "sid=Guest; Path=/"})
    client = Client(server.url)
    client.request("GET", "/x")
    client.request("GET", "/x")
    assert "cookie" not in server.seen[1].headers


def test_a_token_that_another_client_of_the_run_got_is_not_shown_either() -> None:
    token = "abcdefgh-the-token"  # pragma: allowlist secret

    def answer(request: Request) -> Response:
        if request.url.path == LOGIN:
            return JSONResponse({"token": token})
        return JSONResponse({"type": "invalid_data", "message": f"no good: {token}"}, status_code=400)

    with served(answer) as server:
        login = Login("admin@shop.example", SecretStr("password"))
        for _ in range(2):
            with pytest.raises(PermanentError, match=r"no good: \*\*\*") as caught:
                HttpClient("Medusa", server.url, {}, login=login).request("GET", "/admin/products")
            assert token not in f"{caught.value} {caught.value!r}"
        assert [one.url.path for one in server.seen].count(LOGIN) == 1
