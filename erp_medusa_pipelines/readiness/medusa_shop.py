"""Is the Medusa shop set up for the tasks: channel, stock locations, currencies, regions, products?"""

from collections import Counter
from collections.abc import Iterator

from erp_medusa_pipelines.clients.failures import PermanentError
from erp_medusa_pipelines.clients.medusa_translations import LOCALES, MedusaTranslations, normal_locale
from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.readiness.findings import Finding, Level, judged
from erp_medusa_pipelines.sync.catalogue.categories import read_groups, wanted_groups
from erp_medusa_pipelines.sync.catalogue.category_tree import wanted_tree
from erp_medusa_pipelines.sync.catalogue.collections import used_groups
from erp_medusa_pipelines.sync.shop.families import homes_of

AREA = "Medusa shop"
SAMPLE = 300
"""Website Items whose ids are looked up; the tasks check all of them every night."""


def channel_and_locations_are_named(shop: Shop) -> Iterator[Finding]:
    """Check the sales channel, the stock locations, and whether the shop sells from them."""
    settings, medusa = shop.settings, shop.medusa
    try:
        channel = medusa.sales_channel_id(settings.medusa_sales_channel_id)
        yield Finding(AREA, "sales channel", Level.OK, channel)
    except PermanentError as error:
        yield Finding(AREA, "sales channel", Level.FAIL, error.reason, "no product can be sent", "set it as described")
        return
    try:
        default = medusa.stock_location_id(settings.medusa_stock_location_id)
    except PermanentError as error:
        yield Finding(AREA, "stock location", Level.FAIL, error.reason, "no stock can be sent", "set it as described")
        return
    wanted = {default, *settings.warehouse_stock_locations.values()}
    rows = medusa.all_of("/admin/stock-locations", "stock_locations", "id,name,sales_channels.id")
    linked = {row["id"]: {one["id"] for one in row.get("sales_channels") or () if one} for row in rows}
    yield from (_location(location, channel, linked) for location in sorted(wanted))


def _location(location: str, channel: str, linked: dict[str, set[str]]) -> Finding:
    if location not in linked:
        fix = "correct WAREHOUSE_STOCK_LOCATIONS"
        return Finding(AREA, "stock location", Level.FAIL, f"{location} does not exist", "its stock is lost", fix)
    if channel not in linked[location]:
        means = "stock at this location cannot be bought: Medusa refuses it in the cart"
        fix = "link the location to the sales channel (Settings, Locations, Sales Channels)"
        return Finding(AREA, "stock location", Level.FAIL, f"{location} is not linked to {channel}", means, fix)
    return Finding(AREA, "stock location", Level.OK, f"{location}, linked to the channel")


def languages_are_known(shop: Shop) -> Iterator[Finding]:
    """Check where texts in further languages are kept, and whether Medusa names these languages to a storefront."""
    if not shop.settings.languages:
        return
    name = "languages"
    if MedusaTranslations.where_on(shop.medusa) is None:
        found = "Medusa's Translation module is off: texts are in the metadata"
        yield Finding(AREA, name, Level.OK, found)
        return
    listed = {row["code"] for row in shop.medusa.all_of(LOCALES, "locales", "code", page_size=200)}
    stores = shop.medusa.all_of("/admin/stores", "stores", "id,supported_locales.locale_code")
    offered = {each["locale_code"] for row in stores for each in row.get("supported_locales") or ()}
    for locale in sorted(map(normal_locale, shop.settings.languages)):
        found = f"{locale} is in Medusa's own translations"
        if locale in offered:
            yield Finding(AREA, name, Level.OK, found)
        elif locale in listed:
            means = "GET /store/locales does not name it: a storefront that asks for its languages does not offer it"
            fix = f"add {locale} to the store's locales in Medusa"
            yield Finding(AREA, name, Level.WARN, f"{found}, not among the store's locales", means, fix)
        else:
            means = "the Store API answers it all the same; Medusa Admin and GET /store/locales do not know it"
            yield Finding(AREA, name, Level.OK, f"{found}, which has no such locale", means)


def currency_can_be_sold_in(shop: Shop) -> Iterator[Finding]:
    """Check that the store has the price list's currency, and that a region uses it."""
    name = shop.settings.erpnext_price_list
    lists = shop.erp.get_list("Price List", ["name", "currency", "enabled"], filters=[["name", "=", name]])
    if not lists:
        fix = "set ERPNEXT_PRICE_LIST to one of the site's selling Price Lists"
        yield Finding(AREA, "prices", Level.FAIL, f"ERPNext has no Price List {name}", "no price is sent", fix)
        return
    currency = str(lists[0]["currency"] or "").lower()
    stores = shop.medusa.all_of("/admin/stores", "stores", "id,supported_currencies.currency_code")
    supported = {one["currency_code"] for store in stores for one in store.get("supported_currencies") or ()}
    listed = ", ".join(sorted(supported))
    fine, wrong = f"{currency} of {name}", "" if currency in supported else f" is not among the store's: {listed}"
    fix = "add the currency to the store (Settings, Store)"
    yield judged(AREA, "currency", fine, wrong and fine + wrong, "every price is rejected", fix)
    regions = shop.medusa.all_of("/admin/regions", "regions", "id,name,currency_code")
    sold = ", ".join(row["name"] for row in regions if row["currency_code"] == currency)
    wrong, fix = "" if sold else f"no region sells in {currency}", f"create a region with the currency {currency}"
    yield judged(AREA, "regions", sold, wrong, "the storefront shows no price", fix, level=Level.WARN)


def ids_point_to_something(shop: Shop) -> Iterator[Finding]:
    """Check a sample of Website Items' products, and the collections of all Item Groups that hold any."""
    rows = shop.erp.get_list(
        "Website Item",
        ["name", "medusa_id"],
        filters=[["medusa_id", "is", "set"]],
        # Item has both columns too.
        order_by="`tabWebsite Item`.modified desc, `tabWebsite Item`.name asc",
        limit=SAMPLE,
    )
    groups = shop.erp.get_list("Item Group", ["name", "medusa_id"], filters=[["medusa_id", "is", "set"]])
    # These share the product of their template.
    home = homes_of(shop.erp, [row["name"] for row in rows], shop.settings.variants)
    rows = [row for row in rows if row["name"] not in home]
    uses = Counter(row["medusa_id"] for row in rows)
    there = {row["id"] for row in shop.medusa.products_by("id", uses, "id")}
    gone, shared = sum(one not in there for one in uses), sum(number > 1 for number in uses.values())
    looked = f"of the {len(rows)} exported Website Items that changed last,"
    fine, wrong = f"{looked} each names a product of its own", ""
    if gone or shared:
        wrong = f"{looked} {gone} name a product that is gone, {shared} products are named by more than one"
    means = "the shop does not show those items; the next export clears wrong ids and creates or adopts products"
    fix = "run export_items_and_images_custom; if many are gone, check first that this is the right Medusa"
    yield judged(AREA, "product ids", fine, wrong, means, fix, level=Level.WARN)
    known = {row["id"] for row in shop.medusa.collections()}
    lost = [row["name"] for row in groups if row["medusa_id"] not in known]
    # The runs make those that are needed: a group without items gets its collection with the first one.
    used = set(used_groups(shop.erp)) if lost else set[str]()
    lost = [name for name in lost if name in used]
    fine = f"{len(groups)} Item Groups name their collection"
    wrong = f"{len(lost)} Item Groups name a collection that is gone ({', '.join(lost[:5])})" if lost else ""
    means, fix = "their new products get no collection", "materialize medusa_collections"
    yield judged(AREA, "collection ids", fine, wrong, means, fix, level=Level.WARN)


def categories_have_groups(shop: Shop) -> Iterator[Finding]:
    """Check that the Item Groups that CATEGORIES names are a tree, and that there are any."""
    which = shop.settings.categories
    if which == "off":
        return
    groups = read_groups(shop.erp)
    tree = wanted_tree(groups, wanted_groups(shop.erp, groups, which))
    if tree.circles:
        found = f"{len(tree.circles)} Item Groups lie below themselves ({', '.join(tree.circles[:5])})"
        fix = "give one of them another parent_item_group"
        yield Finding(AREA, "categories", Level.WARN, found, "they stay as they are in Medusa", fix)
    elif not tree.nodes:
        found = f"CATEGORIES={which}, and no Item Group is meant by that"
        fix = "tick Show in Website in the Item Groups of the shop, or set CATEGORIES=used"
        yield Finding(AREA, "categories", Level.WARN, found, "the shop has no categories", fix)
    else:
        yield Finding(AREA, "categories", Level.OK, f"{len(tree.nodes)} of {len(groups)} Item Groups")
