"""Prices: customer groups, one price list per validity window, and their entries. Three thin assets over sync/.

medusa_customer_groups --> medusa_price_lists --.
                         medusa_products[batch] --+--> medusa_prices[batch]
"""

import dagster as dg
from pydantic import Field

from erp_medusa_pipelines.assets.doctypes import doctype
from erp_medusa_pipelines.assets.leftovers import CONTINUES
from erp_medusa_pipelines.assets.links import writes
from erp_medusa_pipelines.assets.reporting import SyncConfig, SyncRun, check_spec, sync_run
from erp_medusa_pipelines.clients.medusa_customers import MedusaCustomers
from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices
from erp_medusa_pipelines.orchestration.partitions import ONE_RUN_PER_BATCH
from erp_medusa_pipelines.orchestration.resources import ShopConnection
from erp_medusa_pipelines.orchestration.shops import pool
from erp_medusa_pipelines.settings import Settings, variable_name
from erp_medusa_pipelines.sync.catalogue.bindings import Bindings
from erp_medusa_pipelines.sync.engine.report import Reject
from erp_medusa_pipelines.sync.prices.amounts import AmountRule
from erp_medusa_pipelines.sync.prices.audiences import CUSTOMER
from erp_medusa_pipelines.sync.prices.customer_groups import CustomerGroupSync, members_limit
from erp_medusa_pipelines.sync.prices.item_prices import DOCTYPE, check_price_list
from erp_medusa_pipelines.sync.prices.losses import group_limit, price_limit
from erp_medusa_pipelines.sync.prices.price_sync import PriceSync
from erp_medusa_pipelines.sync.prices.pricing_rules import DOCTYPE as PRICING_RULE
from erp_medusa_pipelines.sync.prices.shop_books import keep_preferences, read_audiences, read_books, read_pricing_rules

GROUP = "prices_and_stock"
MOST_WITH_TIERS, MOST_WITH_GROUPS = 650, 430
"""Entries per call: Medusa takes 100 kB. One with both limits of its pieces has up to 150 bytes, a group 75 more."""

KINDS = {"medusa"}


class PriceConfig(SyncConfig):
    """Launchpad config for one run of the prices."""

    allow_removal: bool = Field(
        default=False, description="Go on although more items than PRICE_REMOVAL_PERCENT would lose their only price"
    )


def build_assets(batches: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Build the price assets over these batches."""

    @dg.asset(
        group_name=GROUP,
        metadata=writes(medusa="customer groups and their members", admin_page="customer-groups"),
        kinds=KINDS,
        tags=CONTINUES,
        pool=pool("medusa_customer_groups"),
        deps=[doctype("Customer Group"), doctype("Customer"), doctype("Contact")],
        check_specs=[check_spec("medusa_customer_groups")],
        description=(
            "Customers with a Price List of their own, or of their Customer Group, are members of a group in Medusa"
            " (PRICE_GROUPS; off: nothing is asked or written), and those with Item Prices for themselves of one of"
            " their own (CUSTOMER_PRICES)."
        ),
    )
    def medusa_customer_groups(
        context: dg.AssetExecutionContext, config: PriceConfig, shop: ShopConnection
    ) -> dg.MaterializeResult:
        with sync_run(context, shop, config, CUSTOMER) as run:
            settings = run.shop.settings
            if not settings.price_groups:
                return run.result()
            sync = _group_sync(run, allow_removal=config.allow_removal)
            sync.run()
            return run.result(stopped=sync.losses_stopped)

    @dg.asset(
        group_name=GROUP,
        metadata=writes(
            medusa="price lists (type override, or sale), price preferences",
            admin_page="price-lists",
        ),
        kinds=KINDS,
        tags=CONTINUES,
        # Several runs come to this asset at once each night; one at a time, the later ones find nothing to do.
        pool=pool("medusa_price_lists"),
        deps=[medusa_customer_groups, doctype("Price List"), doctype("Item Price"), doctype("Pricing Rule")],
        check_specs=[check_spec("medusa_price_lists")],
        description=(
            "Medusa price lists of the Item Prices, each for one batch and one window of time: corrected where"
            " somebody changed them, set to draft once their window is over."
        ),
    )
    def medusa_price_lists(
        context: dg.AssetExecutionContext, config: SyncConfig, shop: ShopConnection
    ) -> dg.MaterializeResult:
        with sync_run(context, shop, config, "Price List") as run:
            if run.shop.settings.shows_own_prices:
                # A Customer's first price of its own is shown as soon as it is followed, not only after the next night.
                _group_sync(run).make_groups(own_only=True)
            books = read_books(run.shop.erp, run.shop.medusa, run.shop.settings)
            for lists in books.lists(run.shop.erp, run.shop.medusa):
                lists.reconcile(run.report)
            keep_preferences(MedusaPrices(run.shop.medusa), books.tax_preferences, run.report)
            for rule in books.rules.unsaid:
                run.report.reject(Reject(PRICING_RULE, rule.name, f"not applied in the shop: {rule.unsaid}"))
            return run.result()

    @dg.asset(
        group_name=GROUP,
        metadata=writes(
            erpnext="Item Price: medusa_price_id (a medusa_id found there is emptied: it makes the app refuse saves)",
            medusa="price lists and their entries",
            admin_page="price-lists",
        ),
        kinds=KINDS,
        tags=CONTINUES,
        partitions_def=batches,
        backfill_policy=ONE_RUN_PER_BATCH,
        deps=["medusa_products", medusa_price_lists, doctype("Item Price")],
        check_specs=[check_spec("medusa_prices")],
        description=(
            "Item Prices for everybody, as entries of the price lists; the ids are written back to the Item Prices."
        ),
    )
    def medusa_prices(
        context: dg.AssetExecutionContext, config: PriceConfig, shop: ShopConnection
    ) -> dg.MaterializeResult:
        with sync_run(context, shop, config, DOCTYPE) as run:
            settings = run.shop.settings
            check_price_list(run.shop.erp, settings.erpnext_price_list)
            prices = MedusaPrices(run.shop.medusa)
            books = read_books(run.shop.erp, run.shop.medusa, settings)
            main, *more = books.lists(run.shop.erp, run.shop.medusa)
            limit = price_limit(settings.price_removal_percent, variable_name("price_removal_percent"))
            sync = PriceSync(
                run.scope,
                writer=run.shop.writer,
                prices=prices,
                lists=main,
                more=more,
                rule=AmountRule(prices.currencies(), settings.prices_allow_zero),
                guard=run.guard(limit, allowed=config.allow_removal),
                guard_of_more=run.guard(group_limit(limit), allowed=config.allow_removal),
                entries_per_call=_per_call(settings),
                rules=books.rules,
                packs=settings.price_packs,
                customer_groups=books.customer_groups,
                foreign=Bindings(run.shop.erp, run.shop.medusa, run.families.home).foreign(run.batch),
            )
            sync.run()
            return run.result(stopped=sync.losses_stopped, outage=sync.outage is not None)

    return [medusa_customer_groups, medusa_price_lists, medusa_prices]


def _group_sync(run: SyncRun, *, allow_removal: bool = False) -> CustomerGroupSync:
    settings = run.shop.settings
    limit = members_limit(settings.price_removal_percent, variable_name("price_removal_percent"))
    return CustomerGroupSync(
        erp=run.shop.erp,
        audiences=read_audiences(run.shop.erp, run.shop.medusa, settings, read_pricing_rules(run.shop.erp, settings)),
        customers=MedusaCustomers(run.shop.medusa),
        report=run.report,
        guard=run.guard(limit, allowed=allow_removal),
    )


def _per_call(settings: Settings) -> int:
    if settings.shows_own_prices:
        return min(settings.medusa_price_chunk, MOST_WITH_GROUPS)
    has_tiers = settings.price_packs or settings.pricing_rules
    return min(settings.medusa_price_chunk, MOST_WITH_TIERS) if has_tiers else settings.medusa_price_chunk
