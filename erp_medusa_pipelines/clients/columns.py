"""Columns of ERPNext that hold texts. Where a shop changed a field's type, its numbers become texts."""

from typing import Any

TEXT_COLUMNS = frozenset({
    # Names and links.
    "name", "parent", "item", "item_code", "item_group", "parent_item_group", "item_item_group", "item_variant_of",
    "brand", "item_brand", "stock_uom", "item_stock_uom", "uom", "weight_uom", "warehouse", "website_warehouse",
    "warehouse_type", "price_list", "default_price_list", "for_price_list", "currency", "slideshow", "attached_to_name",
    "attached_to_field", "deleted_name", "link_name", "customer", "supplier", "customer_group",
    "parent_customer_group", "user", "company", "campaign", "territory", "sales_partner",
    # Texts.
    "title", "item_name", "web_item_name", "item_group_name", "short_description", "web_long_description",
    "description", "label", "route", "image", "website_image", "website_image_alt", "item_image",
    "country_of_origin", "code", "barcode", "attribute", "attribute_value", "email_id", "file_name", "file_type",
    "file_url", "content_hash", "method", "status", "error",
    # Words of a Pricing Rule; its priority is a text, too.
    "apply_on", "apply_rule_on_other", "condition", "price_or_product_discount", "priority", "rate_or_discount",
    # What is noted of Medusa.
    "medusa_id", "medusa_variant_id", "medusa_price_id",
    # Times that are compared as ERPNext writes them.
    "creation", "modified",
})  # fmt: skip


def with_texts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with texts in all text columns; an empty field stays None."""
    for row in rows:
        for column in TEXT_COLUMNS & row.keys():
            value = row[column]
            if value is not None and not isinstance(value, str):
                row[column] = str(value)
    return rows
