"""Decide what to change on a product: compare ERP and Medusa field by field, by policy.

The comparison, as pure functions. Both sides' values come from fields.py, reading and sending in product_updates.py.

The product's metadata records what was sent last, so that a second installation knows it too: one fingerprint of
everything, and a short hash of each field that keeps Medusa's value until the ERP changes it.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from erp_medusa_pipelines.clients.medusa import metadata_of
from erp_medusa_pipelines.product_fields import IMAGE_KEY, Empty, FieldPolicy
from erp_medusa_pipelines.sync.catalogue.fields import Row, Values, image_fingerprint, shaped, short_hash
from erp_medusa_pipelines.sync.catalogue.product_bodies import HASH_KEY, Placement, values_of
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem

SENT_KEY = "erp_sent"
"""Key in the product's metadata: {field: hash of the value that was sent last}."""

OLD_HANDLES_KEY = "old_handles"
"""Key in the product's metadata: the handles that it had, where a mapping has changed them."""

WITHOUT = "without "
"""Before the fingerprint of a product that Medusa did not take whole: it equals that of no Website Item."""

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


def desired_values(item: WebsiteItem, filed: Values, placement: Placement, status: str) -> Values:
    """Return the ERP's values of the fields that have a policy. A link that it does not have clears nothing."""
    values = values_of(item, filed, placement, status)
    return {
        name: values[name]
        for name, empty in item.table.empties.items()
        if name in values and _is_sent(name, values[name], empty)
    }


def _is_sent(name: str, value: Any, empty: Empty) -> bool:
    is_nothing = value is None or value in ("", [])
    return not is_nothing or (empty != Empty.STAYS and name != "handle")


def compare(
    item: WebsiteItem,
    desired: Values,
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
    for name, value in desired.items():
        if _same(value, current[name]):
            continue
        policy = policies[name]
        changed_in_erp = not is_noted and sent.get(name) != field_hash(value)
        if force or policy == "overwrite" or (policy == "until_erp_changes" and changed_in_erp):
            changes[name] = value
        elif policy == "until_erp_changes":
            kept[name] = (value, current[name])
    return Comparison(changes, kept, {} if is_noted else sent_notes(item, desired, fingerprint, policies))


def sent_notes(item: WebsiteItem, desired: Values, fingerprint: str, policies: Policies) -> Values:
    """Return the metadata that records what was sent."""
    hashes = {name: field_hash(value) for name, value in desired.items() if policies[name] == "until_erp_changes"}
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

    The handle stays, as the product's address in the shop, unless a mapping changes it; then the metadata has the old
    ones, for a storefront that leads from there to the new one. Variants are sent only if they differ, and then all of
    them, because Medusa deletes variants that an update leaves out.
    """
    body, metadata, variant = shaped(comparison.changes)
    stored = metadata_of(product)
    if "handle" in body:
        metadata[OLD_HANDLES_KEY] = _old_handles(stored, product["handle"], body["handle"])
    notes = {key: value for key, value in comparison.notes.items() if not _same(stored.get(key), value)}
    if metadata or notes:
        body["metadata"] = metadata | notes
    if variant:
        body["variants"] = [
            {"id": each["id"], **(variant if each["id"] == variant_id else {})} for each in product["variants"]
        ]
    return {"id": product["id"], **body} if body else {}


def _old_handles(metadata: Row, left: str, new: str) -> list[str]:
    """Return the handles that the product had, the latest last, when it leaves one for another."""
    before = metadata.get(OLD_HANDLES_KEY)
    known = [one for one in before if isinstance(one, str)] if isinstance(before, list) else []
    return [one for one in dict.fromkeys([*(one for one in known if one != left), left]) if one != new]


def field_hash(value: Any) -> str:
    """Return an eight-character hash of a value. Metadata is public in the shop, so it holds no values."""
    return short_hash(json.dumps(value, sort_keys=True, ensure_ascii=False))


def _same(left: Any, right: Any) -> bool:
    """Return whether two values are equal; None equals an empty text."""
    return left == right or (left in (None, "") and right in (None, ""))
