"""The inventory items of variants in Medusa.

Finding each variant's inventory item with its levels, and creating one if a variant has none.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from erp_medusa_pipelines.clients.failures import PermanentError, TransientError
from erp_medusa_pipelines.clients.medusa_inventory import MedusaInventory
from erp_medusa_pipelines.sync.engine.batch_sync import BatchSync
from erp_medusa_pipelines.sync.engine.quarantine import Lies
from erp_medusa_pipelines.sync.stock.items import StockItem
from erp_medusa_pipelines.sync.stock.plan import Stocked, levels_of

VARIANT = "variant"
EXPORT_AGAIN = "the next export gives the item one, with this stock"


class StockedItem(NamedTuple):
    """A Website Item's inventory item and its levels by location."""

    name: str
    inventory_item_id: str
    levels: dict[str, Stocked]


class InventoryReader:
    """Find inventory items for one run; variants without a usable one are reported."""

    def __init__(self, run: BatchSync, inventory: MedusaInventory) -> None:
        self._run = run
        self._inventory = inventory

    def stocked(
        self,
        items: Mapping[str, StockItem],
        judged: Container[str],
        pages: Iterable[Sequence[Mapping[str, Any]]],
    ) -> Iterator[StockedItem]:
        """Return the inventory items of the exported `items` that are `judged`. `pages` holds those found by sku."""
        names = _names(items, judged)
        yield from self._by_sku(names, items, pages)
        yield from self._by_variant(names, items)

    def found_by_sku(
        self, items: Mapping[str, StockItem], judged: Container[str], pages: Iterable[Sequence[Mapping[str, Any]]]
    ) -> Iterator[StockedItem]:
        """Return only those in `pages`; creates and reports nothing."""
        return self._by_sku(_names(items, judged), items, pages)

    def _by_sku(
        self, names: dict[str, str], items: Mapping[str, StockItem], pages: Iterable[Sequence[Mapping[str, Any]]]
    ) -> Iterator[StockedItem]:
        """Return what is found, and remove it from `names`."""
        for row in chain.from_iterable(pages):
            for link in row.get("variant_link") or ():
                name = names.get(link["variant_id"])
                if name and row["sku"] == items[name].item_code:
                    del names[link["variant_id"]]
                    yield StockedItem(name, row["id"], levels_of(row.get("location_levels")))

    def _by_variant(self, names: dict[str, str], items: Mapping[str, StockItem]) -> Iterator[StockedItem]:
        """Find items whose item_code changed since the export, and variants that got another inventory item."""
        for variant in self._inventory.variants_by_id(names) if names else ():
            name = names.pop(variant["id"])
            item_id = self._inventory_item(name, variant, items[name].item_code)
            if item_id is not None:
                links = variant["inventory_items"] or ()
                row = next((link["inventory"] for link in links if link["inventory_item_id"] == item_id), None)
                yield StockedItem(name, item_id, levels_of((row or {}).get("location_levels")))
        for variant_id, name in names.items():
            reason = f"variant {variant_id} is no longer in Medusa: {EXPORT_AGAIN}"
            self._run.reject(name, variant_id, reason, "medusa_variant_id", lies=Lies.ELSEWHERE, kind=VARIANT)

    def _inventory_item(self, name: str, variant: Mapping[str, Any], code: str) -> str | None:
        """Return the variant's inventory item, created if it is missing, or None if the variant has no usable one."""
        links: list[Mapping[str, Any]] = list(variant["inventory_items"] or ())
        own = (links[0].get("inventory") or {}) if len(links) == 1 else {}
        # One with another sku was linked by staff: stock follows it.
        has_no_sku = bool(own) and not own["sku"] and variant["sku"] == code
        if len(links) == 1 and not has_no_sku:
            return links[0]["inventory_item_id"]
        if not variant["manage_inventory"]:
            self._run.report.count("not_managed")
            return None
        fingerprint = f"{variant['id']} {len(links)}"
        try:
            if has_no_sku:
                return self._inventory.give_sku(links[0]["inventory_item_id"], code)
            if links:
                reason = f"variant {variant['id']} has {len(links)} inventory items"
                raise PermanentError("Medusa", variant["id"], reason)
            return self._inventory.stock_variant(variant)
        except PermanentError as error:
            self._run.reject(name, fingerprint, error.reason, lies=Lies.ELSEWHERE, kind=VARIANT)
        except TransientError as error:
            self._run.medusa_breaker.failed(error)
            self._run.defer([name], error)
        return None


def _names(items: Mapping[str, StockItem], judged: Container[str]) -> dict[str, str]:
    """Return Website Items by their variant."""
    return {item.variant_id: name for name, item in items.items() if item.variant_id and name in judged}
