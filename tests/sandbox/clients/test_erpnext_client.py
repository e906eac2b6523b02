"""The ERPNext client against the embedded ERPNext: lists, single documents, the clock and files."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from erp_medusa_pipelines.clients.erpnext import Aggregate, ErpNextClient
from erp_medusa_pipelines.clients.erpnext_writes import STALE
from erp_medusa_pipelines.clients.failures import AccessError, ForeignAnswerError, PermanentError, TransientError
from erp_medusa_sandbox.erpnext.app import low_user
from erp_medusa_sandbox.faults import Fault
from tests.support.erp_client import client_of, stored
from tests.support.servers import ErpServer, embedded_erpnext

HARD_NAMES = (
    "a/b",
    "50% #1",
    "x?y=1&z",
    "plus+sign",
    "صنف ٧",
    "page.html",
    "ends/",
    "dots..",
    "quo\"te's",
    "..",
    " blank",
)


def brands(erp: ErpServer, names: list[str]) -> None:
    for name in names:
        erp.store.insert("Brand", name=name, brand=name)


# --- lists ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_pages_miss_nothing_while_rows_come_and_go(erp: ErpServer, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - test data
    lasting = [f"B {number:03d}" for number in range(0, 200, 2)]
    passing = [f"B {number:03d}" for number in range(1, 200, 2)]
    present = set(chance.sample(passing, 50))
    brands(erp, [*lasting, *present])
    read: list[str] = []
    for page in client_of(erp).pages("Brand", ["brand"], page_size=chance.choice([1, 7, 30])):
        read += [row["name"] for row in page]
        for name in chance.sample(passing, 5):
            if name in present:
                present.remove(name)
                erp.store.delete("Brand", name)
            else:
                present.add(name)
                brands(erp, [name])
    assert len(read) == len(set(read)), "a row came twice"
    assert set(lasting) <= set(read), "a row that was there all the time was missed"
    assert read == sorted(read)


def test_a_list_that_is_too_long_for_an_address_goes_into_a_body(erp: ErpServer, client: ErpNextClient) -> None:
    names = [f"Brand {number:04d} صنف" for number in range(900)]
    brands(erp, names)
    assert {row["name"] for row in client.rows_in("Brand", ["name"], names)} == set(names)
    assert {seen.method for seen in erp.faults.requests} == {"POST"}
    erp.faults.forget_requests()
    assert len(client.get_list("Brand", ["name"], filters=[["name", "in", names[:20]]])) == 20
    assert [seen.method for seen in erp.faults.requests] == ["GET"]
    # Every size in between: the switch is below what the server refuses.
    for number in range(20, 200, 9):
        assert len(client.get_list("Brand", ["name"], filters=[["name", "in", names[:number]]])) == number


def test_both_ways_of_listing_give_the_same(erp: ErpServer, client: ErpNextClient) -> None:
    brands(erp, [f"B {number}" for number in range(30)])
    short = [["name", "like", "B %"]]
    long = [*short, ["name", "not in", ["x" * 100] * 60]]
    variants: list[dict[str, Any]] = [{}, {"limit": 7}, {"limit": 5, "start": 3}, {"order_by": "name desc"}]
    for options in variants:
        assert client.get_list("Brand", ["name"], filters=short, **options) == client.get_list(
            "Brand", ["name"], filters=long, **options
        )


@pytest.mark.parametrize("version", [15, 16])
def test_aggregates_are_spelled_for_the_version(version: int) -> None:
    with embedded_erpnext(version=version) as erp:
        for number in range(10):
            erp.store.insert(
                "Bin", name=f"bin {number}", item_code=f"ITM {number % 2}", warehouse=f"W {number}", actual_qty=number
            )
        client = client_of(erp)
        assert client.major_version == version
        rows = client.get_list(
            "Bin",
            ["item_code", Aggregate("SUM", "actual_qty", "qty"), Aggregate("COUNT", "name", "bins")],
            group_by="item_code",
            order_by="qty desc",
        )
        assert rows == [{"item_code": "ITM 1", "qty": 25.0, "bins": 5}, {"item_code": "ITM 0", "qty": 20.0, "bins": 5}]
        asked = [seen.path for seen in erp.faults.requests if "get_versions" in seen.path]
        assert len(asked) == 1, "the version is asked once"


def test_child_rows_need_the_parents_doctype(erp: ErpServer, client: ErpNextClient) -> None:
    erp.store.insert("Item", name="I", item_code="I", item_name="I", item_group="G")
    erp.store.insert("Item Barcode", parent="I", parenttype="Item", parentfield="barcodes", idx=1, barcode="629")
    options: dict[str, Any] = {"key": "parent", "order_by": "parent asc, idx asc"}
    assert client.rows_in("Item Barcode", ["parent", "barcode"], ["I"], parent="Item", **options) == [
        {"parent": "I", "barcode": "629"}
    ]
    with pytest.raises(AccessError):
        client.rows_in("Item Barcode", ["parent", "barcode"], ["I"], **options)


def test_a_site_of_another_kind_is_named(erp: ErpServer, client: ErpNextClient) -> None:
    erp.faults.add(Fault("status", status=200, json={"message": {"other": {}}}))
    with pytest.raises(PermanentError, match="is this ERPNext 15 or 16"):
        _ = client.major_version
    with pytest.raises(ForeignAnswerError, match="something else answered in its place"):
        client.get_list("Brand", ["name"])
    with pytest.raises(PermanentError, match="time zone"):
        _ = client.time_zone


# --- documents -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [15, 16])
def test_documents_of_any_name_are_read_saved_and_deleted(version: int) -> None:
    with embedded_erpnext(version=version) as erp:
        brands(erp, list(HARD_NAMES))
        client = client_of(erp)
        for name in HARD_NAMES:
            assert client.get("Brand", name)["name"] == name
            assert client.update("Brand", name, {"description": f"about {name}"})["description"] == f"about {name}"
            assert stored(erp, "Brand", name)["description"] == f"about {name}"
            modified = stored(erp, "Brand", name)["modified"]
            client.update("Brand", name, {"description": "again"}, modified=modified)
            with pytest.raises(PermanentError) as caught:
                client.update("Brand", name, {"description": "late"}, modified=modified)
            assert caught.value.exc_type == STALE
            assert stored(erp, "Brand", name)["description"] == "again"
            client.delete("Brand", name)
            client.delete("Brand", name)
            assert erp.store.get("Brand", name) is None


def test_singles_are_documents_of_their_own_name(erp: ErpServer, client: ErpNextClient) -> None:
    erp.store.set("Medusa Configuration", "Medusa Configuration", enable=1)
    assert client.get_single("Medusa Configuration")["enable"] == 1
    with pytest.raises(PermanentError):
        client.get_list("Medusa Configuration", ["name"])


@pytest.mark.parametrize("name", ["plain", "page.html"])
def test_a_save_without_an_answer_is_made_again_unless_it_is_guarded(
    erp: ErpServer, client: ErpNextClient, name: str
) -> None:
    brands(erp, [name])
    erp.faults.add(Fault("drop_after", path="Brand/plain|set_value|client.save", times=1))
    assert client.update("Brand", name, {"description": "new"})["description"] == "new"
    erp.faults.heal()
    erp.faults.add(
        Fault(
            "drop_after",
            path="Brand/plain|set_value|client.save",
            times=1,
        )
    )
    with pytest.raises(TransientError) as caught:
        client.update("Brand", name, {"description": "newer"}, modified=stored(erp, "Brand", name)["modified"])
    assert caught.value.ambiguous
    assert stored(erp, "Brand", name)["description"] == "newer"


def test_a_document_is_not_inserted_twice(erp: ErpServer, client: ErpNextClient) -> None:
    erp.faults.add(Fault("drop_after", method="POST"))
    with pytest.raises(TransientError):
        client.insert("Brand", {"brand": "New"})
    assert erp.store.count("Brand") == 1


def test_a_wrong_key_and_a_missing_right_concern_the_run(erp: ErpServer) -> None:
    with pytest.raises(AccessError, match="key or secret not accepted"):
        client_of(erp, key="wrong").user()
    with embedded_erpnext(other_users=[low_user("low", "low-secret")]) as other:
        client = client_of(other, key="low", secret="low-secret")
        assert client.exists("Website Item") is False
        with pytest.raises(AccessError, match=r"give it the roles listed in docs/rights\.md"):
            client.exists("Item Price")


# --- clock ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["Asia/Muscat", "America/New_York", "Europe/Berlin", "UTC"])
def test_now_is_the_servers_clock_in_the_sites_zone(zone: str) -> None:
    with embedded_erpnext(time_zone=zone) as erp:
        client = client_of(erp)
        assert client.time_zone == ZoneInfo(zone)
        now = client.now()
        assert now.utcoffset() == datetime.now(ZoneInfo(zone)).utcoffset()
        assert abs(now - datetime.now(UTC)) < timedelta(minutes=1)
        asked = len(erp.faults.requests)
        assert abs(client.clock() - now) < timedelta(minutes=1)
        assert len(erp.faults.requests) == asked, "the clock costs no request"


# --- files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["/files/a.png", "/files/50% off #1?.png", "/files/صورة ١.png", "/private/files/p+q &.png"]
)
def test_files_are_found_by_their_stored_address(erp: ErpServer, client: ErpNextClient, url: str) -> None:
    private = int(url.startswith("/private/"))
    erp.store.insert("File", file_url=url, is_private=private, attached_to_doctype="Website Item")
    erp.store.put_file(url, b"content")
    assert client.download(url, limit=7) == b"content"
    with pytest.raises(PermanentError, match="larger than the limit of 6 bytes"):
        client.download(url, limit=6)


def test_missing_files_are_refused_each_in_its_way(client: ErpNextClient) -> None:
    with pytest.raises(PermanentError) as public:
        client.download("/files/none.png", limit=10)
    assert public.value.status == 404
    with pytest.raises(AccessError) as private:
        client.download("/private/files/none.png", limit=10)
    assert private.value.status == 403


@pytest.mark.parametrize("status", [403, 404])
def test_a_file_that_another_server_refuses_is_missing_only_while_the_site_answers(
    erp: ErpServer, client: ErpNextClient, status: int
) -> None:
    page = "<html><head><title>404 Not Found</title></head><body><center>nginx</center></body></html>"
    erp.faults.add(Fault("status", path="^/files/", status=status, text=page))
    with pytest.raises(PermanentError, match="nginx") as missing:
        client.download("/files/none.png", limit=10)
    assert missing.value.status == status
    erp.faults.add(Fault("status", path="/ping", status=status, text=page))
    with pytest.raises(ForeignAnswerError):
        client.download("/files/none.png", limit=10)


def test_a_function_that_something_else_answers_was_not_called(erp: ErpServer, client: ErpNextClient) -> None:
    erp.faults.add(Fault("status", status=200, json={"status": "ok"}))
    with pytest.raises(ForeignAnswerError, match=r"status.: .ok"):
        client.call("frappe.client.get_count", {"doctype": "Brand"})
    with pytest.raises(ForeignAnswerError):
        client.delete("Brand", "x")


def test_a_list_whose_address_is_too_long_is_asked_for_in_a_body(erp: ErpServer, client: ErpNextClient) -> None:
    erp.store.insert("Brand", name="B", brand="B")
    erp.faults.add(Fault("status", path=r"^/api/resource/.{400}", status=414, text="<h1>414 Too Large</h1>"))
    assert client.rows_in("Brand", ["name"], ["B", "x" * 400]) == [{"name": "B"}]


@pytest.mark.parametrize(
    "url", ["files/a.png", ".evil.example/files/a.png", "https://evil.example/a.png", "/files/../api/method/x", ""]
)
def test_only_files_of_the_site_are_asked_for(erp: ErpServer, client: ErpNextClient, url: str) -> None:
    with pytest.raises(PermanentError, match="not the path of a file"):
        client.download(url, limit=10)
    assert erp.faults.requests == []
