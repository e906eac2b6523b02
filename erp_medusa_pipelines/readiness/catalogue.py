"""Settings of the catalogue: do they name what exists, and do they mean anything together?"""

from collections.abc import Iterator, Sequence

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.failures import AccessError, PermanentError
from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.readiness.findings import Finding, Level
from erp_medusa_pipelines.settings import variable_name
from erp_medusa_pipelines.sync.shop.chosen import ITEM_GROUP, LABELS, OF_THE_ITEM, Rule, parents_of_groups
from erp_medusa_pipelines.sync.shop.families import PARENT, homes_of

AREA, CHOICE = "catalogue", "what goes where"


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


def rules_name_what_exists(shop: Shop) -> Iterator[Finding]:
    """Check each name in the rules; none where there are no rules."""
    settings = shop.settings
    if settings.sales_channels:
        yield from _channels(shop)
    rules = {"shop_items": [settings.shop_items], "sales_channels": [*settings.sales_channels.values()]}
    for setting, some in rules.items():
        if not any(some):
            continue
        try:
            found = [finding for rule in some for finding in _of_rule(shop, variable_name(setting), rule)]
        except AccessError:
            continue  # Reported with the rights already.
        yield from found or [Finding(CHOICE, variable_name(setting), Level.OK, _told(some))]


def _channels(shop: Shop) -> Iterator[Finding]:
    variable = variable_name("sales_channels")
    try:
        shop.medusa.check_sales_channels(shop.settings.sales_channels, variable)
    except PermanentError as error:
        yield Finding(CHOICE, variable, Level.FAIL, error.reason, "the export stops", f"correct the rule in {variable}")


def _of_rule(shop: Shop, variable: str, rule: Rule) -> Iterator[Finding]:
    for name, values in rule.items():
        label = LABELS.get(name, f"field {name}")
        if name == ITEM_GROUP:
            known = parents_of_groups(shop.erp)
            for value in values:
                if value not in known:
                    found = f"ERPNext has no {label} {value}"
                    means = "the tasks stop: what it held would leave the shop"
                    yield Finding(CHOICE, variable, Level.FAIL, found, means, f"correct the rule in {variable}")
            continue
        doctype, field = (
            ("Item", name.removeprefix(OF_THE_ITEM)) if name.startswith(OF_THE_ITEM) else (WEBSITE_ITEM, name)
        )
        unused = _unused(shop, doctype, field, values)
        if unused is None:
            found = f"{doctype} has no field {field}, or the user may not read it"
            yield Finding(CHOICE, variable, Level.FAIL, found, "the tasks stop", f"correct the rule in {variable}")
        elif unused:
            found = f"no {doctype} has {label} {', '.join(unused)}"
            means = "that part of the rule takes nothing"
            yield Finding(CHOICE, variable, Level.WARN, found, means, f"correct the rule in {variable}")


def _unused(shop: Shop, doctype: str, field: str, values: Sequence[str]) -> list[str] | None:
    """Return those values that no document has; None where there is no such field."""
    try:
        return [value for value in values if not shop.erp.exists(doctype, filters=[[field, "=", value]])]
    except AccessError:
        raise
    except PermanentError as error:
        if error.status == 417 or error.exc_type in ("DataError", "OperationalError"):
            return None
        raise


def _told(rules: Sequence[Rule]) -> str:
    return "; ".join(
        " and ".join(f"{LABELS.get(name, name)} {' or '.join(values)}" for name, values in rule.items()) or "everything"
        for rule in rules
    )
