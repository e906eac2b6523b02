"""Settings of the catalogue that mean something only together with another one, or on some sites."""

from collections.abc import Iterator

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.failures import AccessError, PermanentError
from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.readiness.findings import Finding, Level
from erp_medusa_pipelines.sync.shop.families import PARENT, homes_of

AREA = "catalogue"


def settings_have_effect(shop: Shop) -> Iterator[Finding]:
    """Name a setting that does nothing, because the one that it refines is off."""
    settings = shop.settings
    if settings.withdrawn_items == "delete":
        found = f"drafts are deleted {settings.withdrawn_days} days after their items were withdrawn"
        yield Finding(AREA, "WITHDRAWN_ITEMS", Level.OK, f"{found}, by find_orphaned_products")
    pairs = (
        ("UNUSED_OPTION_VALUES", settings.unused_option_values != "keep", "VARIANTS", settings.variants != "products"),
        ("EMPTY_GROUPS=hide", settings.empty_groups == "hide", "CATEGORIES", settings.categories != "off"),
        ("CUSTOMER_PRICES", settings.customer_prices, "PRICE_GROUPS", settings.price_groups),
    )
    for variable, is_set, needed, is_on in pairs:
        if is_set and not is_on:
            fix = f"set {needed}, or take {variable} out"
            yield Finding(AREA, variable, Level.WARN, f"it is set without {needed}", "it does nothing", fix)


def parents_are_named(shop: Shop) -> Iterator[Finding]:
    """With VARIANTS=parents, count the Website Items that name a parent, and those whose parent is no template."""
    if shop.settings.variants != "parents":
        return
    try:
        rows = list(shop.erp.rows(WEBSITE_ITEM, ["name", PARENT], filters=[[PARENT, "is", "set"]]))
        home = homes_of(shop.erp, [row["name"] for row in rows], "parents")
    except AccessError:
        return  # Reported with the rights already.
    except PermanentError as error:
        means = "the export stops: nobody knows which Website Items are one product"
        fix = "install the Frappe app, which has this field, or set VARIANTS=options or products"
        yield Finding(AREA, "VARIANTS", Level.FAIL, f"{WEBSITE_ITEM}.{PARENT}: {error.reason}", means, fix)
        return
    lost = [row["name"] for row in rows if row["name"] not in home]
    if lost:
        found = f"{len(lost)} of {len(rows)} Website Items name a parent that is no template ({', '.join(lost[:5])})"
        fix = "choose a Website Item of a template, as the form offers, or empty the field"
        yield Finding(AREA, "VARIANTS", Level.WARN, found, "each is a product of its own", fix)
    else:
        yield Finding(AREA, "VARIANTS", Level.OK, f"{len(rows)} Website Items name {len(set(home.values()))} parents")
