"""Products that an admin made in Medusa by hand: they hold keys that Items of the shop want."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from erp_medusa_sandbox.medusa.store import MedusaStore
from tests.support.servers import MedusaServer


@dataclass
class HandMade:
    """The products, and what the admin does with them."""

    medusa: MedusaServer
    medusa_store: MedusaStore
    numbers: Iterator[int]

    def make(self, number: int, **keys: str) -> None:
        """Make one whose variant has these keys."""
        variant = {"title": "One", "options": {"Kind": "One"}, "prices": [], **keys}
        body = {"title": f"Hand-made {number}", "options": [{"title": "Kind", "values": ["One"]}]}
        self.medusa.admin("POST", "/admin/products", json={**body, "variants": [variant]})

    def free_skus(self) -> None:
        """The admin gives what was made by hand other skus."""
        for product in self.all():
            for variant in product["variants"]:
                sku = {"sku": f"HAND-{next(self.numbers)}"}
                self.medusa.admin("POST", f"/admin/products/{product['id']}/variants/{variant['id']}", json=sku)
                # Medusa does not change this with the variant's.
                for link in (self.medusa_store.get("variant", variant["id"]) or {}).get("inventory_links") or ():
                    self.medusa.admin("POST", f"/admin/inventory-items/{link['inventory_item_id']}", json=sku)

    def remove(self) -> None:
        """The admin deletes what was made by hand."""
        for product in self.all():
            self.medusa.admin("DELETE", f"/admin/products/{product['id']}")

    def all(self) -> list[dict[str, Any]]:
        """Return those that are there."""
        query = {"fields": "id,title,external_id,variants.id,variants.sku,variants.barcode", "limit": 1000}
        found = self.medusa.admin("GET", "/admin/products", params=query)["products"]
        return [one for one in found if not one["external_id"] and one["title"].startswith("Hand-made")]
