"""The table of a product's fields: one row per field, from which everything else about it follows.

That is: what is read of a Website Item, request bodies, comparison and fingerprint (sync/catalogue/), what a plan shows
of it, what FIELD_POLICIES takes, and the table in docs/tasks.md.

Settings read it, so it imports nothing of ours.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

FieldPolicy = Literal["overwrite", "keep", "until_erp_changes"]
Place = Literal["product", "variant", "metadata", "link", "picture"]
"""Where Medusa has a field. A link is to another document of Medusa's; pictures have a task of their own."""


class How(StrEnum):
    """How a value is made from the columns of its row, in the words of the documentation."""

    NAME = "a name, entities decoded, on one line"
    NAME_OR_CODE = "a name, else the item code"
    TEXT = "plain text; a variant without one has its template's"
    NUMBER = "the number"
    YES_NO = "yes or no"
    ALWAYS = "always"
    ITEM_CODE = "as it is"
    WEBSITE_ITEM = "the Website Item's"
    FOR_SALE = "`published` while ERPNext sells it (see `PUBLISH_WHEN`), else `draft`"
    COLLECTION = "the collection of the Item Group"
    CATEGORIES = "with `CATEGORIES`: the categories of it and of `website_item_groups`, besides those of others"
    TRANSLATIONS = "with `LANGUAGES`: texts by locale, or which of them Medusa's own translations have"
    COUNTRY = "the country's code"
    SPECIFICATIONS = "labels and plain texts of the table of Website Specifications"
    IMAGE = "a hash, which the thumbnail follows"
    PICTURE = "the first picture"
    BARCODE = "the Item's first barcode"
    STOCKED = "no for what has no stock, such as a service, else yes"
    CHANNEL = "the shop's sales channel, or those of `SALES_CHANNELS`"
    PROFILE = "the shop's default shipping profile"


class Empty(StrEnum):
    """What becomes of a field where ERPNext has nothing for it, in the words of the documentation."""

    NEVER = "–"
    CLEARED = "emptied"
    REMOVED = "removed"
    ZERO = "0"
    STAYS = "stays as it is"


@dataclass(frozen=True, slots=True)
class ProductField:
    """One field of a product. `name` is its name in FIELD_POLICIES and reports."""

    name: str
    place: Place
    policy: FieldPolicy | None
    """What becomes of a value that somebody changed in Medusa, by default; None where it is no value for people."""
    how: How
    columns: tuple[str, ...] = ()
    """What is asked of a list of Website Items for it."""
    empty: Empty = Empty.NEVER
    medusa_name: str = ""
    """Medusa's name where it is another one."""
    constant: Any = None
    """The value, of one that is ALWAYS the same."""
    unsaid: Any = None
    """What a new product has that is created without it."""

    @property
    def key(self) -> str:
        """Medusa's name of it, in what is sent."""
        return self.medusa_name or self.name

    @property
    def path(self) -> str:
        """Where Medusa has it, as its refusals name it."""
        return {"metadata": "metadata.", "variant": "variants."}.get(self.place, "") + self.key

    @property
    def asked(self) -> str:
        """What Medusa is asked for to see it."""
        if self.place == "link":
            return f"{self.key.removesuffix('_id')}.id"
        return "metadata" if self.place == "metadata" else self.path


OPTION = "Default"
"""The one option of a product, its value, and the title of its variant."""

IMAGE_KEY = "erp_image"
"""Key in the product's metadata: hash of the Website Item's own image, which the thumbnail follows."""

_COUNTRY = "item_code.country_of_origin as country_of_origin"
_UNTIL: FieldPolicy = "until_erp_changes"

FIELDS = (
    ProductField("title", "product", _UNTIL, How.NAME_OR_CODE, ("web_item_name",)),
    ProductField("subtitle", "product", _UNTIL, How.TEXT, ("short_description",), Empty.CLEARED),
    ProductField("description", "product", _UNTIL, How.TEXT, ("web_long_description",), Empty.CLEARED),
    ProductField("status", "product", "overwrite", How.FOR_SALE, ("published",), unsaid="draft"),
    ProductField("external_id", "product", None, How.WEBSITE_ITEM, ("name",)),
    ProductField("collection", "product", "overwrite", How.COLLECTION, ("item_group",), Empty.STAYS, "collection_id"),
    ProductField("categories", "link", "overwrite", How.CATEGORIES, ("item_group",), Empty.CLEARED),
    ProductField("origin_country", "product", _UNTIL, How.COUNTRY, (_COUNTRY,), Empty.CLEARED),
    ProductField("discountable", "product", _UNTIL, How.ALWAYS, constant=True, unsaid=True),
    ProductField("thumbnail", "picture", _UNTIL, How.PICTURE),
    ProductField("item_code", "metadata", "overwrite", How.ITEM_CODE, ("item_code",)),
    ProductField("uom", "metadata", _UNTIL, How.NAME, ("stock_uom",), Empty.REMOVED),
    ProductField("brand", "metadata", _UNTIL, How.NAME, ("brand",), Empty.REMOVED),
    ProductField("ranking", "metadata", _UNTIL, How.NUMBER, ("ranking",), Empty.ZERO),
    ProductField("specifications", "metadata", _UNTIL, How.SPECIFICATIONS, empty=Empty.REMOVED),
    ProductField("image_alt", "metadata", _UNTIL, How.NAME, ("website_image_alt",), Empty.REMOVED),
    ProductField("translations", "metadata", "overwrite", How.TRANSLATIONS, empty=Empty.REMOVED),
    ProductField(IMAGE_KEY, "metadata", None, How.IMAGE, ("website_image",), Empty.REMOVED),
    ProductField("variant_title", "variant", _UNTIL, How.ALWAYS, medusa_name="title", constant=OPTION),
    ProductField("sku", "variant", "overwrite", How.ITEM_CODE, ("item_code",)),
    ProductField("barcode", "variant", "overwrite", How.BARCODE, empty=Empty.CLEARED),
    ProductField("manage_inventory", "variant", _UNTIL, How.STOCKED, unsaid=True),
    ProductField("allow_backorder", "variant", "overwrite", How.YES_NO, ("on_backorder",), unsaid=False),
    ProductField("sales_channel", "link", "overwrite", How.CHANNEL, medusa_name="sales_channels"),
    ProductField("shipping_profile", "link", "overwrite", How.PROFILE, (), Empty.STAYS, "shipping_profile_id"),
)

OF_VARIANT = {field.name: field.key for field in FIELDS if field.place == "variant" and field.policy}
"""Medusa's names of a variant's fields by those of FIELD_POLICIES."""

FIELD_POLICIES: dict[str, FieldPolicy] = {field.name: field.policy for field in FIELDS if field.policy}
"""What becomes of a field of a product that somebody changed in Medusa, by default."""

SHOWN = ",".join(
    dict.fromkeys(("id", *(field.asked for field in FIELDS if field.how != How.CATEGORIES), "variants.id"))
)
"""What Medusa is asked for to see all of them, but the categories, which not every shop has."""
CATEGORIES_SHOWN = "categories.id"


def columns(hows: Collection[How] = How) -> tuple[str, ...]:
    """Return what is read of a Website Item for all fields, or for those that are made in these ways."""
    return tuple(dict.fromkeys(column for field in FIELDS if field.how in hows for column in field.columns))


def key_of(column: str) -> str:
    """Return the key in ERPNext's answer for a column, which may be one of a linked document under another name."""
    return column.rpartition(" as ")[2]


def unsaid(*places: Place) -> dict[str, Any]:
    """Return what a new product or variant has of its fields that are not sent, under Medusa's names."""
    return {field.key: field.unsaid for field in FIELDS if field.place in places}
