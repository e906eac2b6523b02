"""Medusa's products as a run has seen them: one look-up for all that its assets compare.

An address has room for about 200 ids, so products that are looked up by id cost a request for each 200, and each asset
that does so costs them again. Here a product is looked up once in a run, with the fields of all. The runs of one tick
look at all of Medusa's products together, PRODUCTS_PER_PAGE per request.

What was seen decides what needs no work. Whatever is about to be written is looked up again before: see `products_by`.
What a run writes itself is forgotten by the client.
"""

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from erp_medusa_pipelines.clients.medusa import PRODUCTS, MedusaClient, Row
from erp_medusa_pipelines.clients.reading import UNKEPT
from erp_medusa_pipelines.product_fields import CATEGORIES_SHOWN
from erp_medusa_pipelines.sync.catalogue.can_be_bought import BUYABLE_FIELDS
from erp_medusa_pipelines.sync.catalogue.field_table import DEFAULT
from erp_medusa_pipelines.sync.catalogue.whole import BOUND_FIELDS

log = logging.getLogger(__name__)

FIELDS = ",".join(
    dict.fromkeys(",".join((BOUND_FIELDS, DEFAULT.shown, CATEGORIES_SHOWN, BUYABLE_FIELDS)).split(",")),
)

PRODUCTS_PER_PAGE = 3200
"""Some 10 MB, for which Medusa computes about 1.3 seconds."""

Shape = dict[str, "Shape"]


def seen_products(medusa: MedusaClient, ids: Iterable[str], fields: str) -> list[Row]:
    """Return products by id as they were when this run, or one of its tick, saw them.

    Other fields than FIELDS and those of the shop's mapping are looked up by id.
    """
    reading = medusa.reading
    wanted = {each for each in ids if each}
    of_all = ",".join(dict.fromkeys((*FIELDS.split(","), *filter(None, medusa.fields_of_mapping.split(",")))))
    if reading is None or not set(fields.split(",")) <= set(of_all.split(",")):
        return medusa.products_by("id", wanted, fields)
    shape = _shape(fields)
    try:
        kept = reading.kept(PRODUCTS, of_all, lambda: _all(medusa, of_all) if reading.shared else ())
        found = {row["id"]: _cut(row, shape) for row in kept.find(wanted)}
        # Those that are new, that were written meanwhile, or that this run has not asked for.
        new = medusa.products_by("id", wanted - found.keys(), of_all) if wanted - found.keys() else []
        kept.put((row["id"], row) for row in new)
    except UNKEPT as error:
        log.warning("products are looked up where they are needed: %s", error)
        medusa.reading = None
        return medusa.products_by("id", wanted, fields)
    return [*found.values(), *(_cut(row, shape) for row in new)]


def _all(medusa: MedusaClient, fields: str) -> Iterator[tuple[int, str, Row]]:
    for row in medusa.whole_list("/admin/products", "products", fields, page_size=PRODUCTS_PER_PAGE):
        yield 0, row["id"], row


def _shape(fields: str) -> Shape:
    found: Shape = {}
    for field in fields.split(","):
        below = found
        for part in field.split("."):
            below = below.setdefault(part, {})
    return found


def _cut(value: Any, shape: Shape) -> Any:
    """Return what Medusa answers for these fields alone, of an answer for more. What it has no key for has none."""
    if not shape or value is None:
        return value
    if isinstance(value, list):
        return [_cut(one, shape) for one in value]
    # Medusa gives the id of each row below, whether it is asked for or not.
    return {key: _cut(value[key], below) for key, below in {"id": {}, **shape}.items() if key in value}
