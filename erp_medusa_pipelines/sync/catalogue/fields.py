"""Values of a product's fields (product_fields.py): what ERPNext says of a Website Item, and what Medusa has.

How a value is made, and the shape in which Medusa takes it and shows it, as pure functions.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple
from zlib import crc32

from erp_medusa_pipelines.clients.medusa import metadata_of
from erp_medusa_pipelines.product_fields import FIELDS, Empty, How, ProductField, key_of
from erp_medusa_pipelines.sync.catalogue.field_table import DEFAULT, FieldTable
from erp_medusa_pipelines.sync.catalogue.mapping.targets import METADATA, TARGETS
from erp_medusa_pipelines.sync.catalogue.plain_text import clean_name, plain_text
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem, shown_specifications

Row = Mapping[str, Any]
Values = dict[str, Any]
"""Values under the names of the table."""

_EMPTY = {Empty.NEVER: None, Empty.CLEARED: None, Empty.STAYS: None, Empty.REMOVED: "", Empty.ZERO: 0}
"""What Medusa is sent for it. Medusa merges metadata: only an empty text removes a key."""

_MADE: Mapping[How, Callable[[WebsiteItem, ProductField], Any]] = {
    How.NAME: lambda item, field: clean_name(_column(item, field)) or _EMPTY[field.empty],
    How.NAME_OR_CODE: lambda item, field: clean_name(_column(item, field)) or item.item_code,
    How.TEXT: lambda item, field: plain_text(_column(item, field)) or _EMPTY[field.empty],
    How.NUMBER: lambda item, field: _column(item, field) or _EMPTY[field.empty],
    How.YES_NO: lambda item, field: bool(_column(item, field)),
    How.ALWAYS: lambda _item, field: field.constant,
    How.ITEM_CODE: lambda item, _field: item.item_code,
    How.WEBSITE_ITEM: lambda item, _field: item.name,
    How.FOR_SALE: lambda item, _field: "draft" if item.not_for_sale else "published",
    How.COUNTRY: lambda item, _field: item.country_code,
    How.SPECIFICATIONS: lambda item, field: shown_specifications(item.specifications) or _EMPTY[field.empty],
    How.IMAGE: lambda item, _field: image_fingerprint(item),
    How.BARCODE: lambda item, _field: item.barcode,
    How.STOCKED: lambda item, _field: item.is_stocked,
}
"""How the values are made that follow from the Website Item alone. The others are those of the run."""

OF_THE_DOCUMENT = _MADE.keys() - {How.ALWAYS, How.FOR_SALE}
"""Those of which a value can be wrong in the document itself."""

# Looked up once: a night makes the values of every item.
_OF_THE_ITEM = {field.name: (_MADE[field.how], field) for field in FIELDS if field.how in _MADE}
_COLUMNS = {field.name: key_of(field.columns[0]) for field in FIELDS if field.columns}
_KEYS = tuple(dict.fromkeys((one.name, one.place, one.key) for one in (*FIELDS, *TARGETS.values())))


class Shape(NamedTuple):
    """Values as Medusa takes them, in the three parts of a product."""

    product: Values
    metadata: Values
    variant: Values


def erp_values(item: WebsiteItem, names: Collection[str] = _OF_THE_ITEM.keys()) -> Values:
    """Return what ERPNext says of the item, but for its type and its tags, whose ids Medusa has.

    Of the fields that follow product_fields.py, those that are named.
    """
    own = (_OF_THE_ITEM[field.name] for field in item.table.fixed if field.name in _OF_THE_ITEM and field.name in names)
    return {**{field.name: made(item, field) for made, field in own}, **item.made.values}


def medusa_values(product: Row, variant: Row, table: FieldTable = DEFAULT) -> Values:
    """Return what Medusa has of a product (`table.shown`) and its variant: what has a policy, but no pictures."""
    parts = {"product": product, "variant": variant, "metadata": metadata_of(product)}
    return {
        # Metadata has no key, and a product that a plan has made no field, that nobody gave it.
        **{name: parts[place].get(key) for name, place, key in table.compared},
        "tags": sorted(tag["id"] for tag in product.get("tags") or ()),
        "categories": sorted(category["id"] for category in product.get("categories") or ()),
        "sales_channel": sorted(channel["id"] for channel in product["sales_channels"] or () if channel),
        # A link without a row has no key in Medusa's answers.
        "shipping_profile": (product.get("shipping_profile") or {}).get("id"),
    }


def shaped(values: Mapping[str, Any]) -> Shape:
    """Return the values in Medusa's shape."""
    shape = Shape({}, {}, {})
    parts = {"metadata": shape.metadata, "variant": shape.variant}
    for name, place, key in _KEYS:
        if name in values:
            value = values[name]
            linked = [{"id": one} for one in value] if place == "link" and isinstance(value, list) else value
            parts.get(place, shape.product)[key] = linked
    for name, value in values.items():
        if name.startswith(METADATA):
            shape.metadata[name.removeprefix(METADATA)] = value
    return shape


def image_fingerprint(item: WebsiteItem) -> str:
    """Return a hash of the item's image path: metadata is public in the shop, and the path may be private."""
    path = item.row["website_image"]
    return short_hash(path) if path else ""


def short_hash(text: str) -> str:
    """Return an eight-character hash of a text."""
    return f"{crc32(text.encode('utf-8')):08x}"


def _column(item: WebsiteItem, field: ProductField) -> Any:
    return item.row[_COLUMNS[field.name]]
