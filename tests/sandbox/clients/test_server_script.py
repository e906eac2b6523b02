"""What the Server Script writes and refuses, run by the embedded ERPNext as Frappe does: through RestrictedPython."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from RestrictedPython.compile import compile_restricted

from erp_medusa_pipelines.clients.writable import SERVER_SCRIPT_METHOD, WRITABLE, server_script_text, with_table
from erp_medusa_sandbox.erpnext.calls import Call
from erp_medusa_sandbox.erpnext.errors import ErpError
from erp_medusa_sandbox.erpnext.methods import call
from erp_medusa_sandbox.erpnext.site import API_USER, DOCUMENTED_ROLES, LOW_USER, Site, SiteSettings
from erp_medusa_sandbox.erpnext.store import ErpStore
from erp_medusa_sandbox.erpnext.users import User, add_user

TO_1 = {"medusa_id": "1"}


@pytest.fixture
def site() -> Iterator[Site]:
    """A site with the script, three Website Items, a user with the documented roles and one with hardly any right."""
    store = ErpStore(None)
    for name in ("A", "B/1", "صنف"):
        held = "old" if name == "B/1" else None
        store.insert("Website Item", name=name, item_code=name, medusa_id=held, modified="2026-01-01 00:00:00")
    add_user(store, User(API_USER, "key", "secret", DOCUMENTED_ROLES))
    add_user(store, User(LOW_USER, "low", "secret", ("Blogger",)))
    script = {"script_type": "API", "api_method": SERVER_SCRIPT_METHOD, "script": server_script_text()}
    store.insert("Server Script", name=SERVER_SCRIPT_METHOD, **script)
    yield Site(store, SiteSettings())
    store.close()


def run_script(site: Site, doctype: str, rows: Any, user: str = API_USER) -> dict[str, Any]:
    """Call the script as a user."""
    return call(SERVER_SCRIPT_METHOD, Call(site, user, "POST", {"doctype": doctype, "rows": rows}, {}))["message"]


def ids(site: Site) -> dict[str, str | None]:
    return {row["name"]: row["medusa_id"] for row in site.store.rows("Website Item")}


@pytest.mark.parametrize(
    ("rows", "written", "missing", "unchanged"),
    [
        ([], [], [], []),
        ([["A", TO_1], ["B/1", TO_1], ["gone", TO_1]], ["A", "B/1"], ["gone"], []),
        ([["A", TO_1, {"medusa_id": ""}], ["B/1", TO_1, {"medusa_id": ""}]], ["A"], [], ["B/1"]),
        ([["A", TO_1, {"medusa_id": None}]], ["A"], [], []),
        ([["B/1", TO_1, {"medusa_id": "old"}]], ["B/1"], [], []),
        ([["A", TO_1, {"custom_in_stock": 0}]], ["A"], [], []),
        ([["صنف", TO_1, {"modified": "2026-01-01 00:00:00"}]], ["صنف"], [], []),
        ([["A", TO_1, {"modified": "2025-01-01"}]], [], [], ["A"]),
    ],
)
@pytest.mark.parametrize("as_text", [True, False], ids=["text", "list"])
def test_it_writes_what_still_matches_and_tells_of_the_rest(
    site: Site, rows: list[Any], written: list[str], missing: list[str], unchanged: list[str], as_text: bool
) -> None:
    before = ids(site)
    answer = run_script(site, "Website Item", json.dumps(rows) if as_text else rows)
    assert (answer["written"], answer["missing"], answer["unchanged"]) == (len(written), missing, unchanged)
    assert ids(site) == {name: "1" if name in written else held for name, held in before.items()}
    assert {row["modified"] for row in site.store.rows("Website Item")} == {"2026-01-01 00:00:00"}


@pytest.mark.parametrize(
    ("doctype", "field"), [("User", "api_key"), ("Website Item", "published"), ("Email OTP", "otp")]
)
def test_it_refuses_what_it_is_not_for_and_writes_nothing_then(site: Site, doctype: str, field: str) -> None:
    before = ids(site)
    rows = [["A", {"medusa_id": "1"}], ["B/1", {field: "x"}]] if doctype == "Website Item" else [["A", {field: "x"}]]
    if doctype == "Email OTP":
        site.store.insert("Email OTP", name="A")
    with pytest.raises(ErpError, match="does not write"):
        run_script(site, doctype, rows)
    assert ids(site) == before


ATTACKS: list[tuple[Any, Any]] = [
    # Other DocTypes, and ones that only look like those of the table.
    ("User", [["Administrator", {"api_key": "x"}]]),
    ("Has Role", [["A", {"role": "System Manager"}]]),
    ("System Settings", [["System Settings", {"enable_scheduler": 0}]]),
    ("Item Website Specification", [["A", {"label": "x"}]]),
    ("website item", [["A", {"medusa_id": "x"}]]),
    ("Website Item' --", [["A", {"medusa_id": "x"}]]),
    (None, []),
    # Other fields of the right DocType, alone or behind a good one.
    ("Website Item", [["A", {"route": "x"}]]),
    ("Website Item", [["A", {"name": "x"}]]),
    ("Website Item", [["A", {"docstatus": 2}]]),
    ("Website Item", [["A", {"owner": "x"}]]),
    ("Website Item", [["A", {"medusa_id": "x"}], ["B/1", {"published": 0}]]),
    ("Website Item", [["A", {"medusa_id": "x", "published": 0}]]),
    ("Website Item", [["A", {"medusa_id` = 1, `route": "x"}]]),
    # Child tables.
    ("Website Item", [["A", {"website_specifications": [{"label": "x"}]}]]),
    # Many rows by one: a filter or a pattern in place of a name.
    ("Website Item", [[{"published": 1}, {"medusa_id": "x"}]]),
    ("Website Item", [[["like", "%"], {"medusa_id": "x"}]]),
    ("Website Item", [["%", {"medusa_id": "x"}]]),
    ("Website Item", [[None, {"medusa_id": "x"}]]),
    # Values and rows of other types.
    ("Website Item", [["A", {"medusa_id": {"a": 1}}]]),
    ("Website Item", [["A", {"medusa_id": ["a", "b"]}]]),
    ("Website Item", [["A", ["medusa_id"]]]),
    ("Website Item", [["A"]]),
    ("Website Item", {"A": {"medusa_id": "x"}}),
    ("Website Item", "[[1, 2"),
    ("Website Item", [["A", {"medusa_id": "x"}, {"(select 1)": "1"}]]),
]


@pytest.mark.parametrize(("doctype", "rows"), ATTACKS, ids=lambda value: str(value)[:60])
def test_an_attack_changes_nothing(site: Site, doctype: Any, rows: Any) -> None:
    before = site.store.rows("Website Item")
    answer: dict[str, Any] = {"written": 0}
    # Refused, failed, or taken for a document that is not there.
    with contextlib.suppress(Exception):
        answer = run_script(site, doctype, rows)
    assert answer["written"] == 0
    assert site.store.rows("Website Item") == before


def test_a_user_without_the_right_to_write_is_refused(site: Site) -> None:
    with pytest.raises(ErpError) as refused:
        run_script(site, "Website Item", [["A", {"medusa_id": "1"}]], LOW_USER)
    assert (refused.value.status, refused.value.source) == (403, "Server Script")


def test_one_table_says_what_may_be_written(site: Site) -> None:
    answer = run_script(site, "Website Item", [])
    assert {doctype: frozenset(fields) for doctype, fields in answer["allows"].items()} == dict(WRITABLE)


def test_the_text_is_made_from_the_table() -> None:
    text = server_script_text()
    assert with_table(text.replace('"Email OTP"', '"User"').replace("version = ", "version = 9")) == text


def test_what_frappe_would_not_compile_is_noticed() -> None:
    compile_restricted(server_script_text())
    with pytest.raises(SyntaxError, match="Augmented assignment"):
        compile_restricted('rows = {}\nrows["written"] += 1\n')


@pytest.mark.parametrize("owner", ["Administrator", LOW_USER])
def test_a_user_who_may_not_write_what_a_file_is_attached_to_may_not_write_the_file(site: Site, owner: str) -> None:
    attached = {"attached_to_doctype": "Website Item", "attached_to_name": "A"}
    site.store.insert("File", name="photo", file_name="a.png", owner=owner, **attached)
    with pytest.raises(ErpError):
        run_script(site, "File", [["photo", {"medusa_id": "1"}]], LOW_USER)
    assert not (site.store.get("File", "photo") or {})["medusa_id"]
    assert run_script(site, "File", [["photo", {"medusa_id": "1"}]])["written"] == 1
