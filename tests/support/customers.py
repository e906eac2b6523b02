"""Customers on both sides: ERPNext's Customers with their groups and addresses, Medusa's accounts.

Making them, and asking a price as one of them. What their prices must be stands in the suites.
"""

from collections.abc import Sequence
from typing import Any

import requests

from tests.support.priced_shop import PricedShop

PASSWORD = "correct horse battery"  # of accounts that exist for one test


class Customers:
    """The customers of one test's shop. Names and addresses carry the test's tag, as a shop may outlive it."""

    def __init__(self, shop: PricedShop) -> None:
        self.shop = shop
        self.tag = shop.catalogue.tag.lower()
        self.store = shop.erp.store
        self._tokens: dict[str, str] = {}

    def name(self, what: str) -> str:
        return f"{what} {self.tag}"

    def price_list(self, what: str, **fields: Any) -> str:
        """A selling Price List in OMR."""
        values = {"enabled": 1, "selling": 1, "currency": "OMR", **fields}
        return self.store.insert("Price List", name=self.name(what), price_list_name=self.name(what), **values)

    def group(self, what: str, price_list: str | None = None, **fields: Any) -> str:
        """A Customer Group."""
        name = self.name(what)
        values = {"customer_group_name": name, "default_price_list": price_list, **fields}
        return self.store.insert("Customer Group", name=name, **values)

    def customer(self, what: str, group: str, price_list: str | None = None, email: str | None = None) -> str:
        """A Customer, whose Contact has this address; by default one made of its name."""
        name = self.name(what)
        values = {"customer_name": name, "customer_group": group, "default_price_list": price_list}
        self.store.insert("Customer", name=name, **values)
        self.contact(name, email or self.address(what))
        return name

    def contact(self, customer: str, email: str) -> str:
        """A Contact of a Customer."""
        name = f"Contact of {customer} {len(self.store.rows('Contact'))}"
        links = [{"link_doctype": "Customer", "link_name": customer}]
        return self.store.insert("Contact", name=name, first_name=name, email_ids=[{"email_id": email}], links=links)

    def address(self, what: str) -> str:
        return f"{what}.{self.tag}@example.com".lower().replace(" ", "-")

    # -- accounts in Medusa -----------------------------------------------------------------------------------

    def register(self, what: str, email: str | None = None) -> str:
        """Make an account as the storefront does, and return the address."""
        email, medusa = email or self.address(what), self.shop.medusa
        headers = {"x-publishable-api-key": medusa.publishable_key}
        credentials = {"email": email, "password": PASSWORD}
        token = _told(f"{medusa.url}/auth/customer/emailpass/register", credentials, headers)["token"]
        _told(f"{medusa.url}/store/customers", {"email": email}, {**headers, "authorization": f"Bearer {token}"})
        self._tokens[email] = _told(f"{medusa.url}/auth/customer/emailpass", credentials, headers)["token"]
        return email

    def shown(self, item: str, email: str | None = None, region: str | None = None) -> tuple[float, float] | None:
        """What a customer is asked for one piece, and the price that it is compared with; None without a price."""
        price = self.price(item, email, region)
        return (price["calculated_amount"], price["original_amount"]) if price else None

    def price(self, item: str, email: str | None = None, region: str | None = None) -> dict[str, Any] | None:
        """Medusa's calculated price for one piece."""
        medusa, row = self.shop.medusa, self.shop.catalogue.row(item)
        headers = {"x-publishable-api-key": medusa.publishable_key, **self._login(email)}
        query = {"region_id": region or medusa.region_id, "fields": "id,*variants.calculated_price"}
        url = f"{medusa.url}/store/products/{row['medusa_id']}"
        answer = requests.get(url, params=query, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()["product"]["variants"][0]["calculated_price"]

    def listed(self, items: Sequence[str], email: str | None = None) -> list[float]:
        """What a customer sees of these items on a list of products."""
        medusa = self.shop.medusa
        headers = {"x-publishable-api-key": medusa.publishable_key, **self._login(email)}
        ids = [self.shop.catalogue.row(item)["medusa_id"] for item in items]
        fields = "id,*variants.calculated_price"
        query = {"region_id": medusa.region_id, "fields": fields, "id[]": ids, "limit": len(ids)}
        answer = requests.get(f"{medusa.url}/store/products", params=query, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        prices = {row["id"]: row["variants"][0]["calculated_price"] for row in answer.json()["products"]}
        return [prices[each]["calculated_amount"] for each in ids]

    def in_cart(self, item: str, quantity: int, email: str | None = None) -> float:
        """What a customer is asked for each piece of so many."""
        return self.in_carts([item], quantity, email)[0]

    def in_carts(self, items: list[str], quantity: int, email: str | None = None) -> list[float]:
        """What a customer who takes so many of each of these is asked for a piece of each."""
        medusa = self.shop.medusa
        headers = {"x-publishable-api-key": medusa.publishable_key, **self._login(email)}
        variants = [self.shop.catalogue.row(item)["medusa_variant_id"] for item in items]
        lines = [{"variant_id": variant, "quantity": quantity} for variant in variants]
        cart = _told(f"{medusa.url}/store/carts", {"region_id": medusa.region_id, "items": lines}, headers)["cart"]
        asked = {line["variant_id"]: line["unit_price"] for line in cart["items"]}
        return [asked[variant] for variant in variants]

    def _login(self, email: str | None) -> dict[str, str]:
        return {"authorization": f"Bearer {self._tokens[email]}"} if email else {}

    def groups(self) -> dict[str, list[str]]:
        """Addresses of the members of each of this test's groups in Medusa, by the group's name."""
        query = {"limit": 1000, "fields": "id,name,customers.email"}
        rows = self.shop.medusa.admin("GET", "/admin/customer-groups", params=query)["customer_groups"]
        return {
            row["name"]: sorted(one["email"] for one in row["customers"]) for row in rows if self.tag in row["name"]
        }

    def delete_groups(self) -> None:
        """A real Medusa outlives the test."""
        query = {"limit": 1000, "fields": "id,name"}
        for row in self.shop.medusa.admin("GET", "/admin/customer-groups", params=query)["customer_groups"]:
            if self.tag in row["name"]:
                self.shop.medusa.admin("DELETE", f"/admin/customer-groups/{row['id']}")


def _told(url: str, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    answer = requests.post(url, json=body, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()
