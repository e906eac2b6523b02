"""Both servers as they are, without ids and times: two states are alike when these are equal.

Reading and naming. What hangs loose - a document that belongs to none, a link to one that is gone - is listed by
itself, because nothing else would show it.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from erp_medusa_sandbox.medusa.store import Document, MedusaStore
from tests.matrix.shop import Shop

PRODUCT = [
    "title",
    "subtitle",
    "status",
    "description",
    "handle",
    "weight",
    "length",
    "height",
    "width",
    "hs_code",
    "origin_country",
]
VARIANT = ["title", "sku", "barcode", "manage_inventory", "allow_backorder", "metadata", "weight"]
WRITTEN = {
    "Website Item": ("medusa_id", "medusa_variant_id", "custom_in_stock"),
    "Item Group": ("medusa_id",),
    "Item Price": ("medusa_id", "medusa_price_id"),
    "File": ("medusa_id",),
    "Email OTP": ("status",),
    "Email Queue": ("status",),
    "Email Queue Recipient": ("status",),
}
TABLES = (
    ("Product Collection", "Product Collection"),
    ("Expiring Items", "Expiring Items"),
    ("Homepage Landing", "Active Homepage Landing"),
)
NOT_COMPARED = {"name", "creation", "modified", "modified_by", "owner", "parent", "parenttype", "parentfield"}


def state(shop: Shop) -> dict[str, Any]:
    """Return everything that a run may have changed on either server, and what a customer sees of it."""
    view = _View(shop)
    return {
        "shop window": view.window(),
        "products": view.products(),
        "categories": sorted(_text(view.category(one)) for one in view.store.all("category")),
        "customer groups": sorted(_text(view.customer_group(one)) for one in view.store.all("customer_group")),
        "collections": sorted(_text(view.collection(one)) for one in view.store.all("collection")),
        "price lists": sorted(_text(view.price_list(one)) for one in view.store.all("price_list")),
        "levels": sorted(_text(view.level(one)) for one in view.store.all("inventory_level")),
        "loose": sorted(view.loose()),
        "ERPNext": view.erp(),
        "mails": dict(Counter(shop.sink.recipients)),
    }


def unlike(wanted: Any, found: Any, where: str = "") -> list[str]:
    """Return what differs between two states, a line each."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        keys = [key for key in {**wanted, **found} if wanted.get(key) != found.get(key)]
        return [line for key in keys for line in unlike(wanted.get(key), found.get(key), f"{where}/{key}")]
    if isinstance(wanted, list) and isinstance(found, list):
        if len(wanted) == len(found) == 1:
            return unlike(wanted[0], found[0], where)
        missing, more = ([_text(one) for one in ones] for ones in (wanted, found))
        missing, more = Counter(missing) - Counter(more), Counter(more) - Counter(missing)
        return [f"{where}: missing {one}" for one in missing] + [f"{where}: unexpected {one}" for one in more]
    return [] if wanted == found else [f"{where}: should be {_text(wanted)}, is {_text(found)}"]


def stray_files(shop: Shop) -> int:
    """Uploads that no product shows. Medusa cannot list them, so nobody can remove them."""
    store = shop.world.medusa_store
    shown = {image["url"] for product in store.all("product") for image in product["images"]}
    shown |= {product["thumbnail"] for product in store.all("product")}
    names = {unquote(url.rsplit("/", 1)[-1]) for url in shown if url}
    return len(set(store.static_files) - names)


class _View:
    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.store: MedusaStore = shop.world.medusa_store

    # --- what a customer sees ---------------------------------------------------------------------------------

    def window(self) -> dict[str, list[Document]]:
        fields = "id,title,external_id,collection.title,images.url,variants.id,variants.sku,variants.inventory_quantity"
        params = {
            "limit": 1000,
            "region_id": self.shop.world.medusa.region_id,
            "fields": f"{fields},*variants.calculated_price",
        }
        answer = self.shop.world.medusa.store("GET", "/store/products", params=params)
        answer.raise_for_status()
        found: dict[str, list[Document]] = {}
        for product in sorted(answer.json()["products"], key=lambda one: one["title"]):
            found.setdefault(product["external_id"], []).append(self._shown(product))
        return found

    def _shown(self, product: Document) -> Document:
        return {
            "title": product["title"],
            "collection": (product["collection"] or {}).get("title"),
            "images": [self._file(image["url"]) for image in product["images"]],
            "variants": [
                [one["sku"], one["inventory_quantity"], (one["calculated_price"] or {}).get("calculated_amount")]
                for one in product["variants"]
            ],
        }

    # --- what Medusa holds ------------------------------------------------------------------------------------

    def products(self) -> dict[str, list[Document]]:
        found: dict[str, list[Document]] = {}
        for one in self.store.all("product"):
            found.setdefault(one["external_id"], []).append(self._product(one))
        return found

    def _product(self, product: Document) -> Document:
        variants = self.store.find("variant", "product_id", [product["id"]])
        return {
            **{name: product[name] for name in PRODUCT},
            "thumbnail": self._file(product["thumbnail"]),
            "images": [self._file(image["url"]) for image in product["images"]],
            "collection": self._title("collection", product["collection_id"]),
            "channels": [self._title("sales_channel", one) for one in product["sales_channel_ids"]],
            "profile": self._title("shipping_profile", product["shipping_profile_id"]),
            "options": [
                [option["title"], [value["value"] for value in option["values"]]] for option in product["options"]
            ],
            "metadata": _notes(product["metadata"] or {}),
            "categories": sorted(str(self._title("category", one)) for one in product["category_ids"]),
            "type": self._title("product_type", product["type_id"]),
            "tags": sorted(str(self._title("product_tag", one)) for one in product["tag_ids"]),
            "variants": sorted((self._variant(product, one) for one in variants), key=_text),
        }

    def _values(self, product: Document) -> dict[str, str]:
        return {value["id"]: value["value"] for option in product["options"] for value in option["values"]}

    def _variant(self, product: Document, variant: Document) -> Document:
        items = [self.store.get("inventory_item", link["inventory_item_id"]) for link in variant["inventory_links"]]
        return {
            **{name: variant[name] for name in VARIANT},
            "options": sorted(self._values(product)[one] for one in variant["option_value_ids"]),
            "stocked by": [item["sku"] if item else "GONE" for item in items],
            "price set": variant["price_set_id"] is not None,
            "prices": sorted((self._price(one) for one in self._prices(variant)), key=_text),
        }

    def _prices(self, variant: Document) -> list[Document]:
        return self.store.find("price", "price_set_id", [variant["price_set_id"]]) if variant["price_set_id"] else []

    def _price(self, price: Document) -> list[Any]:
        kept = self.store.get("price_list", price["price_list_id"])
        listed = self.price_list(kept) if kept else price["price_list_id"] and "GONE"
        bounds = [price["min_quantity"], price["max_quantity"], price["rules"]]
        return [listed, price["currency_code"], price["amount"], *bounds]

    def price_list(self, kept: Document) -> list[Any]:
        named = [kept[name] for name in ("title", "description", "type", "status", "starts_at", "ends_at", "metadata")]
        groups = [self.store.get("customer_group", one) for ones in kept["rules"].values() for one in ones]
        return [*named, sorted(group["name"] if group else "GONE" for group in groups)]

    def category(self, one: Document) -> list[Any]:
        above = self.store.get("category", one["parent_category_id"])
        # Medusa drops an empty note with the next update.
        notes = {key: value for key, value in (one["metadata"] or {}).items() if value != ""} | {"erp_hash": ...}
        return [*(one[key] for key in ("name", "handle", "rank", "is_active")), above and above["name"], notes]

    def customer_group(self, one: Document) -> list[Any]:
        members = (self.store.get("customer", member) for member in one["customer_ids"])
        return [one["name"], one["metadata"], sorted(member["email"] if member else "GONE" for member in members)]

    def collection(self, one: Document) -> list[Any]:
        return [one[name] for name in ("title", "handle", "external_id", "metadata")]

    def level(self, level: Document) -> list[Any]:
        item = self.store.get("inventory_item", level["inventory_item_id"])
        return [item["sku"] if item else "GONE", level["stocked_quantity"], level["reserved_quantity"]]

    def loose(self) -> Iterable[str]:
        """Inventory items that stock nothing, prices of no variant."""
        for item in self.store.all("inventory_item"):
            if not self.store.find("variant", "inventory_links", [item["id"]]):
                yield f"inventory item {item['sku']} stocks nothing"
        for price in self.store.all("price"):
            if not self.store.find("variant", "price_set_id", [price["price_set_id"]]):
                yield f"price {price['amount']} of no variant"
        for variant in self.store.all("variant"):
            if self.store.get("product", variant["product_id"]) is None:
                yield f"variant {variant['sku']} of no product"

    # --- what ERPNext holds -----------------------------------------------------------------------------------

    def erp(self) -> dict[str, Any]:
        erp = self.shop.world.erp.store
        found: dict[str, Any] = {}
        for doctype, fields in WRITTEN.items():
            for row in erp.rows(doctype):
                label = row["email"] if doctype == "Email OTP" else row.get("file_url") or row["name"]
                if doctype == "Email Queue Recipient":
                    label = row["recipient"]
                found[f"{doctype} {label}"] = [self._named(row[field]) for field in fields]
        for doctype, name in TABLES:
            rows = erp.children(doctype, name)
            found[doctype] = {
                table: [{key: value for key, value in row.items() if key not in NOT_COMPARED} for row in kept]
                for table, kept in rows.items()
            }
        return found

    def _named(self, value: Any) -> Any:
        """An id of Medusa's, by what it belongs to."""
        if not isinstance(value, str):
            return value
        prefix = value.partition("_")[0]
        table = {"prod": "product", "variant": "variant", "pcol": "collection", "price": "price", "plist": "price_list"}
        if prefix not in table:
            return self._file(value)
        document = self.store.get(table[prefix], value)
        if document is None:
            return "GONE"
        if prefix == "price":
            users = self.store.find("variant", "price_set_id", [document["price_set_id"]])
            return [[user["sku"] for user in users], self._price(document)]
        return document.get("external_id") or document.get("sku") or document.get("title")

    def _title(self, table: str, identifier: str | None) -> Any:
        document = self.store.get(table, identifier)
        names = ("title", "name", "value")
        return next((document[key] for key in names if key in document), None) if document else identifier and "GONE"

    def _file(self, url: str | None) -> str | None:
        """An upload, by its content."""
        if not url or "-" not in url:
            return url
        content = self.store.static_files.get(unquote(url.rsplit("/", 1)[-1]))
        return hashlib.sha256(content).hexdigest()[:10] if content is not None else url


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _notes(metadata: Document) -> dict[str, Any]:
    """Return what the run noted on a product. Hashes hold ids, and addresses of uploads, which differ each time."""
    pictures = {"erp_pictures": len(metadata["erp_pictures"])} if "erp_pictures" in metadata else {}
    return {**metadata, **dict.fromkeys(("erp_hash", "erp_thumbnail"), ...), **pictures}
