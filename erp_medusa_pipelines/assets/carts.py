"""Carts that nobody touches: one mail to the customer, and much later their end. Two thin assets over sync/.

abandoned_carts --> expired_carts
"""

import dagster as dg

from erp_medusa_pipelines.assets.doctypes import doctype
from erp_medusa_pipelines.assets.links import writes
from erp_medusa_pipelines.assets.mails import installation_of, links_of, texts_of
from erp_medusa_pipelines.assets.reporting import SyncConfig, check_spec, sync_run
from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.resources import ShopConnection
from erp_medusa_pipelines.orchestration.shops import pool
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.sync.storefront.abandoned_carts import AbandonedCarts, CartOptions
from erp_medusa_pipelines.sync.storefront.cart_mailing import CART, MailingOptions
from erp_medusa_pipelines.sync.storefront.cart_texts import Links
from erp_medusa_pipelines.sync.storefront.expired_carts import ExpiredCarts, ExpiryOptions
from erp_medusa_pipelines.sync.storefront.journal import Journal
from erp_medusa_pipelines.sync.storefront.quiet_hours import QuietHours
from erp_medusa_pipelines.tasks import owner_task

ABANDONED, EXPIRED = "abandoned_carts", "expired_carts"
GROUP = "storefront"
PART_FOR_MAILS, PART_FOR_DELETING = 0.6, 0.8
"""Of the task's time limit; the rest of it is for reading to the end."""


@dg.asset(
    name=ABANDONED,
    group_name=GROUP,
    metadata=writes(
        erpnext="Email Queue, where mails go through ERPNext (MAIL_BY)",
        medusa="metadata of carts that a mail was sent about: abandoned_mail_…",
        admin_page="customers",
    ),
    kinds={"medusa"},
    # Two runs would note and send side by side.
    pool=pool(ABANDONED),
    deps=[doctype("Email Queue")],
    check_specs=[check_spec(ABANDONED)],
    description="Carts with an address that nobody touches any more, and the one mail that goes out about each.",
)
def abandoned_carts(
    context: dg.AssetExecutionContext, config: SyncConfig, shop: ShopConnection
) -> dg.MaterializeResult:
    with sync_run(context, shop, config, CART) as run, run.shop.mail_sender() as sender:
        # Error texts of servers name whom a mail was for.
        run.shop.erp.http.redact.hide_addresses = run.shop.medusa.http.redact.hide_addresses = True
        settings = run.shop.settings
        options = cart_options(
            settings, links_of(run.shop), installation_of(context.instance), retry_refused=config.retry_rejected
        )
        journal = Journal(state.Values(context.instance), ABANDONED)
        texts = texts_of(run.shop)
        AbandonedCarts(run.shop.medusa, run.report, options, texts=texts, sender=sender, journal=journal).run()
        return run.result()


def cart_options(settings: Settings, links: Links, installation: str, *, retry_refused: bool) -> CartOptions:
    """Return the task's options from the settings."""
    return CartOptions(
        hours=settings.abandoned_cart_hours,
        days=settings.abandoned_cart_days,
        most=settings.abandoned_carts_per_run,
        per_week=settings.abandoned_cart_mails_per_week,
        seconds=owner_task(ABANDONED).seconds * PART_FOR_MAILS,
        mailing=MailingOptions(installation, links, settings.medusa_parallel_calls),
        quiet=QuietHours.of(settings.mail_quiet_hours, settings.schedule_timezone),
        retry_refused=retry_refused,
    )


@dg.asset(
    name=EXPIRED,
    group_name=GROUP,
    metadata=writes(medusa="carts: deleted, by the plugin", admin_page="customers"),
    kinds={"medusa"},
    pool=pool(EXPIRED),
    # A customer is reminded of a cart long before it expires.
    deps=[ABANDONED],
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
    seconds = owner_task(EXPIRED).seconds * PART_FOR_DELETING
    return ExpiryOptions(days=settings.expired_cart_days, most=settings.expired_carts_per_run, seconds=seconds)


ASSETS = [abandoned_carts, expired_carts]
