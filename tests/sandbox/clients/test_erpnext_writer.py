"""Bulk writes against the embedded ERPNext: with and without the Server Script, lost answers, refused documents."""

from typing import Any

import pytest

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.erpnext_writes import STALE, ErpNextWriter
from erp_medusa_pipelines.clients.failures import AccessError, PermanentError, TransientError
from erp_medusa_pipelines.clients.writable import SERVER_SCRIPT_METHOD, SERVER_SCRIPT_VERSION, server_script_text
from erp_medusa_sandbox.erpnext.app import low_user
from erp_medusa_sandbox.faults import Fault
from tests.support.erp_client import client_of, stored, website_items
from tests.support.servers import ErpServer, embedded_erpnext

TRACEBACK = 'Traceback (most recent call last):\n  File "app.py", line 1, in save\n    run()\n'
SCRIPT = {"script_type": "API", "api_method": SERVER_SCRIPT_METHOD, "script": server_script_text()}


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
