"""`erp-medusa doctor` finds what is wrong with either server."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from erp_medusa_sandbox.server import running
from tests.sandbox.cli.conftest import Command
from tests.support.servers import ErpServer, MedusaServer


def medusa_1() -> Starlette:
    """A Medusa 1 as its reference describes it: an open store, an admin that knows no key of Medusa 2."""

    def regions(_request: Request) -> JSONResponse:
        return JSONResponse({"regions": [], "count": 0, "offset": 0, "limit": 1})

    def health(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("OK")

    def unauthorized(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("Unauthorized", status_code=401)

    return Starlette(
        routes=[Route("/health", health), Route("/store/regions", regions), Route("/admin/{rest:path}", unauthorized)]
    )


def test_both_servers_are_reached_and_their_versions_told(erp_medusa: Command) -> None:
    told = erp_medusa("doctor")
    assert told.finding("ERPNext", "version")["found"] == "15"
    assert told.finding("Medusa", "version")["found"] == "2.x"
    assert told.finding("ERPNext", "key")["level"] == "ok"


def test_a_medusa_1_is_recognised_and_refused(erp_medusa: Command, shop_env: pytest.MonkeyPatch) -> None:
    with running(medusa_1()) as url:
        shop_env.setenv("MEDUSA_URL", url)
        told = erp_medusa("doctor")
    version = told.finding("Medusa", "version")
    assert version["level"] == "fail"
    assert version["found"].startswith("1.x")
    assert told.code == 1


def test_a_wrong_key_is_told_apart_from_a_silent_server(erp_medusa: Command, shop_env: pytest.MonkeyPatch) -> None:
    shop_env.setenv("ERPNEXT_API_SECRET", "wrong-secret-of-nobody")
    shop_env.setenv("MEDUSA_URL", "http://127.0.0.1:9")
    told = erp_medusa("doctor")
    assert told.finding("ERPNext", "reachable")["level"] == "ok"
    assert told.finding("ERPNext", "key")["level"] == "fail"
    assert told.finding("Medusa", "reachable")["level"] == "fail"
    assert "wrong-secret-of-nobody" not in str(told.data)


def test_it_writes_nothing(erp_medusa: Command, erp: ErpServer, medusa: MedusaServer) -> None:
    erp_medusa("doctor")
    for server in (erp, medusa):
        assert {seen.method for seen in server.faults.requests} == {"GET"}
