"""The routes of our plugin for Medusa, alike in the embedded Medusa and installed into a real one."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from erp_medusa_pipelines.mail.links import signature
from tests.support.carts import Carts
from tests.support.servers import MedusaServer

ROUTE = "/admin/erp-pipelines"
PACKAGE = Path(__file__).parents[2] / "medusa_plugin" / "package.json"
LONG_AGO = "2020-01-01T00:00:00.000Z"


@pytest.fixture
def carts(medusa: MedusaServer) -> Carts:
    return Carts(medusa)


def listed(medusa: MedusaServer, **query: Any) -> dict[str, dict[str, Any]]:
    """All carts of a list, by id, read in pages."""
    found: dict[str, dict[str, Any]] = {}
    after = {}
    while True:
        page = medusa.admin("GET", f"{ROUTE}/carts", params={"limit": 100, **query, **after})
        found |= {cart["id"]: cart for cart in page["carts"]}
        if not page["next"]:
            return found
        after = {"after": page["next"]}


def delete(medusa: MedusaServer, *carts: dict[str, Any]) -> Any:
    seen = [{"id": cart["id"], "touched_at": cart["touched_at"]} for cart in carts]
    return medusa.admin("POST", f"{ROUTE}/carts/delete", json={"carts": seen})


def refusal(medusa: MedusaServer, method: str, path: str, **options: Any) -> str:
    with pytest.raises(requests.HTTPError) as raised:
        medusa.admin(method, path, **options)
    response = raised.value.response
    assert response is not None
    assert response.status_code == 400
    answer = response.json()
    assert answer["type"] == "invalid_data"
    return answer["message"]


class PluginSuite:
    """Run by tests/sandbox and tests/live."""

    def test_it_says_its_version_and_the_medusas_that_it_was_tested_with(self, medusa: MedusaServer) -> None:
        package = json.loads(PACKAGE.read_text())
        about = medusa.admin("GET", ROUTE)["plugin"]
        assert (about["version"], about["tested_medusa"]) == (package["version"], package["testedMedusa"])
        assert about["works"] is True
        assert about["medusa"].startswith(f"{package['testedMedusa'][0]}.")

    def test_nobody_without_a_key_reads_or_deletes_carts(self, medusa: MedusaServer) -> None:
        for method, path in (("GET", ""), ("GET", "/carts"), ("POST", "/carts/delete")):
            assert requests.request(method, f"{medusa.url}{ROUTE}{path}", json={}, timeout=60).status_code == 401
            assert medusa.store(method, f"{ROUTE}{path}", json={}).status_code == 401

    def test_carts_are_listed_in_pages_whatever_comes_and_goes(self, medusa: MedusaServer, carts: Carts) -> None:
        made = sorted((carts.add() for _ in range(4)), key=lambda cart: cart["id"])
        before = {"after": made[0]["id"], "limit": 2}
        page = medusa.admin("GET", f"{ROUTE}/carts", params=before)
        assert [cart["id"] for cart in page["carts"]] == [cart["id"] for cart in made[1:3]]
        assert delete(medusa, page["carts"][0])["deleted"] == [made[1]["id"]]
        rest = medusa.admin("GET", f"{ROUTE}/carts", params={**before, "after": page["next"]})
        assert [cart["id"] for cart in rest["carts"]] == [made[3]["id"]]

    def test_a_cart_has_what_is_needed_to_judge_it(self, medusa: MedusaServer, carts: Carts) -> None:
        made = carts.add(quantity=3)
        shown = listed(medusa)[made["id"]]
        assert (shown["email"], shown["currency_code"], shown["completed_at"]) == (made["email"], "omr", None)
        assert [(item["quantity"], item["unit_price"]) for item in shown["items"]] == [(3, 1.5)]
        assert shown["touched_at"] == max(shown["updated_at"], *(item["updated_at"] for item in shown["items"]))
        assert shown["has_payment_session"] is False
        assert shown["customer_id"] == carts.customer(made["email"])["id"]

    def test_lists_are_narrowed_by_age_completion_and_customer(self, medusa: MedusaServer, carts: Carts) -> None:
        open_one, nobody, bought = carts.add(), carts.add(None), carts.add()
        carts.order(bought)
        mine = {open_one["id"], nobody["id"], bought["id"]}
        assert mine & {*listed(medusa, untouched_since=LONG_AGO)} == set()
        assert mine & {*listed(medusa, completed="false")} == {open_one["id"], nobody["id"]}
        assert mine & {*listed(medusa, completed="true")} == {bought["id"]}
        assert mine & {*listed(medusa, has_customer="false")} == {nobody["id"]}
        # Adding a line moves the line's time alone.
        touched = listed(medusa)[open_one["id"]]["touched_at"]
        extra = carts.product()["variants"][0]["id"]
        line = {"variant_id": extra, "quantity": 1}
        assert medusa.store("POST", f"/store/carts/{open_one['id']}/line-items", json=line).ok
        assert open_one["id"] not in listed(medusa, untouched_since=touched)
        assert listed(medusa)[open_one["id"]]["touched_at"] > touched

    def test_bad_input_is_refused_in_medusas_words(self, medusa: MedusaServer) -> None:
        assert "limit" in refusal(medusa, "GET", f"{ROUTE}/carts?limit=2000")
        assert "limit" in refusal(medusa, "GET", f"{ROUTE}/carts?limit=0")
        assert "foo" in refusal(medusa, "GET", f"{ROUTE}/carts?foo=1")
        assert "untouched_since" in refusal(medusa, "GET", f"{ROUTE}/carts?untouched_since=yesterday")
        assert "completed" in refusal(medusa, "GET", f"{ROUTE}/carts?completed=perhaps")
        path = f"{ROUTE}/carts/delete"
        seen = {"id": "cart_x", "touched_at": LONG_AGO}
        assert "carts" in refusal(medusa, "POST", path, json={})
        assert "carts" in refusal(medusa, "POST", path, json={"carts": []})
        assert "carts" in refusal(medusa, "POST", path, json={"carts": [seen] * 101})
        assert "touched_at" in refusal(medusa, "POST", path, json={"carts": [{"id": "cart_x"}]})
        assert "all" in refusal(medusa, "POST", path, json={"carts": [seen], "all": True})

    def test_only_what_was_seen_untouched_is_deleted(self, medusa: MedusaServer, carts: Carts) -> None:
        old, changed, paying, bought = (carts.add() for _ in range(4))
        carts.begin_to_pay(paying)
        carts.order(bought)
        seen = listed(medusa)
        carts.update(changed, metadata={"note": "back again"})
        gone = {"id": "cart_nobody", "touched_at": LONG_AGO}
        answer = delete(medusa, *(seen[cart["id"]] for cart in (old, changed, paying, bought)), gone)
        assert answer["deleted"] == [old["id"]]
        assert {one["id"]: one["reason"] for one in answer["kept"]} == {
            changed["id"]: "changed",
            paying["id"]: "payment session",
            bought["id"]: "completed",
            "cart_nobody": "not found",
        }
        assert [carts.exists(cart) for cart in (old, changed, paying, bought)] == [False, True, True, True]

    def test_a_whole_block_is_deleted_in_one_call(self, medusa: MedusaServer, carts: Carts) -> None:
        made = [carts.add(None) for _ in range(30)]
        seen = listed(medusa, has_customer="false")
        assert {*delete(medusa, *(seen[cart["id"]] for cart in made))["deleted"]} == {cart["id"] for cart in made}
        assert not {cart["id"] for cart in made} & {*listed(medusa)}

    def test_a_signed_link_unsubscribes_without_a_log_in(self, medusa: MedusaServer, carts: Carts) -> None:
        cart = carts.add()
        customer = carts.customer(cart["email"])
        medusa.admin("POST", f"/admin/customers/{customer['id']}", json={"metadata": {"size": "M"}})
        link = f"{medusa.url}/erp-pipelines/unsubscribe?c={customer['id']}&s="
        signed = link + signature(medusa.plugin_secret, customer["id"])
        # Mail scanners open every link.
        assert requests.get(signed, timeout=60).status_code == 200
        assert "mails_unsubscribed" not in carts.customer(cart["email"])["metadata"]
        assert requests.post(signed, data={"List-Unsubscribe": "One-Click"}, timeout=60).status_code == 200
        metadata = carts.customer(cart["email"])["metadata"]
        assert metadata["mails_unsubscribed"]
        assert metadata["size"] == "M"

    def test_a_link_that_we_did_not_sign_does_nothing(self, medusa: MedusaServer, carts: Carts) -> None:
        cart, other = carts.add(), carts.add()
        customer, stranger = carts.customer(cart["email"])["id"], carts.customer(other["email"])["id"]
        ours = signature(medusa.plugin_secret, stranger)
        for query in (f"c={customer}&s={ours}", f"c={customer}&s=", f"c={customer}", f"c[]={customer}&s[]={ours}", ""):
            answer = requests.post(f"{medusa.url}/erp-pipelines/unsubscribe?{query}", timeout=60)
            assert answer.status_code == 400
        assert not (carts.customer(cart["email"])["metadata"] or {}).get("mails_unsubscribed")
