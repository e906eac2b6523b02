"""Settings of the catalogue that mean something only together with another one."""

from collections.abc import Iterator

from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.readiness.findings import Finding, Level

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
    )
    for variable, is_set, needed, is_on in pairs:
        if is_set and not is_on:
            fix = f"set {needed}, or take {variable} out"
            yield Finding(AREA, variable, Level.WARN, f"it is set without {needed}", "it does nothing", fix)
