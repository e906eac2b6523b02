"""Texts in further languages of products that exist, and of the options of those that have variants."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from erp_medusa_pipelines.clients.medusa_translations import MedusaTranslations, Rows
from erp_medusa_pipelines.setting_types import TRANSLATED
from erp_medusa_pipelines.sync.catalogue.fields import Row
from erp_medusa_pipelines.sync.catalogue.filing import Filing
from erp_medusa_pipelines.sync.catalogue.translations import KEY, DocumentTexts, places_of, texts_of
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem
from erp_medusa_pipelines.sync.shop.families import Families

Translations = DocumentTexts | Mapping[str, Any] | None
"""Texts by locale for the metadata, those for Medusa's own translations, or None in a shop of one language."""


class ProductTexts:
    """The texts of the products of one run."""

    def __init__(self, filing: Filing, families: Families) -> None:
        self._translator, self._module = filing.translator, filing.module
        self._families = families
        self.fields = "options.id,options.title,options.values.id,options.values.value" if self._has_options else ""
        """What is asked of a product besides."""

    @property
    def _has_options(self) -> bool:
        return self._translator is not None and bool(self._families.variants)

    def added(self, products: Sequence[Row], read: Callable[[MedusaTranslations, set[str]], Rows]) -> dict[str, Row]:
        """Return products by id, with what Medusa has of their texts, and of their options', below KEY."""
        rows: Mapping[str, Any] = {}
        if self._module is not None:
            rows = {KEY: read(self._module, {one["id"] for product in products for one in _documents(product)})}
        return {product["id"]: {**product, **rows} for product in products}

    def of(self, item: WebsiteItem, product: Row) -> Translations:
        """Return the texts of an item and its product."""
        if self._translator is None:
            return None
        wanted: Mapping[str, Any] = self._translator.of(item)
        is_template = item.name in self._families.variants
        if is_template:
            wanted = self._translator.with_options(wanted, product["options"] or ())
        if self._module is None:
            return wanted
        places = places_of("product", product if is_template else {"id": product["id"]}, TRANSLATED)
        return texts_of(self._module, product, places, wanted, product[KEY])


def _documents(product: Row) -> Iterator[Row]:
    """Yield a product, its options and their values: each has translations of its own."""
    yield product
    for option in product.get("options") or ():
        yield option
        yield from option["values"] or ()
