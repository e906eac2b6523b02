"""The asset expired_carts: carts that nobody touched for so long that they are deleted."""

import dagster as dg

from erp_medusa_pipelines.assets.abandoned_carts import GROUP
from erp_medusa_pipelines.assets.links import writes
from erp_medusa_pipelines.assets.reporting import SyncConfig, sync_run
from erp_medusa_pipelines.orchestration.resources import ShopConnection
from erp_medusa_pipelines.orchestration.shops import pool
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.sync.storefront.expired_carts import CART, ExpiredCarts, ExpiryOptions
from erp_medusa_pipelines.tasks import owner_task

ASSET = "expired_carts"
PART_FOR_DELETING = 0.8
"""Of the task's time limit."""


@dg.asset(
    name=ASSET,
    group_name=GROUP,
    metadata=writes(medusa="carts: deleted, by the plugin", admin_page="customers"),
    kinds={"medusa"},
    pool=pool(ASSET),
    # A customer is reminded of a cart long before it expires.
    deps=["abandoned_carts"],
    description="Carts that nobody touches, deleted in blocks; completed ones and those being paid for stay.",
)
def expired_carts(context: dg.AssetExecutionContext, config: SyncConfig, shop: ShopConnection) -> dg.MaterializeResult:
    with sync_run(context, shop, config, CART) as run:
        run.shop.medusa.http.redact.hide_addresses = True
        ExpiredCarts(run.shop.medusa, run.report, expiry_options(run.shop.settings)).run()
        if skipped := run.report.facts.get("skipped"):
            context.log.info("%s", skipped)
        return run.result()


def expiry_options(settings: Settings) -> ExpiryOptions:
    """Return the task's options from the settings."""
    seconds = owner_task(ASSET).seconds * PART_FOR_DELETING
    return ExpiryOptions(days=settings.expired_cart_days, most=settings.expired_carts_per_run, seconds=seconds)


ASSETS = [expired_carts]
