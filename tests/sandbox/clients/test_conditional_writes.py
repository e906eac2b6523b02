"""Bulk writes that apply only if a document has not changed since it was read, both ways of writing."""

from collections.abc import Iterator

import pytest

from dev.server_script import install_server_script
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter
from erp_medusa_pipelines.clients.http import HttpClient
from erp_medusa_sandbox.faults import Fault
from tests.support.servers import ErpServer

DOCTYPE = "Email OTP"
EXPIRED = {"status": "Expired"}


@pytest.fixture(params=["bulk_update", "Server Script"])
def writer(erp: ErpServer, request: pytest.FixtureRequest) -> Iterator[ErpNextWriter]:
    if request.param == "Server Script":
        install_server_script(erp.store)
    http = HttpClient("ERPNext", erp.url, {"Authorization": f"token {erp.key}:{erp.secret}"}, sleep=lambda _: None)
    yield ErpNextWriter(ErpNextClient(http), chunk=2)
    http.close()


@pytest.fixture
def names(erp: ErpServer) -> list[str]:
    return [
        erp.store.insert(DOCTYPE, name=f"otp{n}", email=f"{n}@example.com", status="Pending", modified=moment(n))
        for n in range(5)
    ]


def moment(number: int) -> str:
    """Some with a fraction of a second and some without, as a database has them."""
    return f"2026-01-01 00:00:0{number}" + (".000123" if number % 2 else "")


def test_documents_as_they_were_read_are_written(erp: ErpServer, writer: ErpNextWriter, names: list[str]) -> None:
    as_read = {name: moment(number) for number, name in enumerate(names)}
    outcome = writer.write(
        DOCTYPE, [(name, EXPIRED) for name in names], expected={"status": "Pending"}, as_read=as_read
    )
    assert (outcome.written, outcome.changed, outcome.failed) == (names, [], {})
    assert erp.store.count(DOCTYPE, status="Expired") == 5


def test_one_that_was_saved_since_is_left_alone(erp: ErpServer, writer: ErpNextWriter, names: list[str]) -> None:
    as_read = {name: moment(number) for number, name in enumerate(names)}
    erp.store.set(DOCTYPE, names[1], modified="2026-01-01 00:00:09")
    outcome = writer.write(DOCTYPE, [(name, EXPIRED) for name in names], as_read=as_read)
    assert outcome.changed == [names[1]]
    assert outcome.failed == {}
    assert erp.store.count(DOCTYPE, status="Expired") == 4


def test_one_with_another_value_is_left_alone(erp: ErpServer, writer: ErpNextWriter, names: list[str]) -> None:
    erp.store.set(DOCTYPE, names[3], status="Verified")
    outcome = writer.write(DOCTYPE, [(name, EXPIRED) for name in names], expected={"status": "Pending"})
    assert outcome.changed == [names[3]]
    assert [erp.store.get(DOCTYPE, name)["status"] for name in names].count("Verified") == 1  # pyright: ignore


def test_after_a_lost_answer_the_documents_tell(erp: ErpServer, writer: ErpNextWriter, names: list[str]) -> None:
    as_read = {name: moment(number) for number, name in enumerate(names)}
    assert writer.has_server_script in (True, False)
    erp.faults.add(Fault("drop_after", path="bulk_update|erp_medusa_set_values", times=1))
    outcome = writer.write(DOCTYPE, [(name, EXPIRED) for name in names], as_read=as_read)
    assert sorted(outcome.written) == names
    assert outcome.failed == {}


def test_one_that_is_gone_is_told(erp: ErpServer, writer: ErpNextWriter, names: list[str]) -> None:
    outcome = writer.write(DOCTYPE, [("nobody", EXPIRED)], as_read={"nobody": moment(1)})
    assert outcome.failed["nobody"].status == 404
