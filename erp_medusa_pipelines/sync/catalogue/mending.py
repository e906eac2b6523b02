"""Make half-made products whole, in place: product, variant and inventory item keep their ids, and so do orders.

The calls, and waiting for a Medusa that may still be at work. What a whole product has: whole.py.

Nothing is deleted. A variant without price set gets one from Medusa's own workflow for prices; no other call can add it
(a variant's update answers 404, a price list 400, an update of its product 200 without doing it).
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.failures import AccessError, ApiError, PermanentError
from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.clients.medusa_inventory import MedusaInventory
from erp_medusa_pipelines.clients.medusa_options import MedusaOptions
from erp_medusa_pipelines.product_fields import OPTION
from erp_medusa_pipelines.sync.catalogue.product_bodies import Placement, create_variant_body
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem
from erp_medusa_pipelines.sync.catalogue.whole import Part, Row, made_at
from erp_medusa_pipelines.sync.engine.delivery import deliver

log = logging.getLogger(__name__)

SETTLED_AFTER = timedelta(seconds=20)
"""A half-made product younger than this may still be in the making: a chunk takes Medusa one or two seconds, and it
works on although the run that asked is gone."""


@dataclass(slots=True)
class Half:
    """A product that lacks parts. `name` is the Website Item; `item` is needed where the variant is missing."""

    name: str
    item_code: str
    product: Row
    variant: Row | None
    lacks: frozenset[Part]
    item: WebsiteItem | None = None
    is_claimed: bool = False
    """Whether the product names no Website Item yet, and gets this one's name."""


def wait_until_settled(medusa: MedusaClient, products: Iterable[Row]) -> bool:
    """Wait until Medusa cannot be at work on these half-made products any more. Returns whether to look again."""
    now = medusa.http.server_clock or datetime.now(UTC)
    rest = max((SETTLED_AFTER - (now - made_at(product)) for product in products), default=timedelta())
    if rest <= timedelta():
        return False
    log.info("products are half-made and new: looking again in %.0f s, in case Medusa is at work", rest.total_seconds())
    medusa.http.pause(min(rest, SETTLED_AFTER).total_seconds())
    return True


class Mender:
    """Make products of one Medusa whole, as few calls as it offers. `chunk` products go into one call."""

    def __init__(self, medusa: MedusaClient, placement: Placement | None, chunk: int) -> None:
        self._medusa = medusa
        self._placement = placement
        self._chunk = chunk
        self._errors: dict[str, ApiError] = {}

    def mend(self, halves: Sequence[Half]) -> dict[str, ApiError]:
        """Add what is missing, and set `variant` where one was created. Returns what failed, by Website Item.

        Raises AccessError.
        """
        self._errors = {}
        for half in halves:
            parts = ", ".join(sorted(half.lacks))
            if parts:
                log.info("%s: product %s has no %s: adding it", half.name, half.product["id"], parts)
        self._together([half for half in halves if self._fields(half)], self._update_products)
        self._each(halves, Part.OPTION, self._add_option)
        self._each(halves, Part.VARIANT, self._create_variant)
        self._add_price_sets([half for half in halves if Part.PRICE_SET in half.lacks])
        self._each(halves, Part.INVENTORY, self._stock)
        self._together([half for half in halves if Part.INVENTORY_SKU in half.lacks], self._rename_inventory)
        return self._errors

    # --- many at once -----------------------------------------------------------------------------------------

    def _together(
        self,
        halves: Iterable[Half],
        send: Callable[[Sequence[Half]], None],
        recover: Callable[[Sequence[Half]], list[Half]] | None = None,
    ) -> None:
        left = [half for half in halves if half.name not in self._errors]
        for some in batched(left, self._chunk):
            delivery = deliver(some, send, recover=recover)
            self._errors |= {half.name: error for half, error in (*delivery.rejected, *delivery.failed)}

    def _fields(self, half: Half) -> dict[str, object]:
        fields: dict[str, object] = {"external_id": half.name} if half.is_claimed else {}
        if self._placement and Part.CHANNEL in half.lacks:
            fields["sales_channels"] = [{"id": one} for one in self._placement.channels_of(half.item)]
        if self._placement and Part.PROFILE in half.lacks:
            fields["shipping_profile_id"] = self._placement.shipping_profile_id
        return fields

    def _update_products(self, group: Sequence[Half]) -> None:
        # Items may share a product, which is sent once.
        updates = {half.product["id"]: {"id": half.product["id"], **self._fields(half)} for half in group}
        self._medusa.batch_products(update=list(updates.values()), fields="id")

    def _add_price_sets(self, halves: Sequence[Half]) -> None:
        self._together(halves, self._give_price_sets, self._without_price_set)
        refused = [half for half in halves if type(self._errors.get(half.name)) is PermanentError]
        without = self._without_price_set(refused) if refused else []
        for half in refused:
            error = self._errors.pop(half.name)
            if half in without:
                self._errors[half.name] = _cannot_be_priced(half, error)

    def _give_price_sets(self, group: Sequence[Half]) -> None:
        self._medusa.give_price_sets([(half.variant["id"], half.product["id"]) for half in group if half.variant])

    def _without_price_set(self, group: Sequence[Half]) -> list[Half]:
        """Return those that still have none: the call may have been carried out, or another one."""
        ids = {half.variant["id"]: half for half in group if half.variant}
        rows = self._medusa.find("/admin/product-variants", "variants", "id", ids, "id,prices.id")
        return [ids[row["id"]] for row in rows if row.get("prices") is None]

    def _rename_inventory(self, group: Sequence[Half]) -> None:
        updates = [
            {"id": half.variant["inventory_items"][0]["inventory_item_id"], "sku": half.item_code}
            for half in group
            if half.variant
        ]
        self._medusa.update_inventory_items(updates)

    # --- one by one -------------------------------------------------------------------------------------------

    def _each(self, halves: Iterable[Half], part: Part, mend: Callable[[Half], None]) -> None:
        for half in halves:
            if part not in half.lacks or half.name in self._errors:
                continue
            try:
                mend(half)
            except AccessError:
                raise
            except ApiError as error:
                self._errors[half.name] = error

    def _add_option(self, half: Half) -> None:
        MedusaOptions(self._medusa).add_options(half.product["id"], {OPTION: [OPTION]})
        if half.variant:
            self._medusa.update_variant(half.product["id"], half.variant["id"], {"options": {OPTION: OPTION}})

    def _create_variant(self, half: Half) -> None:
        if half.item is None:
            raise PermanentError("Medusa", f"product {half.product['id']}", "its Website Item was deleted meanwhile")
        body = create_variant_body(half.item, self._unused_inventory(half.item_code), _options(half.product))
        made = self._medusa.create_variant(half.product["id"], body, "id,variants.id,variants.sku")
        half.variant = made["variants"][0]

    def _unused_inventory(self, sku: str) -> str | None:
        """Return an inventory item that has this sku and stocks nothing: a new variant must take it over."""
        rows = self._medusa.inventory_items_by_sku([sku], "id,sku,variants.id")
        return next((row["id"] for row in rows if not row["variants"]), None)

    def _stock(self, half: Half) -> None:
        if half.variant:
            variant = {**half.variant, "product_id": half.product["id"]}
            MedusaInventory(self._medusa).stock_variant(variant)


def _cannot_be_priced(half: Half, error: ApiError) -> PermanentError:
    variant = half.variant["id"] if half.variant else ""
    text = (
        f"variant {variant} has no price set, and Medusa adds none ({error.reason}). Delete this variant in Medusa:"
        " the next run creates it again"
    )
    return PermanentError(error.service, error.where, text, status=error.status)


def _options(product: Row) -> dict[str, str] | None:
    """Return a value of each option that the product has: staff may have renamed ours. None for our own."""
    shown = {one["title"]: one["values"][0]["value"] for one in product.get("options") or () if one.get("values")}
    return shown or None
