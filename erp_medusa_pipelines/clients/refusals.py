"""Refusals whose words are known: the one table of texts of documents that code acts on.

A refusal that is in no row is shown in the server's own words. Add a row when a request and its answer were recorded,
never from memory.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """One recorded text. `pairs` name the recordings: of Medusa a file, of ERPNext "file: label"."""

    pattern: re.Pattern[str]
    pairs: tuple[str, ...]

    def search(self, reason: str) -> re.Match[str] | None:
        """Find the text in the reason of an error."""
        return self.pattern.search(reason)


def _text(pattern: str, *pairs: str) -> Refusal:
    return Refusal(re.compile(pattern, re.IGNORECASE), pairs)


NO_PRICE_SET = _text(
    r"^No price set exist for variants: (?P<variants>.+)",
    "price_list_prices_batch_create_bad_variant",
    "halfmade_no_price_set_price_list",
)
"""A price for variants that do not exist, and for variants that exist and have no price set: the text is the same."""

HANDLE_TAKEN = _text(
    r"^Product with handle: (?P<value>.*), already exists",
    "products_batch_one_dup_handle",
    "products_create_arabic_again",
)
KEY_TAKEN = _text(
    r"^Product variant with (?P<field>sku|barcode): (?P<value>.*), already exists",
    "products_batch_one_dup_sku",
    "variant_update_duplicate_sku",
    "variant_update_duplicate_barcode",
)
INVENTORY_TAKEN = _text(
    r"^Inventory item with sku: (?P<value>.*), already exists",
    "inventory_item_update_duplicate_sku",
    "inventory_items_workflow_taken",
)
NO_SUCH_ENTITY = _text(
    r"\brelationship (?P<field>\w+): (?P<value>\S+), but such entity does not exist",
    "products_batch_one_bad_collection",
    "products_create_bad_category",
)
NUMBERED_FIELD = _text(
    r"\bfield '(?:(?:create|update), )?(?P<number>\d+), (?P<path>[^']*)'",
    "products_batch_one_missing_title",
    "products_batch_three_bad",
    "price_list_prices_batch_string_amount",
    "inventory_levels_bulk_negative",
)
"""Validation names a field and the number of its document in the call."""

FIELD_MISSING = _text(
    r"\bField '[^']*' is required", "products_batch_one_missing_title", "products_create_missing_title"
)
VALUE_OUTSIDE = _text(r"\bValue for field '[^']*' too ", "inventory_level_update_negative")
WRONG_TYPE = _text(
    r"\bExpected(?: type)?: '[^']*' for field '", "products_create_bad_status", "products_create_null_title_status"
)
BAD_HANDLE = _text(r"^Invalid product handle '", "products_create_bad_handle_chars", "products_create_uppercase_handle")
NO_TITLE = _text(r"^Product title is required", "products_create_empty_title")

FIELD_NOT_PERMITTED = _text(r"Field not permitted in query", "lists.json: unknown field")
UNKNOWN_COLUMN = _text(r"\bUnknown column '", "lists.json: order_by unknown column")
FIELD_EXISTS = _text(
    r"^A field with the name .* already exists in ", "custom_fields_doctypes.json: create again (duplicate)"
)
NOT_FOUND = _text(r"^(?P<document>.+) not found$", "lists.json: unknown doc", "put_errors_names.json: PUT missing doc")

_FIELD = re.compile(r"\bfield '([^']*)'", re.IGNORECASE)
_PLACES = ("create", "update")

TABLE = {name: row for name, row in globals().items() if isinstance(row, Refusal)}

ABOUT_A_VALUE = (FIELD_MISSING, VALUE_OUTSIDE, WRONG_TYPE)
"""Nothing but another value ends these, of the field that is named. All else may be about something else."""

TAKEN = (HANDLE_TAKEN, KEY_TAKEN, INVENTORY_TAKEN)
"""Another document of Medusa has a key that must be unique."""


def is_any(reason: str, rows: tuple[Refusal, ...]) -> bool:
    """Return whether the reason of an error is one of these texts."""
    return any(row.search(reason) for row in rows)


def fields_of_values(reason: str) -> frozenset[str]:
    """Return the fields of which a refusal says that their value will not do, such as "title" or "variants.sku".

    Empty for another refusal. Places in the call are left out of the names.
    """
    if BAD_HANDLE.search(reason):
        return frozenset({"handle"})
    if NO_TITLE.search(reason):
        return frozenset({"title"})
    if not is_any(reason, ABOUT_A_VALUE):
        return frozenset()
    paths = (path.split(", ") for path in _FIELD.findall(reason))
    return frozenset(".".join(part for part in path if part not in _PLACES and not part.isdecimal()) for path in paths)


def variants_without_price_set(reason: str) -> frozenset[str]:
    """Return the variants for which Medusa refused a price, gone or without price set; empty for another refusal."""
    found = NO_PRICE_SET.search(reason)
    return frozenset(part.strip() for part in found["variants"].split(",")) if found else frozenset()


def numbered_fields(reason: str) -> Iterator[tuple[int, str, str]]:
    """Yield (number in the call, path such as "variants, 0, sku", what was said) for each field that is named so."""
    for said in reason.removeprefix("Invalid request: ").split("; "):
        for found in NUMBERED_FIELD.pattern.finditer(said):
            yield int(found["number"]), found["path"], said
