"""What a Medusa that dies in its own work, its staff or a restored backup takes from products that were whole.

Taking one part of a product away, on the embedded Medusa's store and in a real one's PostgreSQL. Medusa has no call
for it.
"""

from contextlib import closing
from typing import Protocol

import psycopg2

from erp_medusa_sandbox.medusa.store import MedusaStore


class Damage(Protocol):
    """Takes parts of products away. Every method is named for the part."""

    def price_set(self, variant_id: str) -> None:
        """The variant has no price set any more."""
        ...

    def inventory_link(self, variant_id: str) -> None:
        """The variant is not linked to its inventory item, which stays behind."""
        ...

    def inventory_item(self, variant_id: str) -> None:
        """The variant's inventory item is gone, with its levels."""
        ...

    def channel(self, product_id: str) -> None:
        """The product is in no sales channel."""
        ...

    def profile(self, product_id: str) -> None:
        """The product has no shipping profile."""
        ...

    def options(self, product_id: str) -> None:
        """The product and its variants have no options."""
        ...


class StoreDamage:
    """On the embedded Medusa."""

    def __init__(self, store: MedusaStore) -> None:
        self._store = store

    def price_set(self, variant_id: str) -> None:
        self._change("variant", variant_id, price_set_id=None)

    def inventory_link(self, variant_id: str) -> None:
        self._change("variant", variant_id, inventory_links=[])

    def inventory_item(self, variant_id: str) -> None:
        variant = self._store.get("variant", variant_id)
        assert variant is not None
        with self._store.transaction():
            for link in variant["inventory_links"]:
                for level in self._store.find("inventory_level", "inventory_item_id", [link["inventory_item_id"]]):
                    self._store.remove("inventory_level", level["id"])
                self._store.remove("inventory_item", link["inventory_item_id"])
        self.inventory_link(variant_id)

    def channel(self, product_id: str) -> None:
        self._change("product", product_id, sales_channel_ids=[])

    def profile(self, product_id: str) -> None:
        self._change("product", product_id, shipping_profile_id=None)

    def options(self, product_id: str) -> None:
        self._change("product", product_id, options=[])
        for variant in self._store.find("variant", "product_id", [product_id]):
            self._change("variant", variant["id"], option_value_ids=[])

    def _change(self, table: str, identifier: str, **fields: object) -> None:
        document = self._store.get(table, identifier)
        assert document is not None, identifier
        self._store.put(table, {**document, **fields})


STATEMENTS = {
    "price_set": ["DELETE FROM product_variant_price_set WHERE variant_id = %s"],
    "inventory_link": ["DELETE FROM product_variant_inventory_item WHERE variant_id = %s"],
    "inventory_item": [
        "DELETE FROM inventory_level WHERE inventory_item_id IN"
        " (SELECT inventory_item_id FROM product_variant_inventory_item WHERE variant_id = %s)",
        "DELETE FROM inventory_item WHERE id IN"
        " (SELECT inventory_item_id FROM product_variant_inventory_item WHERE variant_id = %s)",
        "DELETE FROM product_variant_inventory_item WHERE variant_id = %s",
    ],
    "channel": ["DELETE FROM product_sales_channel WHERE product_id = %s"],
    "profile": ["DELETE FROM product_shipping_profile WHERE product_id = %s"],
    "options": [
        "DELETE FROM product_variant_option WHERE variant_id IN (SELECT id FROM product_variant WHERE product_id = %s)",
        "DELETE FROM product_product_option WHERE product_id = %s",
    ],
}


class DatabaseDamage:
    """In the PostgreSQL of a real Medusa, at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def price_set(self, variant_id: str) -> None:
        self._run("price_set", variant_id)

    def inventory_link(self, variant_id: str) -> None:
        self._run("inventory_link", variant_id)

    def inventory_item(self, variant_id: str) -> None:
        self._run("inventory_item", variant_id)

    def channel(self, product_id: str) -> None:
        self._run("channel", product_id)

    def profile(self, product_id: str) -> None:
        self._run("profile", product_id)

    def options(self, product_id: str) -> None:
        self._run("options", product_id)

    def _run(self, part: str, identifier: str) -> None:
        with closing(psycopg2.connect(self._url)) as connection, connection, connection.cursor() as cursor:
            for statement in STATEMENTS[part]:
                cursor.execute(statement, (identifier,))
