"""Which fields of a product's update Medusa refused, by what its refusal says.

What the recorded texts (clients/refusals.py) name.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from erp_medusa_pipelines.clients.refusals import (
    HANDLE_TAKEN,
    INVENTORY_TAKEN,
    KEY_TAKEN,
    NO_SUCH_ENTITY,
    numbered_fields,
)
from erp_medusa_pipelines.product_fields import FIELDS
from erp_medusa_pipelines.sync.catalogue.mapping.targets import METADATA, TARGETS

ALL = ""
"""Stands for every field of a product that a refusal names without naming a field which is sent."""

_FIELDS = (*TARGETS.values(), *(field for field in FIELDS if field.policy))
_VARIANT_FIELDS = {field.key: field.name for field in _FIELDS if field.place == "variant"}
_OTHERS = {field.key: field.name for field in _FIELDS if field.place != "variant"}
_LINKED = {"sales_channel_id": "sales_channel", "product_category_id": "categories", "product_tag_id": "tags"}
_MEDUSA_NAMES = {**_VARIANT_FIELDS, **_OTHERS, **_LINKED}
"""Names in the table by those of Medusa's refusals, which say less than a path: a title is the product's."""

Changes = Mapping[str, Any]
"""{field, as FIELD_POLICIES names it: value to send}."""


def named_fields(reason: str, group: Sequence[Changes]) -> dict[int, dict[str, str]]:
    """Return {number in the group: {field: what Medusa said of it}}; empty when the refusal names nothing.

    Only fields that are sent are named, so leaving them out is never the same request again.
    """
    found: dict[int, dict[str, str]] = defaultdict(dict)
    by_number = (
        (number, _field_at(path.split(", "), group[number] if number < len(group) else {}), said)
        for number, path, said in numbered_fields(reason)
    )
    for number, name, said in (*by_number, *_by_value(reason, group)):
        if number < len(group):
            found[number][name if name in group[number] else ALL] = said
    return {number: fields for number, fields in found.items() if fields}


def _field_at(path: Sequence[str], changes: Changes) -> str:
    if path[0] == "variants":
        return _VARIANT_FIELDS.get(path[-1], ALL)
    if path[0] == "metadata" and len(path) > 1:
        return mapped if (mapped := f"{METADATA}{path[1]}") in changes else path[1]
    return _MEDUSA_NAMES.get(path[0], ALL)


def _by_value(reason: str, group: Sequence[Changes]) -> list[tuple[int, str, str]]:
    """Return every product that is sent a value which the refusal names as taken or unknown."""
    if match := KEY_TAKEN.search(reason):
        wanted = [(match["field"].lower(), match["value"])]
    elif match := HANDLE_TAKEN.search(reason):
        wanted = [("handle", match["value"])]
    elif match := INVENTORY_TAKEN.search(reason):
        wanted = [("sku", match["value"]), ("manage_inventory", True)]
    elif match := NO_SUCH_ENTITY.search(reason):
        wanted = [(_MEDUSA_NAMES.get(match["field"].lower(), ALL), match["value"])]
    else:
        return []
    return [
        (number, field, reason)
        for field, value in wanted
        for number, changes in enumerate(group)
        if field in changes and _is_or_has(changes[field], value)
    ]


def _is_or_has(sent: Any, value: Any) -> bool:
    return sent == value or (isinstance(sent, list) and value in sent)
