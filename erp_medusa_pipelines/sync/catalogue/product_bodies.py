"""From Website Items to request bodies for Medusa.

Belongs here: the mapping, as pure functions. Does not belong here: reading or sending.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from erp_medusa_pipelines.setting_types import PublishWhen
from erp_medusa_pipelines.sync.catalogue.plain_text import plain_text
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem
from erp_medusa_pipelines.sync.shop.names import clean_name

OPTION = "Default"
HASH_KEY = "erp_hash"
"""Key in the product's metadata: the fingerprint of what was sent last. Every product that has it is ours."""

WITHDRAWN = "withdrawn"
"""Value under HASH_KEY of a product whose Website Item is gone. It equals no fingerprint, in case the item returns."""

IMAGE_KEY = "erp_image"
"""Key in the product's metadata: hash of the Website Item's own image, which the thumbnail follows."""

METADATA_FIELDS = ("item_code", "uom", "brand", "ranking", "specifications", "image_alt")
METADATA_KEYS = (*METADATA_FIELDS, IMAGE_KEY)

_SLUG_BREAKS = re.compile(r"-{2,}")
_LONGEST_SLUG = 80


def product_fields(item: WebsiteItem, collection_id: str | None) -> dict[str, Any]:
    """Return the product's own fields, the same for create and update. Empty texts are None, which clears them."""
    row = item.row
    return {
        "title": clean_name(row["web_item_name"]) or item.item_code,
        "subtitle": plain_text(row["short_description"]) or None,
        "description": plain_text(row["web_long_description"]) or None,
        "status": "draft" if item.not_for_sale else "published",
        "external_id": item.name,
        "collection_id": collection_id,
        "origin_country": item.country_code,
        "discountable": True,
        "metadata": _metadata(item),
    }


def variant_fields(item: WebsiteItem) -> dict[str, Any]:
    """Return the fields of the one variant, the same for create and update."""
    return {
        "title": OPTION,
        "sku": item.item_code,
        "barcode": item.barcode,
        "manage_inventory": item.is_stocked,
        "allow_backorder": bool(item.row["on_backorder"]),
    }


FINGERPRINTED = frozenset(
    {"title", "subtitle", "description", "handle", "origin_country", "variants.title", "variants.sku"}
    | {"variants.barcode", "variants.manage_inventory", "variants.allow_backorder"}
    | {f"metadata.{name}" for name in METADATA_FIELDS}
)
"""Fields of a new product whose values follow from what the fingerprint covers."""


def fingerprint_of(item: WebsiteItem, collection_id: str | None) -> str:
    """Return a hash of everything that Medusa would be sent for the item."""
    told = [product_fields(item, collection_id), variant_fields(item)]
    text = json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:32]


def status_of(item: WebsiteItem, publish_when: PublishWhen, *, is_live: bool) -> str:
    """Return the status that the product must have.

    With `complete`, one that is not live yet stays a draft until publication.py finds it complete.
    """
    if not item.not_for_sale and (publish_when == "created" or is_live):
        return "published"
    return "draft"


@dataclass(frozen=True, slots=True)
class Placement:
    """Sales channel and shipping profile of every product. Without a profile, a cart cannot be completed."""

    sales_channel_id: str
    shipping_profile_id: str | None


def create_body(
    item: WebsiteItem, collection_id: str | None, placement: Placement, notes: Mapping[str, Any], status: str
) -> dict[str, Any]:
    """Return the body of one product for POST /admin/products/batch, `create`, without prices, which have a task.

    `notes` is metadata that records what was sent.
    """
    fields = {key: value for key, value in product_fields(item, collection_id).items() if value is not None}
    metadata = {key: value for key, value in {**fields["metadata"], **notes}.items() if value != ""}
    return {
        **fields,
        "status": status,
        "handle": handle(item),
        "metadata": metadata,
        "options": [{"title": OPTION, "values": [OPTION]}],
        "variants": [create_variant_body(item)],
        "sales_channels": [{"id": placement.sales_channel_id}],
        **({"shipping_profile_id": placement.shipping_profile_id} if placement.shipping_profile_id else {}),
    }


def create_variant_body(
    item: WebsiteItem, inventory_item_id: str | None = None, options: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the body of a new default variant. With an inventory item, the variant takes it over.

    `options` are values of a product's own options; a product that we create has the one option.
    """
    fields = {key: value for key, value in variant_fields(item).items() if value is not None}
    body: dict[str, Any] = {**fields, "options": dict(options or {OPTION: OPTION}), "prices": []}
    if inventory_item_id:
        body["inventory_items"] = [{"inventory_item_id": inventory_item_id, "required_quantity": 1}]
    return body


def image_fingerprint(item: WebsiteItem) -> str:
    """Return a hash of the item's image path: metadata is public in the shop, and the path may be private."""
    path = item.row["website_image"]
    return short_hash(path) if path else ""


def short_hash(text: str) -> str:
    """Return an eight-character hash of a text."""
    return f"{crc32(text.encode('utf-8')):08x}"


def handle(item: WebsiteItem) -> str:
    """Return the product's address in the shop: readable, and unique because it contains the Website Item's name.

    Medusa refuses a second product with the same handle and adds no suffix, and titles do repeat.
    """
    name = item.name
    key = slug(name)
    if key != name.casefold():
        # Different names may have the same slug ("A/1" and "A-1").
        key = f"{key}-{crc32(name.encode('utf-8')):08x}".strip("-")
    title = slug(clean_name(item.row["web_item_name"]))[:_LONGEST_SLUG].strip("-")
    return f"{title}-{key}" if title else key


def slug(text: str) -> str:
    """Return lower-case letters and digits of any script joined by single hyphens, as Medusa accepts in handles."""
    letters = (
        char if unicodedata.category(char) in ("Ll", "Lo", "Lm", "Nd", "Nl", "No") else "-"
        for char in unicodedata.normalize("NFC", text.lower())
        if not unicodedata.category(char).startswith("M")
    )
    return _SLUG_BREAKS.sub("-", "".join(letters)).strip("-")


def _metadata(item: WebsiteItem) -> dict[str, Any]:
    """Return values for all of METADATA_KEYS; an empty text deletes the key when Medusa merges metadata."""
    row = item.row
    specifications = [
        {"label": clean_name(label), "description": plain_text(description)}
        for label, description in item.specifications
    ]
    return {
        "item_code": item.item_code,
        "uom": clean_name(row["stock_uom"]),
        "brand": clean_name(row["brand"]),
        "ranking": row["ranking"] or 0,
        "specifications": specifications or "",
        # Medusa drops the `alt` of an image.
        "image_alt": clean_name(row["website_image_alt"]),
        IMAGE_KEY: image_fingerprint(item),
    }
