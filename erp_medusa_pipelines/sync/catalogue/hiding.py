"""Products that an export hides: of items that are no longer for sale, and of deleted ones, judged together.

Asking the guard, and what becomes of its answer. What hides a product is decided in shown.py.
"""

from collections.abc import Sequence

from erp_medusa_pipelines.clients.failures import TransientError
from erp_medusa_pipelines.sync.catalogue.product_updates import ProductUpdates
from erp_medusa_pipelines.sync.catalogue.withdrawals import Withdrawal, Withdrawals
from erp_medusa_pipelines.sync.engine.brake import Guard, Loss, MassLossError


def hide(updates: ProductUpdates, withdrawals: Withdrawals, guard: Guard) -> MassLossError | None:
    """Send what `updates.run` held back because it hides products, and hide those of deleted Website Items.

    Where that is too much at once, nothing is hidden, everything else of these updates is sent, and the reason is
    returned.
    """
    gone = [] if updates.outage else withdrawals.find()
    loss = updates.loss
    loss.add(_of_deleted(gone))

    def in_shop() -> Loss:
        shop = updates.loss_in_shop()
        shop.add(_of_deleted(withdrawals.of_the_shop().find()))
        return shop

    try:
        refused = guard.refusal(loss, in_shop)
    except TransientError:
        updates.send_hiding(withhold=True)
        raise
    updates.send_hiding(withhold=refused is not None)
    if not refused:
        withdrawals.send(gone)
    return refused


def _of_deleted(gone: Sequence[Withdrawal]) -> Loss:
    return Loss({one.product_id: one.name for one in gone}, {one.product_id for one in gone})
