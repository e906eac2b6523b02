"""The fields of Medusa that a row of the mapping may fill: where each one is, and what kind of value it takes.

Not among them: what follows from ERPNext's own rules, such as the status, the sku and the links to other documents.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from erp_medusa_pipelines.product_fields import FIELDS, IMAGE_KEY, Place


class Kind(StrEnum):
    """The kind of value that a field takes, in words for people."""

    TEXT = "a text"
    MEASURE = "a number of grams or millimetres"
    YES_NO = "yes or no"
    HANDLE = "an address, made of small letters, digits and hyphens"
    TYPE = "a text, the value of a product type"
    TAGS = "texts, the values of product tags"
    JSON = "a text, a number, yes or no, or a list of them"


@dataclass(frozen=True, slots=True)
class Target:
    """One field. `key` is Medusa's name of it in what is sent."""

    name: str
    """Its name in FIELD_POLICIES, notes and reports."""
    place: Place
    key: str
    kind: Kind

    @property
    def asked(self) -> str:
        """What Medusa is asked for to see it."""
        if self.kind == Kind.TAGS:
            return "tags.id"
        return {"metadata": "metadata", "variant": f"variants.{self.key}"}.get(self.place, self.key)

    @property
    def path(self) -> str:
        """Where Medusa has it, as its refusals name it."""
        return {"metadata": "metadata.", "variant": "variants."}.get(self.place, "") + self.key


METADATA = "metadata."
VARIANT = "variant."

_TEXTS = ("hs_code", "origin_country", "mid_code", "material")
_MEASURES = ("weight", "length", "height", "width")
_KEY = re.compile(r"[^\s.,][^,]{0,99}")

OUR_KEYS = frozenset(
    {
        "erp_hash", "erp_sent", "old_handles", IMAGE_KEY,
        *(field.key for field in FIELDS if field.place == "metadata" and field.policy == "overwrite"),
    }
)  # fmt: skip
"""Keys of the metadata that the export itself keeps notes in, or finds its products by."""

_BUILT_IN = {(field.place, field.key): field.name for field in FIELDS}


def _target(written: str, place: Place, key: str, kind: Kind) -> tuple[str, Target]:
    return written, Target(_BUILT_IN.get((place, key), written), place, key, kind)


TARGETS = dict(
    (
        *(_target(key, "product", key, Kind.TEXT) for key in ("title", "subtitle", "description", *_TEXTS)),
        *(_target(key, "product", key, Kind.MEASURE) for key in _MEASURES),
        _target("discountable", "product", "discountable", Kind.YES_NO),
        _target("handle", "product", "handle", Kind.HANDLE),
        _target("type", "product", "type_id", Kind.TYPE),
        _target("tags", "link", "tags", Kind.TAGS),
        *(_target(f"{VARIANT}{key}", "variant", key, Kind.TEXT) for key in ("barcode", "ean", "upc", *_TEXTS)),
        *(_target(f"{VARIANT}{key}", "variant", key, Kind.MEASURE) for key in _MEASURES),
    )
)
"""All but those of the metadata, by their names in the mapping."""


def find_target(written: str) -> Target | str:
    """Return the field with this name in the mapping, or why there is none, and what to do."""
    if written in TARGETS:
        return TARGETS[written]
    if written.startswith(METADATA):
        key = written.removeprefix(METADATA)
        if key in OUR_KEYS:
            return f"metadata.{key} is kept by the export itself: choose another key"
        if not _KEY.fullmatch(key):
            return "what follows `metadata.` must be a key of up to 100 characters without a comma"
        return _target(written, "metadata", key, Kind.JSON)[1]
    if written in ("sku", f"{VARIANT}sku"):
        return "the sku is always the item_code, by which the export finds its variants: take the row out"
    for field in FIELDS:
        if field.name == written:
            other = {"metadata": METADATA, "variant": VARIANT}.get(field.place, "") + written
            if other in TARGETS or (field.place == "metadata" and field.key not in OUR_KEYS):
                return f"{written!r} is written {other} here"
            return f"{written!r} follows ERPNext's own rules and is not mapped: take the row out"
    return f"Medusa has no field {written!r} that can be mapped: {', '.join(TARGETS)}, or metadata.KEY"
