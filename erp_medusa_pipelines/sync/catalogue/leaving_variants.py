"""Variants of a product with options whose items are not for sale any more: they are deleted, as a brake allows.

Medusa cannot hide a variant. It is made again when its item is for sale.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter
from erp_medusa_pipelines.clients.failures import AccessError, ApiError, TransientError
from erp_medusa_pipelines.clients.medusa import metadata_of
from erp_medusa_pipelines.sync.catalogue.product_bodies import HASH_KEY
from erp_medusa_pipelines.sync.catalogue.retired import RETIRED
from erp_medusa_pipelines.sync.catalogue.website_item_sync import WebsiteItemSync
from erp_medusa_pipelines.sync.engine.brake import Guard, Limit, Loss, MassLossError
from erp_medusa_pipelines.sync.engine.quarantine import Lies
from erp_medusa_pipelines.sync.engine.report import WriteBack
from erp_medusa_pipelines.sync.shop.families import Families

EMPTY = {"medusa_id": "", "medusa_variant_id": ""}


def leaving_limit(percent: int, setting: str) -> Limit:
    """Return how many variants may be deleted."""
    return Limit(
        name="variants",
        what="variants would be deleted, because their items are not for sale any more",
        percent=percent,
        setting=setting,
        allow="allow_hiding",
        check="Check that it is the right ERPNext, and that its user sees all Website Items and Items.",
    )


class LeavingVariants:
    """The variants of one batch that go. Failures and counts are those of `sync`."""

    def __init__(self, sync: WebsiteItemSync, writer: ErpNextWriter, families: Families) -> None:
        self._sync, self._writer, self._families = sync, writer, families
        self._not_for_sale = frozenset(families.leaving.values())
        self._gone: dict[str, tuple[str, str]] = {}
        self._moved: set[str] = set()
        self.deleted: set[str] = set()
        """Ids of the variants that are gone."""

    def add(self, variant: Mapping[str, Any], product_id: str, template: str, kept: Collection[str]) -> None:
        """Note a variant (id, metadata) that goes. `kept` are the ids that the template's own Website Items have."""
        self._gone[variant["id"]] = product_id, template
        # Its item is for sale with another template, or about to be: customers lose nothing.
        rests = metadata_of(variant).get(HASH_KEY) == RETIRED
        is_sold = variant["id"] in self._families.bound and variant["id"] not in self._not_for_sale
        if rests or (is_sold and variant["id"] not in kept):
            self._moved.add(variant["id"])

    def delete(self, guard: Guard) -> MassLossError | None:
        """Delete what was added; if customers would lose too many, only what moved. Returns why the others stay."""
        if not self._gone:
            return None
        lost = {
            each: f"a variant of {template}" for each, (_, template) in self._gone.items() if each not in self._moved
        }
        loss = Loss(lost, set(self._families.bound) | lost.keys())
        stopped = guard.refusal(loss, lambda: self._loss_in_shop(loss))
        by_product: dict[tuple[str, str], list[str]] = {}
        for variant, product in self._gone.items():
            if not (stopped and variant in lost):
                by_product.setdefault(product, []).append(variant)
        for (product_id, template), variants in by_product.items():
            self._delete(product_id, template, variants)
        return stopped

    def _delete(self, product_id: str, template: str, variants: Sequence[str]) -> None:
        sync = self._sync
        try:
            sync.medusa.batch_variants(product_id, delete=variants)
            self.deleted.update(variants)
            sync.report.count("variants_deleted", len(variants))
            self._release(variants)
        except AccessError:
            raise
        except TransientError as error:
            sync.defer([template], error)
        except ApiError as error:
            sync.withhold(template, "", error.reason, "variants", lies=Lies.ELSEWHERE, kind="variants")

    def _release(self, variants: Sequence[str]) -> None:
        """Empty the ids of Website Items whose variants were deleted."""
        changes = [(name, EMPTY) for name, variant in self._families.leaving.items() if variant in variants]
        if changes:
            about = WriteBack(WEBSITE_ITEM, "medusa_id", counted="released", problem="ids not emptied")
            self._sync.note_written(about, self._writer.write(WEBSITE_ITEM, changes))

    def _loss_in_shop(self, own: Loss) -> Loss:
        families = self._families
        lost = {variant: name for name, variant in families.leaving.items() if name not in families.alone}
        shop = Loss(lost, set(families.bound))
        shop.add(own)
        return shop
