"""The Server Script's text, run here as Frappe runs it, gives the same answers as the embedded ERPNext.

Frappe compiles Server Scripts with RestrictedPython, which refuses many things that Python allows.
"""

import contextlib
import json
import operator
import types
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from RestrictedPython.compile import compile_restricted
from RestrictedPython.Guards import guarded_iter_unpack_sequence, safe_globals, safer_getattr

from erp_medusa_pipelines.clients.writable import WRITABLE, server_script_text, with_table
from erp_medusa_sandbox.erpnext.errors import ErpError
from erp_medusa_sandbox.erpnext.set_values import ALLOWED, set_values
from erp_medusa_sandbox.erpnext.site import API_USER, DOCUMENTED_ROLES, LOW_USER, Site, SiteSettings
from erp_medusa_sandbox.erpnext.store import ErpStore
from erp_medusa_sandbox.erpnext.users import User, add_user

FRAPPES_GLOBALS: dict[str, Any] = {
    **safe_globals,
    # What Frappe adds to RestrictedPython's own builtins.
    **{each.__name__: each for each in (abs, all, any, bool, dict, enumerate, list, max, min, range, set, sorted, sum)},
    "json": types.SimpleNamespace(loads=json.loads, dumps=json.dumps),
    "_getattr_": safer_getattr,
    "_getitem_": operator.getitem,
    "_getiter_": iter,
    "_iter_unpack_sequence_": guarded_iter_unpack_sequence,
    "_write_": lambda written: written,
}


def compiled(text: str) -> types.CodeType:
    """Raises SyntaxError for what a Server Script may not contain."""
    return compile_restricted(text, filename="<serverscript>: erp_medusa_set_values")


class ScriptError(Exception):
    pass


class Attributes(dict[str, Any]):
    """A dict whose keys are attributes, as Frappe's are."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)


def run_script(site: Site, doctype: str, rows: Any, user: str = API_USER) -> dict[str, Any]:
    """Runs the text that is installed, with what Frappe's safe_exec gives it, over a store."""
    store = site.store

    def get_doc(of: str, name: str) -> types.SimpleNamespace:
        row = store.get(of, name)
        assert row is not None

        def check_permission(right: str) -> None:
            # As Frappe judges a File: its owner may do everything with it, others what they may with the document.
            if not (of == "File" and row["owner"] == user):
                site.check_document(user, row.get("attached_to_doctype") or of, name, right)

        attached = {key: row.get(key) for key in ("attached_to_doctype", "attached_to_name")}
        return types.SimpleNamespace(check_permission=check_permission, **attached)

    def get_value(of: str, name: str, fields: list[str], *, as_dict: bool, for_update: bool) -> Mapping[str, Any]:
        assert as_dict
        assert for_update, "without the lock somebody could save between look and write"
        row = store.get(of, name)
        assert row is not None
        return Attributes({field: row[field] for field in fields})

    def set_value(of: str, name: str, values: dict[str, Any], *, update_modified: bool) -> None:
        assert not update_modified
        store.set(of, name, **values)

    def get_all(of: str, *, filters: Any, pluck: str) -> list[str]:
        return [row[pluck] for row in store.rows(of) if row["name"] in filters["name"][1]]

    def throw(message: str, kind: type[Exception]) -> None:
        raise kind(message)

    frappe = types.SimpleNamespace(
        form_dict=Attributes(doctype=doctype, rows=rows),
        response={},
        throw=throw,
        PermissionError=ScriptError,
        get_all=get_all,
        get_doc=get_doc,
        new_doc=lambda _doctype: types.SimpleNamespace(check_permission=lambda _right: None),
        db=types.SimpleNamespace(get_value=get_value, set_value=set_value),
    )
    with store.transaction():
        exec(compiled(server_script_text()), {**FRAPPES_GLOBALS, "frappe": frappe})  # noqa: S102
    return frappe.response["message"]


def set_values_for(site: Site, doctype: str, rows: Any, user: str) -> dict[str, Any]:
    """The same by the embedded ERPNext itself."""
    return set_values(site, user, doctype, rows)


@pytest.fixture
def two_sites() -> Iterator[tuple[Site, Site]]:
    sites = []
    for _ in range(2):
        store = ErpStore(None)
        for name in ("A", "B/1", "صنف"):
            store.insert(
                "Website Item",
                name=name,
                item_code=name,
                medusa_id="old" if name == "B/1" else None,
                modified="2026-01-01 00:00:00",
            )
        add_user(store, User(API_USER, "key", "secret", DOCUMENTED_ROLES))
        add_user(store, User(LOW_USER, "low", "secret", ("Blogger",)))
        sites.append(Site(store, SiteSettings()))
    yield sites[0], sites[1]
    for site in sites:
        site.store.close()


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [["A", {"medusa_id": "1"}], ["B/1", {"medusa_id": "2", "custom_in_stock": 1}], ["gone", {"medusa_id": "3"}]],
        [["A", {"medusa_id": "1"}, {"medusa_id": ""}], ["B/1", {"medusa_id": "1"}, {"medusa_id": ""}]],
        [["A", {"medusa_id": "1"}, {"medusa_id": None}], ["B/1", {"medusa_id": "1"}, {"medusa_id": "old"}]],
        [
            ["A", {"custom_in_stock": 1}, {"custom_in_stock": 0}],
            ["B/1", {"custom_in_stock": 1}, {"custom_in_stock": "0"}],
        ],
        [
            ["صنف", {"medusa_id": "1"}, {"modified": "2026-01-01 00:00:00"}],
            ["A", {"medusa_id": "1"}, {"modified": "2025-01-01"}],
        ],
    ],
)
def test_the_scripts_text_and_the_embedded_erpnext_do_the_same(two_sites: tuple[Site, Site], rows: Any) -> None:
    by_text, native = two_sites
    for given in (rows, json.dumps(rows)):
        assert run_script(by_text, "Website Item", given) == set_values(native, API_USER, "Website Item", given)
        assert by_text.store.rows("Website Item") == native.store.rows("Website Item")


@pytest.mark.parametrize(
    ("doctype", "field"), [("User", "api_key"), ("Website Item", "published"), ("Email OTP", "otp")]
)
def test_both_refuse_what_the_script_is_not_for(two_sites: tuple[Site, Site], doctype: str, field: str) -> None:
    by_text, native = two_sites
    rows = [["A", {"medusa_id": "1"}], ["B/1", {field: "x"}]] if doctype == "Website Item" else [["A", {field: "x"}]]
    with pytest.raises(ScriptError, match="does not write"):
        run_script(by_text, doctype, rows)
    with pytest.raises(ErpError, match="does not write"):
        set_values(native, API_USER, doctype, rows)
    assert by_text.store.rows("Website Item") == native.store.rows("Website Item")
    assert by_text.store.get("Website Item", "A") == native.store.get("Website Item", "A")


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
def test_an_attack_changes_nothing(two_sites: tuple[Site, Site], doctype: Any, rows: Any) -> None:
    site = two_sites[0]
    before = site.store.rows("Website Item")
    answer: dict[str, Any] = {"written": 0}
    # Refused, failed, or taken for a document that is not there.
    with contextlib.suppress(Exception):
        answer = run_script(site, doctype, rows)
    assert answer["written"] == 0
    assert site.store.rows("Website Item") == before


def test_one_table_says_what_may_be_written(two_sites: tuple[Site, Site]) -> None:
    answer = run_script(two_sites[0], "Website Item", [])
    assert {doctype: frozenset(fields) for doctype, fields in answer["allows"].items()} == dict(WRITABLE)
    assert dict(WRITABLE) == ALLOWED


def test_the_text_is_made_from_the_table() -> None:
    text = server_script_text()
    assert with_table(text.replace('"Email OTP"', '"User"').replace("version = ", "version = 9")) == text


def test_what_frappe_would_not_compile_is_noticed() -> None:
    with pytest.raises(SyntaxError, match="Augmented assignment"):
        compiled('rows = {}\nrows["written"] += 1\n')


@pytest.mark.parametrize("way", [run_script, set_values_for])
def test_a_user_who_may_not_write_what_a_file_hangs_on_may_not_write_the_file(
    two_sites: tuple[Site, Site], way: Any
) -> None:
    site = two_sites[0]
    site.store.insert("File", name="photo", file_name="a.png", attached_to_doctype="Website Item", attached_to_name="A")
    with pytest.raises(ErpError):
        way(site, "File", [["photo", {"medusa_id": "1"}]], LOW_USER)
    assert not (site.store.get("File", "photo") or {})["medusa_id"]
    assert way(site, "File", [["photo", {"medusa_id": "1"}]], API_USER)["written"] == 1


def test_the_owner_of_a_file_may_not_write_it_where_he_may_not_write_what_it_is_attached_to(
    two_sites: tuple[Site, Site],
) -> None:
    site = two_sites[0]
    attached = {"attached_to_doctype": "Website Item", "attached_to_name": "A"}
    site.store.insert("File", name="own", file_name="a.png", owner=LOW_USER, **attached)
    with pytest.raises(ErpError):
        run_script(site, "File", [["own", {"medusa_id": "1"}]], LOW_USER)
    with pytest.raises(ErpError):
        set_values(site, LOW_USER, "File", [["own", {"medusa_id": "1"}]])
