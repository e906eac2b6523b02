"""What products and variants of the embedded Medusa look like, in requests and in answers.

The fields that requests may have, and the kinds that answers are rendered from. What is done with them belongs to
`products.py` and `variants.py`.
"""

from __future__ import annotations

import math

from erp_medusa_sandbox.medusa.errors import (
    BOOLEAN,
    METADATA,
    NUMBER,
    STRING,
    TEXT,
    Check,
    amount,
    array,
    fields,
    one_of,
    removed,
)
from erp_medusa_sandbox.medusa.fields import (
    ABSENT,
    KINDS,
    Absent,
    Kind,
    kept,
    linked,
    linked_if_any,
    referring,
)
from erp_medusa_sandbox.medusa.http import js_number
from erp_medusa_sandbox.medusa.lists import Value, values_of
from erp_medusa_sandbox.medusa.store import Document, MedusaStore

DATES = ("created_at", "updated_at", "deleted_at")
_MEASURES = ("weight", "length", "height", "width")
_ORIGIN = ("hs_code", "origin_country", "mid_code", "material")

PRODUCT_SCALARS = (
    "title",
    "subtitle",
    "status",
    "external_id",
    "description",
    "handle",
    "is_giftcard",
    "discountable",
    "thumbnail",
    "collection_id",
    "type_id",
    *_MEASURES,
    *_ORIGIN,
    "metadata",
)
VARIANT_SCALARS = (
    "title",
    "sku",
    "barcode",
    "ean",
    "upc",
    "allow_backorder",
    "manage_inventory",
    *_ORIGIN,
    *_MEASURES,
    "metadata",
    "variant_rank",
    "thumbnail",
)

# -- requests ---------------------------------------------------------------------------------------------------

_IDS = array(fields({"id": STRING}, required=("id",)))
_PRICE_SHAPE: dict[str, Check] = {
    "id": STRING,
    "currency_code": STRING,
    "amount": amount,
    "min_quantity": NUMBER,
    "max_quantity": NUMBER,
    "rules": METADATA,
}
_VARIANT_SHAPE: dict[str, Check] = {
    "id": STRING,
    "title": STRING,
    "prices": array(fields(_PRICE_SHAPE, required=("currency_code", "amount"))),
    **dict.fromkeys(("sku", "ean", "upc", "barcode", "thumbnail", *_ORIGIN), TEXT),
    "inventory_items": array(fields({"inventory_item_id": STRING, "required_quantity": NUMBER})),
    "allow_backorder": BOOLEAN,
    "manage_inventory": BOOLEAN,
    "variant_rank": NUMBER,
    **dict.fromkeys(_MEASURES, NUMBER),
    "metadata": METADATA,
    "options": METADATA,
}
_NEW_OPTION = fields({"title": STRING, "values": array(STRING), "ranks": METADATA}, required=("title", "values"))
_PRODUCT_SHAPE: dict[str, Check] = {
    "title": STRING,
    **dict.fromkeys(("subtitle", "description", "thumbnail", "handle", "external_id"), TEXT),
    "is_giftcard": BOOLEAN,
    "discountable": BOOLEAN,
    "images": array(fields({"id": STRING, "url": STRING}, required=("url",))),
    "status": one_of("draft", "proposed", "published", "rejected"),
    "type_id": TEXT,
    "collection_id": TEXT,
    "categories": _IDS,
    "tags": _IDS,
    "options": array(_NEW_OPTION),
    "variants": array(fields(_VARIANT_SHAPE, required=("title", "prices"))),
    "sales_channels": _IDS,
    "shipping_profile_id": TEXT,
    **dict.fromkeys(_MEASURES, NUMBER),
    **dict.fromkeys(_ORIGIN, TEXT),
    "metadata": METADATA,
    "additional_data": METADATA,
}
_CHANGED_SHAPE: dict[str, Check] = {
    **_PRODUCT_SHAPE,
    "options": removed(
        "The 'options' property was removed in version 2.16.0. Please remove it from your request payload."
    ),
    "variants": array(fields(_VARIANT_SHAPE)),
}

NEW_PRODUCT = fields(_PRODUCT_SHAPE, required=("title",))
CHANGED_PRODUCT = fields(_CHANGED_SHAPE)
PRODUCT_BATCH = fields(
    {
        "create": array(NEW_PRODUCT),
        "update": array(fields({"id": STRING, **_CHANGED_SHAPE}, required=("id",))),
        "delete": array(STRING),
    }
)
NEW_VARIANT = fields(_VARIANT_SHAPE, required=("title", "prices"))
CHANGED_VARIANT = fields(_VARIANT_SHAPE)
OPTION_BATCH = fields(
    {
        "add": array(
            fields(
                {"title": STRING, "values": array(STRING), "ranks": METADATA, "is_exclusive": BOOLEAN},
                required=("title", "values"),
            )
        ),
        "update": array(
            fields(
                {
                    "product_option_id": STRING,
                    "add": array(fields({"value": STRING}, required=("value",))),
                    "remove": array(STRING),
                },
                required=("product_option_id",),
            )
        ),
        "remove": array(STRING),
    }
)
CHANGED_OPTION = fields({"title": STRING, "ranks": METADATA})
CHANGED_OPTION_VALUE = fields({"value": STRING})
VARIANT_BATCH = fields(
    {
        "create": array(NEW_VARIANT),
        "update": array(fields(_VARIANT_SHAPE, required=("id",))),
        "delete": array(STRING),
    }
)

# -- answers ----------------------------------------------------------------------------------------------------


def _channels(store: MedusaStore, product: Document) -> list[Document | None]:
    """A channel that does not exist is accepted, and shown as null."""
    return [store.get("sales_channel", identifier) for identifier in product["sales_channel_ids"]]


def _categories(store: MedusaStore, product: Document) -> list[Document | None]:
    return [one for one in (store.get("category", i) for i in product["category_ids"]) if one is not None]


def _tags(store: MedusaStore, product: Document) -> list[Document | None]:
    found = (store.get("product_tag", identifier) for identifier in product.get("tag_ids", ()))
    return [one for one in found if one is not None]


def by_category(_store: MedusaStore, product: Document, wanted: Value) -> bool:
    """Return whether a product passes the filter `category_id`."""
    return not set(values_of(wanted)).isdisjoint(product["category_ids"])


def _product_of(store: MedusaStore, document: Document) -> Document | None:
    return store.get("product", document["product_id"])


def _images_of_variant(store: MedusaStore, variant: Document) -> list[Document | None]:
    product = _product_of(store, variant)
    return list(product["images"]) if product else []


def _values_of_variant(store: MedusaStore, variant: Document) -> list[Document | None]:
    product = _product_of(store, variant)
    options = product["options"] if product else []
    return [
        {**value, "option": option}
        for option in options
        for value in option["values"]
        if value["id"] in variant["option_value_ids"]
    ]


def base_prices(store: MedusaStore, price_set_id: str) -> list[Document]:
    """Return the prices of a variant that belong to no price list."""
    return [price for price in store.find("price", "price_set_id", [price_set_id]) if price["price_list_id"] is None]


def _prices_of_variant(store: MedusaStore, variant: Document) -> list[Document | None] | Absent:
    """A variant without price set has no key for prices, one without prices an empty list."""
    if variant["price_set_id"] is None:
        return ABSENT
    return [{**price, "variant_id": variant["id"]} for price in base_prices(store, variant["price_set_id"])]


def _links(_store: MedusaStore, variant: Document) -> list[Document | None]:
    return [{**link, "variant_id": variant["id"]} for link in variant["inventory_links"]]


def _inventory_quantity(store: MedusaStore, variant: Document, _context: Document) -> float | None:
    if not variant["manage_inventory"]:
        return None
    totals = []
    for link in variant["inventory_links"]:
        levels = store.find("inventory_level", "inventory_item_id", [link["inventory_item_id"]])
        free = sum(level["stocked_quantity"] - level["reserved_quantity"] for level in levels)
        totals.append(math.floor(free / link["required_quantity"]))
    return js_number(min(totals, default=0))


def _calculated_price(store: MedusaStore, variant: Document, context: Document) -> Document | None:
    calculate = context.get("calculated_price")
    return calculate(store, variant) if calculate else None


KINDS["product"] = Kind(
    star=("id", *PRODUCT_SCALARS, *DATES),
    always=("id",),
    relations={
        "type": ("product_type", linked("product_type", "type_id")),
        "collection": ("collection", linked("collection", "collection_id")),
        "categories": ("category", _categories),
        "options": ("option", kept("options")),
        "tags": ("product_tag", _tags),
        "images": ("image", kept("images")),
        "variants": ("variant", referring("variant", "product_id")),
        "sales_channels": ("sales_channel", _channels),
        "shipping_profile": (
            "shipping_profile",
            linked_if_any("shipping_profile", "shipping_profile_id"),
        ),
    },
)
KINDS["option"] = Kind(
    star=("id", "title", "is_exclusive", "metadata", *DATES),
    relations={"values": ("option_value", kept("values"))},
)
KINDS["option_value"] = Kind(
    star=("id", "value", "rank", "metadata", "option_id", *DATES),
    relations={"option": ("option", kept("option"))},
)
KINDS["image"] = Kind(star=("id", "url", "metadata", "rank", "product_id", *DATES))
KINDS["variant"] = Kind(
    star=("id", *VARIANT_SCALARS, "product_id", *DATES),
    named=("inventory_quantity", "calculated_price"),
    always=("id",),
    implied={"inventory_quantity": ("manage_inventory",)},
    relations={
        "product": ("product", _product_of),
        "images": ("image", _images_of_variant),
        "options": ("option_value", _values_of_variant),
        "prices": ("variant_price", _prices_of_variant),
        "inventory_items": ("variant_inventory_item", _links),
    },
    computed={"inventory_quantity": _inventory_quantity, "calculated_price": _calculated_price},
)
KINDS["variant_price"] = Kind(
    star=(
        "id",
        "amount",
        "currency_code",
        "min_quantity",
        "max_quantity",
        "variant_id",
        "created_at",
        "updated_at",
        "rules",
    ),
    always=("id", "variant_id", "rules"),
)
KINDS["variant_inventory_item"] = Kind(
    star=("variant_id", "inventory_item_id", "id", "required_quantity", *DATES),
    always=("variant_id", "inventory_item_id"),
    relations={"inventory": ("inventory_item", linked("inventory_item", "inventory_item_id"))},
)

VARIANT_FIELDS = ("*images", "*options", "*options.option", "*prices")
PRODUCT_FIELDS = (
    "*",
    "*type",
    "*collection",
    "*options",
    "*options.values",
    "*tags",
    "*images",
    "*variants",
    *(f"*variants.{name[1:]}" for name in VARIANT_FIELDS),
    "*sales_channels",
)
