"""The asset newsletter: what is new, on clearance and sold best, to customers who subscribed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from erp_medusa_pipelines.assets.carts import GROUP, PART_FOR_MAILS
from erp_medusa_pipelines.assets.doctypes import doctype
from erp_medusa_pipelines.assets.links import writes
from erp_medusa_pipelines.assets.mails import links_of, texts_of
from erp_medusa_pipelines.assets.reporting import SyncConfig, check_spec, sync_run
from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.mail.texts import Written
from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.resources import ShopConnection
from erp_medusa_pipelines.orchestration.schedules.gates import memory_key
from erp_medusa_pipelines.orchestration.shops import pool
from erp_medusa_pipelines.sync.storefront.editions import Editions
from erp_medusa_pipelines.sync.storefront.journal import Journal
from erp_medusa_pipelines.sync.storefront.newsletter import Newsletter, NewsletterOptions
from erp_medusa_pipelines.sync.storefront.quiet_hours import QuietHours
from erp_medusa_pipelines.sync.storefront.subscribers import CUSTOMER
from erp_medusa_pipelines.tasks import owner_task

ASSET, CONTINUED = "newsletter", "newsletter_continued"
KEY = memory_key(owner_task(CONTINUED).name)
"""Where editions are remembered, so that the gate of the task that continues them knows of them."""


WRITES = writes(erpnext="Email Queue, where mails go through ERPNext (MAIL_BY)", admin_page="customers")


class NewsletterConfig(SyncConfig):
    """Launchpad config of the newsletter."""

    preview: bool = Field(default=False, description="Show the next edition and how many would get it; send nothing")
    send: bool = Field(
        default=False,
        description="Approve what the preview showed: this run sends, and from now on those of the schedule do",
    )


@dg.asset(
    name=ASSET,
    group_name=GROUP,
    metadata=WRITES,
    kinds={"medusa"},
    pool=pool(ASSET),
    deps=["product_collection", "expiring_items", doctype("Email Queue")],
    check_specs=[check_spec(ASSET)],
    description=(
        "The edition of a week: products that are new, on clearance or sold best, to customers who subscribed. Until an"
        " operator has approved one (`send: true` in the Launchpad) a run only shows it."
    ),
)
def newsletter(
    context: dg.AssetExecutionContext, config: NewsletterConfig, shop: ShopConnection
) -> dg.MaterializeResult:
    return _run(context, config, shop, only_continues=False)


@dg.asset(
    name=CONTINUED,
    group_name=GROUP,
    metadata=WRITES,
    kinds={"medusa"},
    # Two runs would send side by side.
    pool=pool(ASSET),
    deps=[ASSET],
    check_specs=[check_spec(CONTINUED)],
    description="The rest of an edition that was not through: after quiet hours, a run's limit, or a failure.",
)
def newsletter_continued(
    context: dg.AssetExecutionContext, config: SyncConfig, shop: ShopConnection
) -> dg.MaterializeResult:
    return _run(context, NewsletterConfig(retry_rejected=config.retry_rejected), shop, only_continues=True)


def _run(
    context: dg.AssetExecutionContext, config: NewsletterConfig, shop: ShopConnection, *, only_continues: bool
) -> dg.MaterializeResult:
    with sync_run(context, shop, config, CUSTOMER) as run, run.shop.mail_sender() as sender:
        # Error texts of servers name whom a mail was for.
        run.shop.erp.http.redact.hide_addresses = run.shop.medusa.http.redact.hide_addresses = True
        work = Newsletter(
            run.shop.erp,
            run.shop.medusa,
            run.report,
            newsletter_options(run.shop, config, only_continues=only_continues),
            texts=texts_of(run.shop),
            sender=sender,
            journal=Journal(state.Values(context.instance), ASSET),
            editions=Editions.of(state.load(context.instance, KEY)),
            keep=lambda editions: state.save(context.instance, KEY, editions.to_json()),
        )
        work.run()
        for fact in ("stopped", "nothing_new"):
            if fact in run.report.facts:
                context.log.info("%s", run.report.facts[fact])
        return run.result(metadata=_shown(work.preview, _folder(context.instance)))


def newsletter_options(shop: Shop, config: NewsletterConfig, *, only_continues: bool) -> NewsletterOptions:
    """Return the task's options from the settings and the launchpad. Raises SettingsError."""
    settings = shop.settings
    return NewsletterOptions(
        most=settings.newsletter_per_run,
        seconds=owner_task(ASSET).seconds * PART_FOR_MAILS,
        links=links_of(shop, "product_url"),
        quiet=QuietHours.of(settings.mail_quiet_hours, settings.schedule_timezone),
        sales_channel_id=shop.medusa.sales_channel_id(settings.medusa_sales_channel_id),
        categories=settings.top_seller_categories,
        preview=config.preview,
        approves=config.send,
        only_continues=only_continues,
        is_plan=shop.plan is not None,
        retry_refused=config.retry_rejected,
    )


def _folder(instance: dg.DagsterInstance) -> Path | None:
    """Return where files of this installation lie; None for one that keeps nothing."""
    return None if instance.is_ephemeral else Path(instance.storage_directory()) / ASSET


def _shown(preview: Mapping[str, Written], folder: Path | None) -> Mapping[str, Any]:
    """Return the mail in each language: its text with the run, its HTML as a file for a browser."""
    shown: dict[str, Any] = {}
    for language, written in preview.items():
        shown[f"preview_{language}"] = dg.MetadataValue.md(f"**{written.subject}**\n```\n{written.text}```")
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{language}.html"
            path.write_text(written.html, encoding="utf-8")
            shown[f"html_{language}"] = dg.MetadataValue.path(path)
    return shown


ASSETS = [newsletter, newsletter_continued]
