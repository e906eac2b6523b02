"""Variants of a product with options whose items are not for sale any more: they are deleted, as a brake allows.

Medusa cannot hide a variant. It is made again when its item is for sale.
"""

from collections.abc import Collection, Mapping, Sequence

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter
from erp_medusa_pipelines.clients.failures import AccessError, ApiError, TransientError
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

    def __init__(self, sync: WebsiteItemSync, writer: ErpNextWriter, families: Families, guard: Guard) -> None:
        self._sync, self._writer, self._families, self._guard = sync, writer, families, guard
        self.deleted: set[str] = set()
        """Ids of the variants that are gone."""

    def delete(self, gone: Mapping[str, tuple[str, str]], moved: Collection[str]) -> MassLossError | None:
        """Delete variants, given as (product, template) by id; return why those not `moved` stay, if too many go.

        The items of those `moved` are for sale with another template: customers lose nothing.
        """
        if not gone:
            return None
        lost = {variant: f"a variant of {template}" for variant, (_, template) in gone.items() if variant not in moved}
        loss = Loss(lost, set(self._families.bound) | lost.keys())
        stopped = self._guard.refusal(loss, lambda: self._loss_in_shop(loss))
        by_product: dict[tuple[str, str], list[str]] = {}
        for variant, product in gone.items():
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
