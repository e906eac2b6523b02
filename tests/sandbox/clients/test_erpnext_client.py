"""The ERPNext client and its writer against the embedded ERPNext: what can bite, and that it does not."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from erp_medusa_pipelines.clients.erpnext import Aggregate, ErpNextClient
from erp_medusa_pipelines.clients.erpnext_writes import STALE, ErpNextWriter
from erp_medusa_pipelines.clients.failures import AccessError, PermanentError, TransientError
from erp_medusa_pipelines.clients.http import HttpClient, HttpOptions
from erp_medusa_pipelines.clients.writable import SERVER_SCRIPT_METHOD, SERVER_SCRIPT_VERSION, server_script_text
from erp_medusa_sandbox.erpnext.app import low_user
from erp_medusa_sandbox.faults import Fault
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
TRACEBACK = 'Traceback (most recent call last):\n  File "app.py", line 1, in save\n    run()\n'
SCRIPT = {"script_type": "API", "api_method": SERVER_SCRIPT_METHOD, "script": server_script_text()}


def client_of(erp: ErpServer, *, key: str | None = None, secret: str | None = None, **options: Any) -> ErpNextClient:
    token = f"{key or erp.key}:{secret or erp.secret}"
    http = HttpClient(
        "ERPNext", erp.url, {"Authorization": f"token {token}"}, secrets=(token,), sleep=lambda _seconds: None,
        options=HttpOptions(connect_timeout=2, read_timeout=10),
    )  # fmt: skip
    return ErpNextClient(http, **options)


@pytest.fixture
def client(erp: ErpServer) -> ErpNextClient:
    return client_of(erp)


def brands(erp: ErpServer, names: list[str]) -> None:
    for name in names:
        erp.store.insert("Brand", name=name, brand=name)


def website_items(erp: ErpServer, number: int) -> list[str]:
    names = [f"WEB-{index:03d}" for index in range(number)]
    erp.store.insert("Item Group", name="G", item_group_name="G", is_group=0, lft=1, rgt=2)
    for name in names:
        erp.store.insert("Item", name=name, item_code=name, item_name=name, item_group="G")
        erp.store.insert(
            "Website Item", name=name, item_code=name, item_name=name, web_item_name=name, item_group="G", published=1
        )
    return names


def stored(erp: ErpServer, doctype: str, name: str) -> dict[str, Any]:
    row = erp.store.get(doctype, name)
    assert row is not None
    return row


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
    with pytest.raises(PermanentError, match="is this an ERPNext 15 or 16"):
        _ = client.major_version
    with pytest.raises(PermanentError, match="is this the address of ERPNext"):
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
    with pytest.raises(PermanentError, match="more than the allowed 6 bytes"):
        client.download(url, limit=6)


def test_missing_files_are_refused_each_in_its_way(client: ErpNextClient) -> None:
    with pytest.raises(PermanentError) as public:
        client.download("/files/none.png", limit=10)
    assert public.value.status == 404
    with pytest.raises(AccessError) as private:
        client.download("/private/files/none.png", limit=10)
    assert private.value.status == 403


@pytest.mark.parametrize(
    "url", ["files/a.png", ".evil.example/files/a.png", "https://evil.example/a.png", "/files/../api/method/x", ""]
)
def test_only_files_of_the_site_are_asked_for(erp: ErpServer, client: ErpNextClient, url: str) -> None:
    with pytest.raises(PermanentError, match="not the path of a file"):
        client.download(url, limit=10)
    assert erp.faults.requests == []


# --- the writer ----------------------------------------------------------------------------------------------------


def ids(names: list[str]) -> list[tuple[str, dict[str, Any]]]:
    return [(name, {"medusa_id": f"prod_{name}", "medusa_variant_id": f"variant_{name}"}) for name in names]


def bulk_calls(erp: ErpServer) -> int:
    return sum("bulk_update" in seen.path for seen in erp.faults.requests)


def assert_bound(erp: ErpServer, names: list[str]) -> None:
    for name in names:
        assert stored(erp, "Website Item", name)["medusa_id"] == f"prod_{name}"


def test_the_script_writes_without_saving(erp: ErpServer, client: ErpNextClient) -> None:
    erp.store.insert("Server Script", name=SERVER_SCRIPT_METHOD, **SCRIPT)
    names = website_items(erp, 30)
    before = {name: stored(erp, "Website Item", name)["modified"] for name in names}
    outcome = ErpNextWriter(client, fast_chunk=20).write("Website Item", ids([*names, "GONE"]))
    assert outcome.written == names
    assert outcome.failed["GONE"].status == 404
    assert bulk_calls(erp) == 0
    assert_bound(erp, names)
    assert {name: stored(erp, "Website Item", name)["modified"] for name in names} == before


@pytest.mark.parametrize("state", ["absent", "disabled", "switched off", "not for this user"])
def test_without_the_script_documents_are_saved(erp: ErpServer, client: ErpNextClient, state: str) -> None:
    if state != "absent":
        erp.store.insert("Server Script", name=SERVER_SCRIPT_METHOD, **SCRIPT, disabled=int(state == "disabled"))
    if state == "switched off":
        erp.site(server_script_enabled=False)
    if state == "not for this user":
        erp.faults.add(Fault("status", path=SERVER_SCRIPT_METHOD, status=403, json={"exc_type": "PermissionError"}))
    names = website_items(erp, 25)
    writer = ErpNextWriter(client, chunk=10)
    assert writer.write("Website Item", ids(names)).written == names
    assert writer.has_server_script is False
    assert bulk_calls(erp) == 3
    assert_bound(erp, names)


OLD = {"message": {"version": 2, "written": 0, "missing": [], "unchanged": []}}
NARROW = {"message": {"version": SERVER_SCRIPT_VERSION, "allows": {"File": ["medusa_id"]}, "written": 0, "missing": []}}
OFF = {"exc_type": "ServerScriptNotEnabled", "exception": "frappe.utils.safe_exec.ServerScriptNotEnabled: disabled"}


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [(200, OLD, "install the new text"), (200, NARROW, "install the new text"), (403, OFF, "server_script_enabled 1")],
    ids=["old", "narrower", "switched off"],
)
def test_a_script_that_cannot_be_used_says_what_to_do_and_documents_are_saved(
    erp: ErpServer, client: ErpNextClient, status: int, answer: Any, words: str
) -> None:
    erp.store.insert("Server Script", name=SERVER_SCRIPT_METHOD, **SCRIPT)
    erp.faults.add(Fault("status", path=SERVER_SCRIPT_METHOD, status=status, json=answer))
    names = website_items(erp, 3)
    writer = ErpNextWriter(client)
    assert writer.write("Website Item", ids(names)).written == names
    assert words in writer.script_problem
    assert "role" not in writer.script_problem
    assert bulk_calls(erp) == 1
    assert_bound(erp, names)


def test_a_script_that_is_taken_away_meanwhile_costs_nothing(erp: ErpServer, client: ErpNextClient) -> None:
    erp.store.insert("Server Script", name=SERVER_SCRIPT_METHOD, **SCRIPT)
    names = website_items(erp, 12)
    writer = ErpNextWriter(client, chunk=5)
    assert writer.has_server_script
    erp.site(server_script_enabled=False)
    assert writer.write("Website Item", ids(names)).written == names
    assert_bound(erp, names)


@pytest.mark.parametrize("scripted", [True, False])
def test_lost_answers_are_settled_by_looking(erp: ErpServer, client: ErpNextClient, scripted: bool) -> None:
    if scripted:
        erp.store.insert("Server Script", name=SERVER_SCRIPT_METHOD, **SCRIPT)
    names = website_items(erp, 6)
    writer = ErpNextWriter(client, chunk=3)
    assert writer.has_server_script is scripted
    erp.faults.add(Fault("drop_after", path=f"bulk_update|{SERVER_SCRIPT_METHOD}"))
    outcome = writer.write("Website Item", ids(names))
    assert outcome.written == names
    assert outcome.failed == {}


def test_what_a_gateway_gave_up_and_was_not_stored_is_left_for_a_retry(erp: ErpServer, client: ErpNextClient) -> None:
    names = website_items(erp, 6)
    erp.faults.add(Fault("status", path="bulk_update", status=504, text="<title>504 Gateway Time-out</title>", times=1))
    outcome = ErpNextWriter(client, chunk=3).write("Website Item", ids(names))
    assert outcome.written == names[3:]
    assert sorted(outcome.failed) == names[:3]
    assert all(isinstance(error, TransientError) for error in outcome.failed.values())
    assert bulk_calls(erp) == 2, "work that may still go on must not be started again at once"


def test_a_deadlock_that_loses_earlier_documents_is_noticed(erp: ErpServer, client: ErpNextClient) -> None:
    names = website_items(erp, 4)
    exc = f"{TRACEBACK}frappe.exceptions.QueryDeadlockError: (1213, 'Deadlock found')\n"
    failed = [{"doc": {"doctype": "Website Item", "docname": names[2]}, "exc": exc}]
    # The first two were rolled back together with the third, and only the third is named.
    erp.store.set("Website Item", names[3], medusa_id=f"prod_{names[3]}", medusa_variant_id=f"variant_{names[3]}")
    erp.faults.add(Fault("status", path="bulk_update", status=200, json={"message": {"failed_docs": failed}}))
    outcome = ErpNextWriter(client).write("Website Item", ids(names))
    assert outcome.written == [names[3]]
    assert sorted(outcome.failed) == names[:3]
    assert all(isinstance(error, TransientError) for error in outcome.failed.values())
    assert outcome.failed[names[2]].exc_type == "QueryDeadlockError"
    assert "although no error was reported" in outcome.failed[names[0]].reason


def test_each_document_fails_for_its_own_reason(erp: ErpServer, client: ErpNextClient) -> None:
    names = website_items(erp, 3)
    changes = ids(names)
    changes[1] = (names[1], {"medusa_id": "x" * 200})
    outcome = ErpNextWriter(client).write("Website Item", [*changes, ("GONE", {"medusa_id": "y"})])
    assert outcome.written == [names[0], names[2]]
    assert outcome.failed[names[1]].exc_type == "CharacterLengthExceededError"
    assert isinstance(outcome.failed[names[1]], PermanentError)
    assert "does not exist any more" in outcome.failed["GONE"].reason


def test_a_duplicate_price_refuses_even_a_save_of_its_id(erp: ErpServer, client: ErpNextClient) -> None:
    erp.store.insert(
        "Price List", name="Standard Selling", price_list_name="Standard Selling", selling=1, currency="OMR"
    )
    erp.store.insert("Item", name="I", item_code="I", item_name="I", item_group="G")
    erp.store.insert("Currency", name="OMR", currency_name="OMR")
    for uom in ("Box", "Nos"):
        erp.store.insert("UOM", name=uom, uom_name=uom)
    for name in ("P1", "P2", "P3"):
        erp.store.insert(
            "Item Price", name=name, item_code="I", price_list="Standard Selling", price_list_rate=1, selling=1,
            currency="OMR", uom="Box" if name == "P3" else "Nos", valid_from="2026-01-01",
        )  # fmt: skip
    outcome = ErpNextWriter(client).write(
        "Item Price", [(name, {"medusa_price_id": f"price_{name}"}) for name in ("P1", "P2", "P3")]
    )
    assert outcome.written == ["P3"]
    assert {error.exc_type for error in outcome.failed.values()} == {"ItemPriceDuplicateItem"}


def test_a_user_who_may_not_write_is_told_so_once() -> None:
    with embedded_erpnext(other_users=[low_user("low", "low-secret")]) as erp:
        names = website_items(erp, 2)
        with pytest.raises(
            AccessError,
            match=r"may not write Website Item: .* needs the role System Manager",
        ):
            ErpNextWriter(client_of(erp, key="low", secret="low-secret")).write("Website Item", ids(names))


@pytest.mark.parametrize("scripted", [True, False])
def test_only_documents_that_still_hold_what_was_expected_are_written(
    erp: ErpServer, client: ErpNextClient, scripted: bool
) -> None:
    if scripted:
        erp.store.insert("Server Script", name=SERVER_SCRIPT_METHOD, **SCRIPT)
    names = website_items(erp, 3)
    erp.store.set("Website Item", names[1], medusa_id="prod_other")
    changes = [(name, {"medusa_id": "prod_new"}) for name in names]
    outcome = ErpNextWriter(client).write("Website Item", changes, expected={"medusa_id": ""})
    assert outcome.written == [names[0], names[2]], "NULL is as empty as ''"
    assert outcome.changed == [names[1]]
    assert stored(erp, "Website Item", names[1])["medusa_id"] == "prod_other"


@pytest.mark.parametrize("scripted", [True, False])
def test_documents_saved_since_they_were_read_are_left_alone(
    erp: ErpServer, client: ErpNextClient, scripted: bool
) -> None:
    if scripted:
        erp.store.insert("Server Script", name=SERVER_SCRIPT_METHOD, **SCRIPT)
    names = website_items(erp, 3)
    read = {name: stored(erp, "Website Item", name)["modified"] for name in names}
    client.update("Website Item", names[0], {"ranking": 3})
    outcome = ErpNextWriter(client).write("Website Item", ids(names), as_read=read)
    assert outcome.changed == [names[0]]
    assert outcome.written == names[1:]
    assert outcome.failed == {}


@pytest.mark.parametrize("enabled", [0, 1])
def test_the_apps_own_hooks_are_kept_quiet_only_where_they_are_on(
    erp: ErpServer, client: ErpNextClient, enabled: int
) -> None:
    erp.store.set("Medusa Configuration", "Medusa Configuration", enable=enabled)
    names = website_items(erp, 2)
    ErpNextWriter(client).write("Website Item", ids(names))
    assert [stored(erp, "Website Item", name)["custom_skip_update_hook"] or 0 for name in names] == [enabled] * 2


@pytest.mark.parametrize(
    "path", [SERVER_SCRIPT_METHOD, "Medusa%20Configuration|Medusa Configuration", "resource/Website"]
)
def test_a_look_that_is_interrupted_leaves_documents_for_a_retry(
    erp: ErpServer, client: ErpNextClient, path: str
) -> None:
    names = website_items(erp, 3)
    erp.faults.add(Fault("status", path=path, status=503))
    outcome = ErpNextWriter(client).write("Website Item", ids(names), expected={"medusa_id": None})
    assert sorted(outcome.failed) == names
    assert all(isinstance(error, TransientError) for error in outcome.failed.values())


def test_nothing_to_write_asks_nothing(erp: ErpServer, client: ErpNextClient) -> None:
    assert ErpNextWriter(client).write("Website Item", []).written == []
    assert erp.faults.requests == []


@pytest.mark.parametrize(
    ("traceback", "exc_type", "kind", "said"),
    [
        (f"{TRACEBACK}ValueError: one\ntwo: lines\n", "ValueError", PermanentError, "one two: lines"),
        (
            f"{TRACEBACK}pymysql.err.IntegrityError: (1062, 'x')\n\nDuring handling of the above exception, another"
            f" exception occurred:\n\n{TRACEBACK}frappe.exceptions.QueryTimeoutError: (1205, 'y')",
            "QueryTimeoutError", TransientError, "(1205, 'y')",
        ),
        (f"{TRACEBACK}pymysql.err.OperationalError: (2006, 'x')", "OperationalError", TransientError, "database"),
        (f"{TRACEBACK}frappe.exceptions.TimestampMismatchError: changed", STALE, TransientError, "changed"),
        (f"{TRACEBACK}KeyError", "KeyError", PermanentError, "KeyError"),
        ("", None, PermanentError, "refused"),
    ],
)  # fmt: skip
def test_tracebacks_are_read_from_their_end(
    erp: ErpServer, client: ErpNextClient, traceback: str, exc_type: str | None, kind: type[Exception], said: str
) -> None:
    (name,) = website_items(erp, 1)
    failed = [{"doc": {"docname": name}, "exc": traceback}]
    erp.faults.add(Fault("status", path="bulk_update", status=200, json={"message": {"failed_docs": failed}}))
    error = ErpNextWriter(client).write("Website Item", ids([name])).failed[name]
    assert type(error) is kind
    assert error.exc_type == exc_type
    assert said in error.reason
