"""Rights on the embedded ERPNext as recorded: roles of users, rules of DocTypes by role, keys."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.servers import ErpServer, embedded_erpnext

MANAGER = "/api/method/frappe.core.page.permission_manager.permission_manager"
ROLE = "ERP Medusa Pipelines"


class Site:
    """An embedded ERPNext, asked by users of one role each."""

    def __init__(self, erp: ErpServer) -> None:
        self.erp = erp
        erp.store.insert("Role", role_name=ROLE, desk_access=1)
        for role in ("System Manager", "Stock User", "Blogger", "Script Manager", ROLE):
            erp.add_user(role, role)

    def ask(self, key: str | None, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Accept": "application/json"}
        if key:
            headers["Authorization"] = f"token {key}:{self.erp.secret}"
        return requests.request(method, self.erp.url + path, headers=headers, timeout=30, **options)

    def status(self, key: str | None, method: str, path: str, **options: Any) -> int:
        return self.ask(key, method, path, **options).status_code

    def manage(self, what: str, **arguments: Any) -> requests.Response:
        """Change a rule as a System Manager."""
        return self.ask("System Manager", "POST", f"{MANAGER}.{what}", json={"role": ROLE, "permlevel": 0, **arguments})


@pytest.fixture
def site() -> Iterator[Site]:
    with embedded_erpnext() as erp:
        erp.store.insert("Brand", brand="3M")
        erp.store.insert("Website Item", name="WEB-1", item_code="ITM-1")
        yield Site(erp)


def test_one_bare_rule_takes_a_doctype_from_everybody_else_until_it_is_reset(site: Site) -> None:
    assert site.status("Stock User", "GET", "/api/resource/Brand") == 200
    rule = {"parent": "Brand", "role": ROLE, "permlevel": 0, "read": 1}
    made = site.ask("System Manager", "POST", "/api/resource/Custom DocPerm", json=rule)
    assert made.json()["data"]["export"] == 1
    refused = site.ask("Stock User", "GET", "/api/resource/Brand")
    assert (refused.status_code, refused.json()["_error_message"]) == (403, "No permission for Brand")
    assert site.manage("reset", doctype="Brand").json() == {}
    assert site.status("Stock User", "GET", "/api/resource/Brand") == 200


def test_add_copies_the_standard_rules_first(site: Site) -> None:
    assert site.status(ROLE, "GET", "/api/resource/Brand") == 403
    assert site.manage("add", parent="Brand").json() == {}
    for key in (ROLE, "Stock User"):
        assert site.status(key, "GET", "/api/resource/Brand") == 200
    assert site.erp.store.count("Custom DocPerm", parent="Brand") == 6
    again = site.manage("add", parent="Brand")
    assert again.status_code == 200
    assert "combination already exists" in again.json()["_server_messages"]


def test_a_role_of_its_own_gets_single_rights_and_loses_them(site: Site) -> None:
    path = "/api/resource/Website Item/WEB-1"
    site.manage("add", parent="Website Item")
    assert site.status(ROLE, "PUT", path, json={"ranking": 2}) == 403
    site.manage("update", doctype="Website Item", ptype="write", value=1)
    assert site.status(ROLE, "PUT", path, json={"ranking": 2}) == 200
    site.manage("remove", doctype="Website Item")
    assert site.status(ROLE, "PUT", path, json={"ranking": 3}) == 403
    assert site.status("Stock User", "PUT", path, json={"ranking": 3}) == 200


@pytest.mark.parametrize("what", ["add", "update", "remove", "reset"])
def test_only_a_system_manager_changes_rules(site: Site, what: str) -> None:
    body = {"parent": "Brand", "doctype": "Brand", "role": ROLE, "permlevel": 0, "ptype": "write", "value": 1}
    refused = site.ask("Blogger", "POST", f"{MANAGER}.{what}", json=body)
    assert (refused.status_code, refused.json()["exc_type"]) == (403, "PermissionError")
    assert site.erp.store.count("Custom DocPerm") == 0


def test_a_user_made_over_rest_logs_in_with_generated_keys(site: Site) -> None:
    def manager(path: str, body: dict[str, Any]) -> requests.Response:
        return site.ask("System Manager", "POST", path, json=body)

    assert manager("/api/resource/Role", {"role_name": "Sync"}).json()["data"]["name"] == "Sync"
    assert manager("/api/resource/Role", {"role_name": "Sync"}).status_code == 409
    values = {"email": "sync@sandbox.example", "first_name": "Sync", "roles": [{"role": "Sync"}]}
    assert manager("/api/resource/User", values).json()["data"]["name"] == "sync@sandbox.example"
    unknown = manager("/api/resource/User", {**values, "email": "b@sandbox.example", "roles": [{"role": "Nobody"}]})
    assert unknown.json()["exc_type"] == "LinkValidationError"

    keys = "/api/method/frappe.core.doctype.user.user.generate_keys"
    assert site.status("Blogger", "POST", keys, json={"user": "sync@sandbox.example"}) == 403
    secret = manager(keys, {"user": "sync@sandbox.example"}).json()["message"]["api_secret"]
    row = site.ask("System Manager", "GET", "/api/resource/User/sync@sandbox.example").json()["data"]
    assert set(row["api_secret"]) == {"*"}
    headers = {"Authorization": f"token {row['api_key']}:{secret}"}
    asked = requests.get(f"{site.erp.url}/api/method/frappe.auth.get_logged_user", headers=headers, timeout=10)
    assert asked.json() == {"message": "sync@sandbox.example"}
    renewed = manager(keys, {"user": "sync@sandbox.example"}).json()["message"]["api_secret"]
    assert renewed != secret
    assert requests.get(asked.url, headers=headers, timeout=10).status_code == 401


@pytest.mark.parametrize(("doctype", "status"), [("Email OTP", 200), ("Website Item", 200), ("Item Price", 403)])
def test_guests_read_what_is_open_to_them(site: Site, doctype: str, status: int) -> None:
    assert site.status(None, "GET", f"/api/resource/{doctype}") == status


def test_the_right_to_list_is_not_the_right_to_read(site: Site) -> None:
    site.erp.store.insert("Item", name="ITM-1", item_code="ITM-1")
    assert site.status("Blogger", "GET", "/api/resource/Item") == 200
    assert site.status("Blogger", "GET", "/api/resource/Item Barcode", params={"parent": "Item"}) == 403


def test_a_server_script_needs_its_own_role_and_says_whether_scripts_are_on(site: Site) -> None:
    script = {"name": "s", "script_type": "API", "api_method": "s", "script": "x = 1"}
    path, enabled = "/api/resource/Server Script", "/api/method/frappe.core.doctype.server_script.server_script.enabled"
    assert site.status("System Manager", "POST", path, json=script) == 403
    assert site.status("Script Manager", "POST", path, json=script) == 200
    assert site.status("Script Manager", "POST", path, json=script) == 409
    assert site.ask("Script Manager", "GET", enabled).json() == {"message": True}
    site.erp.site(server_script_enabled=False)
    assert site.ask("Script Manager", "GET", enabled).json() == {"message": False}
    assert site.ask("System Manager", "GET", enabled).json() == {}
    refused = site.ask("System Manager", "POST", "/api/method/s", json={})
    assert (refused.status_code, refused.json()["exc_type"]) == (403, "ServerScriptNotEnabled")


def test_who_may_what_is_told(site: Site) -> None:
    def may(key: str, doctype: str, right: str) -> bool:
        question = {"doctype": doctype, "docname": "", "perm_type": right}
        path = "/api/method/frappe.client.has_permission"
        return site.ask(key, "GET", path, params=question).json()["message"]["has_permission"]

    assert may("Stock User", "Website Item", "write")
    assert not may("Blogger", "Website Item", "write")
    path = "/api/method/frappe.core.doctype.user.user.get_roles"
    roles = site.ask("Blogger", "GET", path, params={"uid": "blogger@sandbox.example"}).json()["message"]
    assert roles == ["Blogger", "All", "Guest", "Desk User"]


def test_the_rules_can_be_listed_by_who_manages_them(site: Site) -> None:
    site.manage("add", parent="Brand")
    query = {"filters": json.dumps([["parent", "=", "Brand"]]), "fields": json.dumps(["role", "read", "write"])}
    rows = site.ask("System Manager", "GET", "/api/resource/Custom DocPerm", params={**query, "limit": 0}).json()[
        "data"
    ]
    assert {"role": ROLE, "read": 1, "write": 0} in rows
    assert {"role": "Item Manager", "read": 1, "write": 1} in rows
    assert site.status("Blogger", "GET", "/api/resource/Custom DocPerm") == 403
