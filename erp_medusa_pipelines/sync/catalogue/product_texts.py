"""Texts in further languages of products that exist, and of the options of those that have variants."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
        own = self._translator.of(item)
        options = (product["options"] or ()) if item.name in self._families.variants else ()
        further = self._translator.of_options(options)
        locales = sorted({*own, *further})
        if self._module is None:
            return {locale: {**own.get(locale, {}), **_named(options, further.get(locale, {}))} for locale in locales}
        wanted = {locale: {**own.get(locale, {}), **further.get(locale, {})} for locale in locales}
        places = places_of("product", {"id": product["id"], "options": options}, TRANSLATED)
        return texts_of(self._module, product, places, wanted, product[KEY])


def _named(options: Iterable[Row], texts: Mapping[str, str]) -> dict[str, Any]:
    """Return texts by id as the metadata has them: {title of the option: {title, values by value}}."""
    found: dict[str, Any] = {}
    for option in options:
        values = {one["value"]: texts[one["id"]] for one in option["values"] or () if one["id"] in texts}
        title = {"title": texts[option["id"]]} if option["id"] in texts else {}
        if own := {**title, **({"values": values} if values else {})}:
            found[option["title"]] = own
    return {"options": found} if found else {}


def _documents(product: Row) -> Iterator[Row]:
    """Yield a product, its options and their values: each has translations of its own."""
    yield product
    for option in product.get("options") or ():
        yield option
        yield from option["values"] or ()
