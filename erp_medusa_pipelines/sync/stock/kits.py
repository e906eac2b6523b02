"""Product Bundles in Medusa: their variants are linked to their parts' inventory items.

So a part that sells out sells out the bundle in the same moment, and an order for bundles reserves the parts. Where
Medusa does not have all parts, or needs a fraction of one, the variant keeps an inventory item of its own, with the
number that ERPNext's stock of the parts allows.

What a bundle's variant is linked to. The number is computed in `on_hand.py`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from erp_medusa_pipelines.clients.failures import PermanentError, TransientError
from erp_medusa_pipelines.clients.medusa_inventory import MedusaInventory
from erp_medusa_pipelines.sync.engine.batch_sync import BatchSync
from erp_medusa_pipelines.sync.engine.names import ByName
from erp_medusa_pipelines.sync.engine.quarantine import Lies
from erp_medusa_pipelines.sync.shop.bundles import Part
from erp_medusa_pipelines.sync.stock.items import StockItem

KIT = "kit"
Links = dict[str, int]
"""Pieces in each bundle, by inventory item."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """An exported bundle, with all its parts."""

    item: StockItem
    parts: Sequence[Part]


class Kits:
    """Link the variants of one run's bundles. `exported` holds variants of the shop's stocked Items by item code."""

    def __init__(self, run: BatchSync, inventory: MedusaInventory, exported: Mapping[str, str]) -> None:
        self._run = run
        self._inventory = inventory
        self._exported = exported

    def link(self, bundles: Sequence[Bundle]) -> frozenset[str]:
        """Link what must be linked. Returns the Website Items whose stock in Medusa is their parts'.

        One whose variant could not be linked is reported. Raises TransientError when Medusa cannot be read.
        """
        if not bundles:
            return frozenset()
        items, variants = self._parts_in_medusa(bundles), self._variants(bundles)
        kits: set[str] = set()
        for one in bundles:
            wanted = _links(one.parts, items)
            variant = variants.get(one.item.variant_id)
            if variant is None:
                # The stock sync reports a variant that is gone.
                continue
            if wanted and self._carry_out(one.item, variant, wanted):
                kits.add(one.item.name)
            elif not wanted:
                self._take_apart(one.item, variant)
        self._run.report.count("kits", len(kits))
        return frozenset(kits)

    def complete(self, bundles: Sequence[Bundle]) -> None:
        """Link bundles of other batches of which this run brought a part. Where it fails, their next run reports it.

        Raises ApiError when Medusa cannot be read.
        """
        items, variants = self._parts_in_medusa(bundles), self._variants(bundles)
        for one in bundles:
            wanted, variant = _links(one.parts, items), variants.get(one.item.variant_id)
            # A copied Website Item has the ids of the original.
            if wanted and variant and variant["sku"] == one.item.item_code:
                create, update, delete = _differences(variant, wanted)
                if create or update or delete:
                    self._inventory.relink(variant, create=create, update=update, delete=delete)
                    self._run.report.count("kits_linked")

    def _variants(self, bundles: Iterable[Bundle]) -> dict[str, Mapping[str, Any]]:
        return {row["id"]: row for row in self._inventory.variants_by_id(one.item.variant_id for one in bundles)}

    def _parts_in_medusa(self, bundles: Iterable[Bundle]) -> ByName[str]:
        """Return the inventory items of the parts by item code: those that stock their own exported variant."""
        codes = ByName((part.item_code, True) for one in bundles for part in one.parts if part.is_stocked)
        known = sorted(code for code in self._exported if code in codes)
        return ByName(
            (row["sku"], row["id"])
            for row in self._inventory.items_by_sku(known)
            if any(link["variant_id"] == self._exported[row["sku"]] for link in row.get("variant_link") or ())
        )

    def _carry_out(self, item: StockItem, variant: Mapping[str, Any], wanted: Links) -> bool:
        """Return whether the variant is linked to the parts now."""
        create, update, delete = _differences(variant, wanted)
        if not (create or update or delete):
            return True
        return self._try(item, lambda: self._inventory.relink(variant, create=create, update=update, delete=delete))

    def _take_apart(self, item: StockItem, variant: Mapping[str, Any]) -> None:
        """Give the variant its own inventory item back where it is linked to parts."""
        links = variant["inventory_items"] or ()
        # In a plan, a variant that it made is linked to nothing but its own.
        skus = {link["inventory_item_id"]: (link.get("inventory") or variant)["sku"] for link in links}
        parts = [each for each, sku in skus.items() if sku != variant["sku"]]
        if not parts:
            return

        def apart() -> None:
            self._inventory.relink(variant, delete=parts)
            if len(parts) == len(links):
                self._inventory.stock_variant(variant)

        self._try(item, apart)

    def _try(self, item: StockItem, change: Callable[[], None]) -> bool:
        try:
            change()
        except PermanentError as error:
            text = f"the bundle could not be linked to its parts: {error.reason}"
            self._run.reject(item.name, item.variant_id, text, lies=Lies.ELSEWHERE, kind=KIT)
        except TransientError as error:
            self._run.medusa_breaker.failed(error)
            self._run.defer([item.name], error)
        else:
            self._run.report.count("kits_linked")
            return True
        return False


def _differences(variant: Mapping[str, Any], wanted: Links) -> tuple[Links, Links, list[str]]:
    """Return what to attach to a variant, what with another number of pieces, and what to detach."""
    there = {link["inventory_item_id"]: link.get("required_quantity", 1) for link in variant["inventory_items"] or ()}
    return (
        {each: pieces for each, pieces in wanted.items() if each not in there},
        {each: pieces for each, pieces in wanted.items() if there.get(each, pieces) != pieces},
        [each for each in there if each not in wanted],
    )


def _links(parts: Iterable[Part], items: ByName[str]) -> Links:
    """Return what a bundle's variant must be linked to; nothing where it must have an inventory item of its own."""
    stocked = [part for part in parts if part.is_stocked or part.against]
    fits = all(
        part.against is None and part.item_code in items and part.quantity >= 1 and part.quantity == int(part.quantity)
        for part in stocked
    )
    return {items.find(part.item_code) or "": int(part.quantity) for part in stocked} if fits else {}
