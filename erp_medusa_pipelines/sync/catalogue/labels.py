"""Product types and tags of Medusa, which a mapping names by their values and a product by their ids.

They are shared by all products and unique by value: one that is there is used, whoever made it; one that is not is
made. None is ever renamed or deleted here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from erp_medusa_pipelines.clients.failures import AccessError, PermanentError
from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem

_ROUTES = {"type": ("product-types", "product_types"), "tags": ("product-tags", "product_tags")}
"""Medusa's route and list of each."""


@dataclass(slots=True)
class Labels:
    """Ids by value, as far as a run has needed them: one look-up for the new values of a window of items."""

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
