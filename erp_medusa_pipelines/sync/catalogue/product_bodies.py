"""From Website Items to request bodies for Medusa.

Bodies, handles and the fingerprint, as pure functions.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from erp_medusa_pipelines.product_fields import FIELDS, OPTION
from erp_medusa_pipelines.setting_types import PublishWhen
from erp_medusa_pipelines.sync.catalogue.fields import OF_THE_DOCUMENT, Values, erp_values, shaped
from erp_medusa_pipelines.sync.catalogue.plain_text import clean_name, slug
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem

HASH_KEY = "erp_hash"
"""Key in the product's metadata: the fingerprint of what was sent last. Every product that has it is ours."""

WITHDRAWN = "withdrawn"
"""Value under HASH_KEY of a product whose Website Item is gone. It equals no fingerprint, in case the item returns."""

_LONGEST_SLUG = 80


FINGERPRINTED = frozenset(
    {"handle", *(field.path for field in FIELDS if field.policy and field.how in OF_THE_DOCUMENT)}
)
"""Fields of a new product whose values follow from what the fingerprint covers."""


def fingerprint_of(item: WebsiteItem, filed: Values) -> str:
    """Return a hash of everything that Medusa would be sent for the item. `filed`: collection and categories."""
    channels = {"sales_channel": list(item.channels)} if item.channels else {}
    product, metadata, variant = shaped({**erp_values(item), **filed, **channels})
    text = json.dumps(
        [{**product, "metadata": metadata}, variant], sort_keys=True, ensure_ascii=False, separators=(",", ":")
    )
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
    """Sales channel and shipping profile of products. Without a profile, a cart cannot be completed."""

    sales_channel_id: str
    """Of those that no rule puts into another."""
    shipping_profile_id: str | None

    def channels_of(self, item: WebsiteItem | None) -> list[str]:
        """Return the sales channels of an item's product, sorted."""
        return list(item.channels) if item and item.channels else [self.sales_channel_id]


def values_of(item: WebsiteItem, filed: Values, placement: Placement, status: str) -> Values:
    """Return the value of every field of the item's product, but its pictures; None or "" where there is none."""
    return {
        **erp_values(item),
        "status": status,
        **filed,
        "sales_channel": placement.channels_of(item),
        "shipping_profile": placement.shipping_profile_id or None,
    }


def create_body(
    item: WebsiteItem, filed: Values, placement: Placement, notes: Mapping[str, Any], status: str
) -> dict[str, Any]:
    """Return the body of one product for POST /admin/products/batch, `create`, without prices, which have a task.

    `notes` is metadata that records what was sent.
    """
    product, metadata, _ = shaped(values_of(item, filed, placement, status))
    return {
        "title": item.item_code,
        **{key: value for key, value in product.items() if value is not None},
        "handle": handle(item),
        "metadata": {key: value for key, value in {**metadata, **notes}.items() if value != ""},
        "options": [{"title": OPTION, "values": [OPTION]}],
        "variants": [create_variant_body(item)],
    }


def create_variant_body(
    item: WebsiteItem, inventory_item_id: str | None = None, options: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the body of a new default variant. With an inventory item, the variant takes it over.

    `options` are values of a product's own options; a product that we create has the one option.
    """
    fields = {key: value for key, value in shaped(erp_values(item)).variant.items() if value is not None}
    body: dict[str, Any] = {**fields, "options": dict(options or {OPTION: OPTION}), "prices": []}
    if inventory_item_id:
        body["inventory_items"] = [{"inventory_item_id": inventory_item_id, "required_quantity": 1}]
    return body


def handle(item: WebsiteItem) -> str:
    """Return the product's address in the shop: the mapping's, else readable and with the Website Item's name.

    Medusa refuses a second product with the same handle and adds no suffix, and titles do repeat.
    """
    if mapped := item.made.values.get("handle"):
        return mapped
    name = item.name
    key = slug(name)
    if key != name.casefold():
        # Different names may have the same slug ("A/1" and "A-1").
        key = f"{key}-{crc32(name.encode('utf-8')):08x}".strip("-")
    title = slug(clean_name(item.row["web_item_name"]))[:_LONGEST_SLUG].strip("-")
    return f"{title}-{key}" if title else key
