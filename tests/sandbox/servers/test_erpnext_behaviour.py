"""What the embedded ERPNext does beyond single answers: races, half work, the Server Script, version 16, save hooks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import quote

import pytest
import requests
from RestrictedPython.compile import compile_restricted
from starlette.applications import Starlette

from dev.mail_sink import mail_sink
from erp_medusa_pipelines.clients.writable import WRITABLE, server_script_text
from erp_medusa_sandbox.erpnext import server_scripts
from erp_medusa_sandbox.erpnext.app import create_app, low_user, system_manager
from erp_medusa_sandbox.erpnext.control import change
from erp_medusa_sandbox.erpnext.site import DOCUMENTED_ROLES
from erp_medusa_sandbox.erpnext.store import ErpStore
from erp_medusa_sandbox.server import running
from erp_medusa_sandbox.shop import seed as shop

NOW = datetime(2026, 11, 22, 5, 8)  # noqa: DTZ001 - a wall clock
ROLES = (*DOCUMENTED_ROLES, "Script Manager")
SET_VALUES = "/api/method/erp_medusa_set_values"
ALLOWS = {name: sorted(fields) for name, fields in WRITABLE.items()}
SCRIPT = {
    "name": "erp_medusa_set_values",
    "script_type": "API",
    "api_method": "erp_medusa_set_values",
    "script": server_script_text(),
}


class Erp:
    """A served shop with three users."""

    def __init__(self, app: Starlette, store: ErpStore, url: str) -> None:
        self.app, self.store, self.url = app, store, url

    def request(self, method: str, path: str, user: str = "key", **arguments: Any) -> requests.Response:
        headers = {
            "Authorization": f"token {user}:secret",
            "Accept": "application/json",
            **arguments.pop("headers", {}),
        }
        return requests.request(method, self.url + path, headers=headers, timeout=30, **arguments)

    def call(self, method: str, body: dict[str, Any], user: str = "key") -> Any:
        answer = self.request("POST", f"/api/method/{method}", user, json=body)
        answer.raise_for_status()
        return answer.json().get("message")

    def list(self, doctype: str, **query: Any) -> requests.Response:
        params = {key: value if isinstance(value, str) else json.dumps(value) for key, value in query.items()}
        return self.request("GET", f"/api/resource/{doctype}", params=params)


@contextmanager
def served(**options: Any) -> Iterator[Erp]:
    store = ErpStore(None)
    shop.seed_shop(store, items=40, now=NOW)
    others = [low_user("low", "secret"), system_manager("sysmgr", "secret")]
    app = create_app(store, api_key="key", api_secret="secret", api_roles=ROLES, other_users=others, **options)
    with running(app) as url:
        yield Erp(app, store, url)
    store.close()


@pytest.fixture
def erp() -> Iterator[Erp]:
    with served() as found:
        yield found


# -- writing ----------------------------------------------------------------------------------------------------


def test_a_failed_put_leaves_nothing_and_a_failed_bulk_update_leaves_half(erp: Erp) -> None:
    before = erp.store.rows("Expiring Items Table", parent="Expiring Items")
    bad = {"expiring_items": [{"website_item": "WEB-ITM-0001", "show": 1, "expiry_date": "2026-13-45"}]}
    answer = erp.request("PUT", "/api/resource/Expiring%20Items/Expiring%20Items", json=bad)
    assert answer.json()["exc_type"] == "OperationalError"
    assert erp.store.rows("Expiring Items Table", parent="Expiring Items") == before != []

    docs = [{"doctype": "Expiring Items", "docname": "Expiring Items", **bad}]
    failed = erp.call("frappe.client.bulk_update", {"docs": json.dumps(docs)})["failed_docs"]
    assert len(failed) == 1
    assert erp.store.rows("Expiring Items Table", parent="Expiring Items") == []


def test_of_two_saves_with_the_same_modified_one_is_refused(erp: Erp) -> None:
    row = erp.store.get("Website Item", "WEB-ITM-0001")
    assert row is not None
    bodies = [{"ranking": number, "modified": row["modified"]} for number in (71, 72)]
    with ThreadPoolExecutor(2) as pool:
        sent = pool.map(lambda body: erp.request("PUT", "/api/resource/Website Item/WEB-ITM-0001", json=body), bodies)
    assert sorted(answer.status_code for answer in sent) == [200, 417]


def test_staffs_show_flags_become_the_homepages_clearance_items_inside_the_save(erp: Erp) -> None:
    modified = (erp.store.get("Homepage Landing", shop.HOMEPAGE) or {})["modified"]
    rows = [{"website_item": name, "show": show} for name, show in (("WEB-ITM-0003", 1), ("WEB-ITM-0004", 0))]
    erp.request("PUT", "/api/resource/Expiring%20Items/x", json={"expiring_items": rows}).raise_for_status()
    homepage = erp.request("GET", f"/api/resource/Homepage Landing/{shop.HOMEPAGE}").json()["data"]
    assert [row["website_item"] for row in homepage["clearance_items"]] == ["WEB-ITM-0003"]
    assert len(homepage["best_deals"]) == 2
    assert homepage["modified"] > modified


def test_names_are_found_whatever_they_contain(erp: Erp) -> None:
    for row in erp.store.rows("Item"):
        code = row["item_code"]
        answer = erp.request("GET", f"/api/resource/Item/{quote(code, safe='')}", allow_redirects=False)
        assert (answer.status_code == 301) == code.endswith(".html")
        assert erp.request("GET", "/api/method/frappe.client.get", params={"doctype": "Item", "name": code}).ok


def test_a_deleted_custom_field_comes_back_with_its_values(erp: Erp) -> None:
    field = {"dt": "Website Item", "fieldname": "sync_key", "label": "Sync Key", "fieldtype": "Data"}
    for step in ("new", "again"):
        assert erp.request("POST", "/api/resource/Custom Field", "sysmgr", json=field).ok, step
        if step == "new":
            assert erp.request("PUT", "/api/resource/Website Item/WEB-ITM-0001", json={"sync_key": "k1"}).ok
            assert erp.request("DELETE", "/api/resource/Custom Field/Website Item-sync_key").status_code == 202
            assert erp.list("Website Item", fields=["sync_key"]).status_code == 417
    found = erp.list("Website Item", fields=["name", "sync_key"], filters=[["sync_key", "is", "set"]]).json()["data"]
    assert found == [{"name": "WEB-ITM-0001", "sync_key": "k1"}]


def test_client_save_writes_the_whole_document_and_only_over_the_one_that_was_read(erp: Erp) -> None:
    document = erp.call("frappe.client.get", {"doctype": "Website Item", "name": "WEB-ITM-0003"})
    assert document["website_specifications"]
    saved = erp.call("frappe.client.save", {"doc": json.dumps({**document, "ranking": 42, "short_description": None})})
    assert (saved["ranking"], saved["short_description"]) == (42, None)
    assert len(saved["website_specifications"]) == len(document["website_specifications"])
    stale = erp.request("POST", "/api/method/frappe.client.save", json={"doc": json.dumps(document)})
    assert stale.json()["exc_type"] == "TimestampMismatchError"


# -- the Server Script ------------------------------------------------------------------------------------------


def test_the_server_script_answers_only_where_it_is_installed_and_enabled(erp: Erp) -> None:
    body = {"doctype": "Website Item", "rows": "[]"}
    assert (
        erp.request("POST", SET_VALUES, json=body)
        .json()["exception"]
        .startswith("frappe.exceptions.ValidationError: Failed to get method for command erp_medusa_set_values")
    )
    assert erp.request("POST", "/api/resource/Server Script", "sysmgr", json=SCRIPT).status_code == 403
    erp.request("POST", "/api/resource/Server Script", json=SCRIPT).raise_for_status()
    assert erp.request("POST", SET_VALUES, data=body).json() == {
        "message": {"version": 3, "allows": ALLOWS, "written": 0, "missing": [], "unchanged": []}
    }
    change(erp.app.state.site, {"server_script_enabled": False})
    refused = erp.request("POST", SET_VALUES, json=body)
    assert (refused.status_code, refused.json()["exc_type"]) == (403, "ServerScriptNotEnabled")


def test_the_server_script_writes_without_a_save(erp: Erp) -> None:
    erp.store.insert("Server Script", **SCRIPT)
    erp.store.set("Medusa Configuration", "", enable="1")
    before = erp.store.get("Website Item", "WEB-ITM-0001") or {}
    rows = [["WEB-ITM-0001", {"medusa_id": "prod_1", "medusa_variant_id": "variant_1"}], ["GONE", {"medusa_id": "x"}]]
    answer = erp.call("erp_medusa_set_values", {"doctype": "Website Item", "rows": rows})
    assert answer == {"version": 3, "allows": ALLOWS, "written": 1, "missing": ["GONE"], "unchanged": []}
    after = erp.store.get("Website Item", "WEB-ITM-0001")
    assert after == {**before, "medusa_id": "prod_1", "medusa_variant_id": "variant_1"}
    assert not erp.app.state.site.hook_calls


def test_the_server_script_compares_before_it_writes(erp: Erp) -> None:
    erp.store.insert("Server Script", **SCRIPT)
    erp.store.insert("Email OTP", name="otp-a", status="Pending", email="a@sandbox.example")
    erp.store.insert("Email OTP", name="otp-b", status="Verified", email="b@sandbox.example")
    rows = [[name, {"status": "Expired"}, {"status": "Pending"}] for name in ("otp-a", "otp-b")]
    answer = erp.call("erp_medusa_set_values", {"doctype": "Email OTP", "rows": json.dumps(rows)})
    assert answer == {"version": 3, "allows": ALLOWS, "written": 1, "missing": [], "unchanged": ["otp-b"]}
    assert [(erp.store.get("Email OTP", name) or {})["status"] for name in ("otp-a", "otp-b")] == [
        "Expired",
        "Verified",
    ]


def test_a_script_is_compiled_although_a_traceback_is_formatted_meanwhile(
    erp: Erp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the collector does, in whatever thread it finds itself, when a lost connection is logged."""
    once = iter([SystemError("AST constructor recursion depth mismatch (before=12, after=14)")])

    def compile_late(text: str, **names: Any) -> Any:
        for error in once:
            raise error
        return compile_restricted(text, **names)

    monkeypatch.setattr(server_scripts, "compile_restricted", compile_late)
    script = "frappe.response['message'] = 'compiled'"
    erp.store.insert("Server Script", **{**SCRIPT, "name": "another", "api_method": "another", "script": script})
    assert erp.call("another", {}) == "compiled"


@pytest.mark.parametrize(
    ("user", "doctype", "values", "exc_type"),
    [
        ("low", "Website Item", {"medusa_id": "x"}, "PermissionError"),
        ("key", "Website Item", {"published": 0}, "PermissionError"),
        ("key", "Customer", {"customer_name": "x"}, "PermissionError"),
    ],
)
def test_the_server_script_refuses_what_it_does_not_exist_for(
    erp: Erp, user: str, doctype: str, values: dict[str, Any], exc_type: str
) -> None:
    erp.store.insert("Server Script", **SCRIPT)
    body = {"doctype": doctype, "rows": [["WEB-ITM-0001", values]]}
    assert erp.request("POST", SET_VALUES, user, json=body).json()["exc_type"] == exc_type


# -- mail -------------------------------------------------------------------------------------------------------


def test_four_calls_at_once_send_one_mail_four_times(erp: Erp) -> None:
    waiting = erp.store.rows("Email Queue", status="Not Sent")[0]["name"]
    with mail_sink(together=4) as sink:
        change(erp.app.state.site, {"smtp_port": sink.port})
        method = "frappe.email.doctype.email_queue.email_queue.send_now"
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: erp.call(method, {"name": waiting}), range(4)))
        assert len(sink.messages) == 4
    assert (erp.store.get("Email Queue", waiting) or {})["status"] == "Sent"


def test_a_mail_goes_to_each_of_its_recipients_once(erp: Erp) -> None:
    people = [{"recipient": f"{name}@sandbox.example", "status": status} for name, status in (("a", "Sent"), ("b", ""))]
    row = {"status": "Partially Sent", "message": "To: <!--recipient-->\n\nHello", "email_account": shop.ACCOUNT}
    erp.store.insert("Email Queue", name="partly", sender="erp@sandbox.example", recipients=people, **row)
    with mail_sink() as sink:
        change(erp.app.state.site, {"smtp_port": sink.port})
        erp.call("frappe.email.doctype.email_queue.email_queue.send_now", {"name": "partly"})
        assert [message.splitlines()[0] for message in sink.messages] == [b"To: b@sandbox.example"]


# -- the two versions -------------------------------------------------------------------------------------------


def test_version_16_takes_aggregates_as_dicts_and_refuses_them_as_text() -> None:
    with served(version=16) as erp:
        text = erp.list("Bin", fields=["item_code", "sum(actual_qty) as q"], group_by="item_code")
        assert text.json()["exc_type"] == "ValidationError"
        assert "SQL functions are not allowed as strings in SELECT" in text.json()["exception"]
        fields = ["item_code", {"SUM": "actual_qty", "as": "q"}]
        found = erp.list("Bin", fields=fields, group_by="item_code", order_by="q desc", limit="0").json()["data"]
        assert len(found) == len({row["item_code"] for row in erp.store.rows("Bin")})
        assert sum(row["q"] for row in found) == sum(row["actual_qty"] for row in erp.store.rows("Bin"))
        assert erp.list("Bin", fields=fields, order_by="sum(actual_qty) desc").status_code == 417


def test_version_16_pages_by_modified_and_name_in_one_filter() -> None:
    with served(version=16) as erp:
        keyset = [["ranking", ">", 5], "or", [["ranking", "=", 5], "and", ["name", ">", "WEB-ITM-0020"]]]
        found = erp.list("Website Item", fields=["name"], filters=keyset, order_by="name asc", limit="0").json()["data"]
        expected = [
            row["name"]
            for row in erp.store.rows("Website Item")
            if row["ranking"] > 5 or (row["ranking"] == 5 and row["name"] > "WEB-ITM-0020")
        ]
        assert [row["name"] for row in found] == expected


# -- the servers in front ---------------------------------------------------------------------------------------


def test_without_order_by_rows_do_not_come_by_name(erp: Erp) -> None:
    names = [row["name"] for row in erp.list("Website Item", limit="0").json()["data"]]
    assert len(names) == 40
    assert names != sorted(names)


def test_the_rate_limit_tells_when_to_come_back(erp: Erp) -> None:
    change(erp.app.state.site, {"rate_limit": {"limit": 0, "window": 3600}})
    answer = erp.request("GET", "/api/method/ping")
    assert (answer.status_code, answer.json()["exc_type"]) == (429, "TooManyRequestsError")
    assert 0 < int(answer.headers["Retry-After"]) <= 3600


def test_site_settings_are_switched_over_http(erp: Erp) -> None:
    control = f"{erp.url}/__sandbox__/site"
    assert (
        requests.post(control, json={"time_zone": "Europe/Berlin", "version": 16}, timeout=10).json()["version"] == 16
    )
    assert erp.call("frappe.client.get_time_zone", {}) == {"time_zone": "Europe/Berlin"}
    assert requests.post(control, json={"no_such": 1}, timeout=10).status_code == 400


@pytest.mark.long
def test_the_same_seed_makes_the_same_shop_and_it_is_there_after_a_restart(tmp_path: Any) -> None:
    first, second = ErpStore(tmp_path / "a.sqlite"), ErpStore(tmp_path / "b.sqlite")
    for store in (first, second):
        shop.seed_shop(store, items=60, seed=7, now=NOW)
    for doctype in ("Website Item", "Item Price", "Bin", "Sales Invoice Item", "File", "Email OTP"):
        assert first.rows(doctype) == second.rows(doctype) != []
    first.close()
    assert ErpStore(tmp_path / "a.sqlite").rows("Item Price") == second.rows("Item Price")
