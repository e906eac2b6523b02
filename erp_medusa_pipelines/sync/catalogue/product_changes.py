"""Decide what to change on a product: compare ERP and Medusa field by field, by policy.

Belongs here: the comparison, as pure functions. The ERP's values come from product_bodies.py, reading and sending in
product_updates.py.

The product's metadata records what was sent last, so that a second installation knows it too: one fingerprint of
everything, and a short hash of each field that keeps Medusa's value until the ERP changes it.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from erp_medusa_pipelines.clients.medusa import metadata_of
from erp_medusa_pipelines.setting_types import FieldPolicy
from erp_medusa_pipelines.sync.catalogue.product_bodies import (
    HASH_KEY,
    IMAGE_KEY,
    METADATA_FIELDS,
    Placement,
    image_fingerprint,
    product_fields,
    short_hash,
    variant_fields,
)
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem

SENT_KEY = "erp_sent"
"""Key in the product's metadata: {field: hash of the value that was sent last}."""

WITHOUT = "without "
"""Before the fingerprint of a product that Medusa did not take whole: it equals that of no Website Item."""

PRODUCT_FIELDS = ("title", "subtitle", "description", "status", "origin_country", "discountable")
VARIANT_FIELDS = {
    "variant_title": "title",
    "sku": "sku",
    "barcode": "barcode",
    "manage_inventory": "manage_inventory",
    "allow_backorder": "allow_backorder",
}
"""Medusa's field names by the names in FIELD_POLICIES."""

Row = Mapping[str, Any]
Values = dict[str, Any]
Policies = Mapping[str, FieldPolicy]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One Website Item compared with its product. Fields have the names of FIELD_POLICIES."""

    changes: Values
    """Values to send."""
    kept: dict[str, tuple[Any, Any]]
    """(ERP value, Medusa value) of fields that differ and keep Medusa's value."""
    notes: Values
    """Metadata that records what is sent; empty when it is already recorded."""

    def only(self, names: Collection[str]) -> "Comparison":
        """Return the changes of these fields alone. Nothing is recorded, so that the others are sent again."""
        return Comparison({name: self.changes[name] for name in names if name in self.changes}, self.kept, {})

    def without(self, names: Collection[str]) -> "Comparison":
        """Return what to send without these fields, and to record of it: they are still to be sent."""
        left = {name: value for name, value in self.changes.items() if name not in names}
        return Comparison(left, self.kept, notes_without(self.notes, names))


def told_values(item: WebsiteItem, collection_id: str | None, placement: Placement, status: str) -> Values:
    """Return the ERP's values of the item. Values that it does not have are left out, and clear nothing."""
    fields, variant = product_fields(item, collection_id), variant_fields(item)
    values = {
        **{name: fields[name] for name in PRODUCT_FIELDS},
        **{name: fields["metadata"][name] for name in METADATA_FIELDS},
        **{name: variant[key] for name, key in VARIANT_FIELDS.items()},
        "status": status,
        "sales_channel": [placement.sales_channel_id],
    }
    if collection_id:
        values["collection"] = collection_id
    if placement.shipping_profile_id:
        values["shipping_profile"] = placement.shipping_profile_id
    return values


def current_values(product: Row, variant: Row) -> Values:
    """Return Medusa's values of the product, under the same names."""
    metadata = metadata_of(product)
    return {
        **{name: product[name] for name in PRODUCT_FIELDS},
        **{name: metadata.get(name) for name in METADATA_FIELDS},
        **{name: variant[key] for name, key in VARIANT_FIELDS.items()},
        "sales_channel": sorted(channel["id"] for channel in product["sales_channels"] or () if channel),
        "collection": product["collection_id"],
        # A link without a row has no key in Medusa's answers.
        "shipping_profile": (product.get("shipping_profile") or {}).get("id"),
    }


def compare(
    item: WebsiteItem,
    told: Values,
    current: Values,
    metadata: Row,
    fingerprint: str,
    policies: Policies,
    *,
    force: bool,
) -> Comparison:
    """Decide field by field. `metadata` is the product's; `fingerprint` is the hash of all ERP values now."""
    changes: Values = {}
    kept: dict[str, tuple[Any, Any]] = {}
    is_noted = metadata.get(HASH_KEY) == fingerprint
    sent = _hashes(metadata)
    for name, value in told.items():
        if _same(value, current[name]):
            continue
        policy = policies[name]
        changed_in_erp = not is_noted and sent.get(name) != field_hash(value)
        if force or policy == "overwrite" or (policy == "until_erp_changes" and changed_in_erp):
            changes[name] = value
        elif policy == "until_erp_changes":
            kept[name] = (value, current[name])
    return Comparison(changes, kept, {} if is_noted else sent_notes(item, told, fingerprint, policies))


def sent_notes(item: WebsiteItem, told: Values, fingerprint: str, policies: Policies) -> Values:
    """Return the metadata that records what was sent."""
    hashes = {name: field_hash(value) for name, value in told.items() if policies[name] == "until_erp_changes"}
    return {HASH_KEY: fingerprint, IMAGE_KEY: image_fingerprint(item), SENT_KEY: hashes}


def _hashes(metadata: Row) -> Row:
    """Return what the metadata says was sent; anything else that somebody put there says nothing."""
    sent = metadata.get(SENT_KEY)
    return sent if isinstance(sent, Mapping) else {}


def notes_without(notes: Values, names: Collection[str]) -> Values:
    """Return the record of what is sent when these fields are not: each of them counts as changed until it is."""
    sent = _hashes(notes)
    if not set(names) & sent.keys():
        return notes
    others = {name: value for name, value in sent.items() if name not in names}
    return {**notes, HASH_KEY: f"{WITHOUT}{notes[HASH_KEY]}", SENT_KEY: others}


def update_body(product: Row, variant_id: str, comparison: Comparison) -> Values:
    """Return the body for POST /admin/products/batch, `update`; empty when nothing differs.

    The handle stays, as the product's address in the shop. Variants are sent only if they differ, and then all of
    them, because Medusa deletes variants that an update leaves out.
    """
    changes = comparison.changes
    body: Values = {name: changes[name] for name in PRODUCT_FIELDS if name in changes}
    stored = metadata_of(product)
    notes = {key: value for key, value in comparison.notes.items() if stored.get(key) != value}
    metadata = {name: changes[name] for name in METADATA_FIELDS if name in changes} | notes
    variant = {key: changes[name] for name, key in VARIANT_FIELDS.items() if name in changes}
    if "collection" in changes:
        body["collection_id"] = changes["collection"]
    if "sales_channel" in changes:
        body["sales_channels"] = [{"id": channel} for channel in changes["sales_channel"]]
    if "shipping_profile" in changes:
        body["shipping_profile_id"] = changes["shipping_profile"]
    if metadata:
        # Medusa merges metadata; only an empty text removes a key.
        body["metadata"] = metadata
    if variant:
        body["variants"] = [
            {"id": each["id"], **(variant if each["id"] == variant_id else {})} for each in product["variants"]
        ]
    return {"id": product["id"], **body} if body else {}


def field_hash(value: Any) -> str:
    """Return an eight-character hash of a value. Metadata is public in the shop, so it holds no values."""
    return short_hash(json.dumps(value, sort_keys=True, ensure_ascii=False))


def _same(left: Any, right: Any) -> bool:
    """Return whether two values are equal; None equals an empty text."""
    return left == right or (left in (None, "") and right in (None, ""))
