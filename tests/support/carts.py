"""Carts as customers leave them: filled, forgotten, paid for, in a Medusa that is embedded or real.

What a storefront does. All of it goes through the Store API.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import uuid4

from tests.support.servers import MedusaServer

NUMBERS = count(1)
DOMAIN = "customers.example"


@dataclass
class Carts:
    """A shop that sells one thing. Its addresses are its own: a real Medusa keeps those of other tests."""

    medusa: MedusaServer
    prefix: str = field(default_factory=lambda: f"t{uuid4().hex[:8]}")
    variants: list[dict[str, Any]] = field(default_factory=list)

    def address(self, name: str = "") -> str:
        """Return an address that nobody else has."""
        return f"{name or 'guest'}{next(NUMBERS)}.{self.prefix}@{DOMAIN}"

    def product(self, title: str = "Gloves", price: float = 1.5, currency: str = "omr") -> dict[str, Any]:
        """Make a product with a picture and a price, and return it."""
        sku = f"{self.prefix}-{next(NUMBERS)}"
        variant = {
            "title": "Default",
            "sku": sku,
            "manage_inventory": False,
            "options": {"Default": "Default"},
            "prices": [{"currency_code": currency, "amount": price}],
        }
        body = {
            "title": title,
            "handle": sku,
            "status": "published",
            "thumbnail": f"{self.medusa.url}/static/{sku}.png",
            "options": [{"title": "Default", "values": ["Default"]}],
            "sales_channels": [{"id": self.medusa.sales_channel_id}],
            "variants": [variant],
        }
        product = self.medusa.admin("POST", "/admin/products", json=body)["product"]
        self.variants.append(product["variants"][0])
        return product

    def add(
        self, email: str | None = "", *, lines: int = 1, quantity: int = 2, metadata: Any = None, **values: Any
    ) -> dict[str, Any]:
        """A cart with so many lines, as a customer leaves it; None is a visitor who left no address."""
        while len(self.variants) < max(lines, 1):
            self.product()
        items = [{"variant_id": one["id"], "quantity": quantity} for one in self.variants[:lines]]
        body = {"region_id": self.medusa.region_id, "items": items, "metadata": metadata, **values}
        return self._store("POST", "/store/carts", {**body, "email": self.address() if email == "" else email})["cart"]

    def get(self, cart: Mapping[str, Any]) -> dict[str, Any]:
        """Return a cart as it is now."""
        return self._store("GET", f"/store/carts/{cart['id']}?fields=*,*items")["cart"]

    def exists(self, cart: Mapping[str, Any]) -> bool:
        """Return whether it has not been deleted."""
        return self.medusa.store("GET", f"/store/carts/{cart['id']}").status_code == 200

    def update(self, cart: Mapping[str, Any], **values: Any) -> dict[str, Any]:
        """Change a cart as its customer does."""
        return self._store("POST", f"/store/carts/{cart['id']}", values)["cart"]

    def begin_to_pay(self, cart: Mapping[str, Any]) -> None:
        """Go to the payment page."""
        collection = self._store("POST", "/store/payment-collections", {"cart_id": cart["id"]})["payment_collection"]
        body = {"provider_id": "pp_system_default"}
        self._store("POST", f"/store/payment-collections/{collection['id']}/payment-sessions", body)

    def order(self, cart: Mapping[str, Any]) -> None:
        """Buy what is in it."""
        self.begin_to_pay(cart)
        assert self._store("POST", f"/store/carts/{cart['id']}/complete", {})["type"] == "order"

    def customer(self, email: str) -> dict[str, Any]:
        """Return the customer with this address."""
        query = {"email": email.lower(), "fields": "id,email,has_account,metadata"}
        return self.medusa.admin("GET", "/admin/customers", params=query)["customers"][0]

    def _store(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.medusa.store(method, path, json=body)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()
