"""Where an item's product is filed in Medusa: collection, categories, type and tags."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import AccessError, PermanentError
from erp_medusa_pipelines.clients.medusa import CATEGORIES, MedusaClient, metadata_of
from erp_medusa_pipelines.clients.medusa_translations import MedusaTranslations
from erp_medusa_pipelines.setting_types import TRANSLATED, CategoriesOf
from erp_medusa_pipelines.sync.catalogue.categories import GROUP_KEY, is_ours
from erp_medusa_pipelines.sync.catalogue.collections import collection_ids
from erp_medusa_pipelines.sync.catalogue.field_table import DEFAULT, FieldTable
from erp_medusa_pipelines.sync.catalogue.languages import Translator
from erp_medusa_pipelines.sync.catalogue.translations import KEY, places_of, texts_of
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem
from erp_medusa_pipelines.sync.engine.names import ByName
from erp_medusa_pipelines.sync.shop.chosen import groups_above, parents_of_groups

_ROUTES = {"type": ("product-types", "product_types"), "tags": ("product-tags", "product_tags")}
"""Medusa's route and list of each."""


@dataclass(slots=True)
class Labels:
    """Product types and tags, which a mapping names by their values and a product by their ids.

    They are shared by all products and unique by value: one that is there is used, whoever made it; one that is not is
    made. None is ever renamed or deleted here. One look-up for the new values of a window of items.
    """

    medusa: MedusaClient
    _ids: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    _refused: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])

    def prepare(self, items: Iterable[WebsiteItem]) -> None:
        """Find the types and tags of these items, and make those that Medusa lacks. Raises ApiError."""
        wanted = dict.fromkeys((name, text) for item in items for name in _ROUTES for text in _texts(item, name))
        for name in _ROUTES:
            unknown = [text for kind, text in wanted if kind == name and not self._is_known(name, text)]
            if unknown:
                self._find(name, unknown)
            for text in unknown:
                if not self._is_known(name, text):
                    self._make(name, text)

    def of(self, item: WebsiteItem) -> dict[str, Any]:
        """Return the ids of the item's type and tags. A field with one that Medusa refused is left out."""
        found: dict[str, Any] = {}
        for name in item.made.labels:
            ids = [self._ids.get((name, text)) for text in _texts(item, name)]
            if None not in ids:
                found[name] = sorted(map(str, ids)) if name == "tags" else next(iter(ids), None)
        return found

    def problems(self, item: WebsiteItem) -> Mapping[str, str]:
        """Return why Medusa has no type or tag of the item's, by field."""
        return {
            name: self._refused[name, text]
            for name in item.made.labels
            for text in _texts(item, name)
            if (name, text) in self._refused
        }

    def _is_known(self, name: str, text: str) -> bool:
        return (name, text) in self._ids or (name, text) in self._refused

    def _find(self, name: str, texts: Iterable[str]) -> None:
        route, plural = _ROUTES[name]
        for row in self.medusa.find(f"/admin/{route}", plural, "value", texts, "id,value"):
            self._ids[name, row["value"]] = row["id"]

    def _make(self, name: str, text: str) -> None:
        route, _ = _ROUTES[name]
        try:
            self._ids[name, text] = self.medusa.create_label(route, text)["id"]
        except AccessError:
            raise
        except PermanentError as error:
            # Another batch may have made it in between.
            self._find(name, [text])
            if (name, text) not in self._ids:
                self._refused[name, text] = f"Medusa did not make the {route[:-1].replace('-', ' ')}: {error.reason}"


def _texts(item: WebsiteItem, name: str) -> list[str]:
    found = item.made.labels.get(name)
    if found is None:
        return []
    return found if isinstance(found, list) else [found]


@dataclass(frozen=True, slots=True)
class CategoryIds:
    """The shop's categories: ids of those that are shown, by Item Group; `ours` has the hidden ones as well."""

    shown: ByName[str]
    ours: frozenset[str]
    parents: ByName[str]
    """The group above each Item Group."""

    def of(self, groups: Iterable[str]) -> list[str]:
        """Return the categories of these Item Groups, sorted; of one that has none, that of the nearest above."""
        return sorted({found for name in groups if (found := self._nearest(name))})

    def with_others(self, wanted: Iterable[str], current: Iterable[str]) -> list[str]:
        """Return the wanted ones and, of those that a product is in, what somebody else made."""
        return sorted({*wanted, *(one for one in current if one not in self.ours)})

    def _nearest(self, group: str) -> str | None:
        line = (group, *groups_above(self.parents, group))
        return next((found for one in line if (found := self.shown.find(one))), None)


@dataclass(frozen=True, slots=True)
class Filing:
    """Collections, and categories if the shop has them."""

    collections: ByName[str] = field(default_factory=ByName[str])
    categories: CategoryIds | None = None
    labels: Labels | None = None
    """Types and tags, if the shop's mapping has them."""
    translator: Translator | None = None
    """Texts in further languages, if the shop has any."""
    module: MedusaTranslations | None = None
    """Where they are kept, if Medusa's Translation module is on; else in the metadata."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Return what is read of a list of Website Items for it, besides the fields of their products."""
        return self.translator.columns if self.translator else ()

    def prepare(self, items: Iterable[WebsiteItem]) -> None:
        """Find, or make, what these items are filed under, where it is not there for all before. Raises ApiError."""
        if self.labels:
            self.labels.prepare(items)

    def problems(self, item: WebsiteItem) -> Mapping[str, str]:
        """Return what the item cannot be filed under, and why, by field."""
        return self.labels.problems(item) if self.labels else {}

    def of(self, item: WebsiteItem) -> dict[str, Any]:
        """Return the values of the item's field `collection`, and of those that not every shop has.

        These are `categories`, `type`, `tags` and `translations`.
        """
        group = item.row["item_group"] or ""
        filed: dict[str, Any] = {"collection": self.collections.find(group)}
        if self.categories:
            filed["categories"] = self.categories.of([group, *item.further_groups])
        if self.translator:
            filed[KEY] = self.translator.of(item) or ""
        return {**filed, **(self.labels.of(item) if self.labels else {})}

    def noted(self, item: WebsiteItem, filed: Mapping[str, Any]) -> dict[str, Any]:
        """Return these values as a new product has them: texts that Medusa keeps elsewhere are only noted."""
        if self.module is None:
            return dict(filed)
        places = places_of("product", {"id": item.name}, TRANSLATED)
        return {**filed, KEY: texts_of(self.module, {}, places, filed[KEY]).note}


def read_filing(
    erp: ErpNextClient,
    medusa: MedusaClient,
    which: CategoriesOf,
    table: FieldTable = DEFAULT,
    translator: Translator | None = None,
) -> Filing:
    """Read the ids that products are filed under. Without categories in one request, else in three, once a run.

    Types and tags are looked up as items need them.
    """
    categories = None if which == "off" else _category_ids(erp, medusa)
    labels = Labels(medusa) if table.has("type") or table.has("tags") else None
    module = MedusaTranslations.where_on(medusa) if translator else None
    return Filing(collection_ids(erp), categories, labels, translator, module)


def _category_ids(erp: ErpNextClient, medusa: MedusaClient) -> CategoryIds:
    found = medusa.http.once(CATEGORIES, medusa.categories, of_tick=True)
    ours: list[Mapping[str, Any]] = [one for one in found if is_ours(one)]
    return CategoryIds(
        ByName((metadata_of(one)[GROUP_KEY], one["id"]) for one in ours if one["is_active"]),
        frozenset(one["id"] for one in ours),
        parents_of_groups(erp),
    )
