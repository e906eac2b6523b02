"""What a Website Item takes from its Item and, as a variant, from its template, as ERPNext's own shop does.

Pictures and texts. The price and the warehouse that a variant takes from its template are in `prices` and `stock`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.product_fields import key_of
from erp_medusa_pipelines.sync.engine.names import folded, same_name

PICTURE_FIELDS = (
    "website_image", "website_image_alt", "slideshow", "item_code.image as item_image",
    "item_code.variant_of as item_variant_of",
)  # fmt: skip

Row = dict[str, Any]


def fall_back(erp: ErpNextClient, rows: Iterable[Row], texts: Iterable[str] = ()) -> None:
    """Fill what these Website Items (PICTURE_FIELDS and `texts`) leave empty, in place.

    The picture comes from the item, then its Item, then its template. One request per `read_chunk` templates, and none
    where no variant leaves anything empty.
    """
    filled = ("slideshow", *map(key_of, texts))
    wanted = ("website_image", *filled)
    incomplete: dict[str, list[Row]] = {}
    for row in rows:
        _take(row, {"website_image": row["item_image"], "website_image_alt": None})
        template = row["item_variant_of"]
        if template and not same_name(template, row["item_code"]) and any(_is_empty(row[name]) for name in wanted):
            incomplete.setdefault(folded(template), []).append(row)
    fields = ["name", "item_code", *PICTURE_FIELDS, *texts]
    wanted_templates = sorted({rows[0]["item_variant_of"] for rows in incomplete.values()})
    for template in erp.rows_in(WEBSITE_ITEM, fields, wanted_templates, key="item_code"):
        _take(template, {"website_image": template["item_image"], "website_image_alt": None})
        for row in incomplete.get(folded(template["item_code"]), ()):
            _take(row, template)
            for name in filled:
                if _is_empty(row[name]):
                    row[name] = template[name]


def _take(row: Row, source: Mapping[str, Any]) -> None:
    """Take the picture of `source`, with the text that describes it, where the row has none."""
    if _is_empty(row["website_image"]) and not _is_empty(source["website_image"]):
        row["website_image"], row["website_image_alt"] = source["website_image"], source["website_image_alt"]


def _is_empty(value: Any) -> bool:
    return value is None or not str(value).strip()
