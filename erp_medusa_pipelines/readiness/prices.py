"""Do customers with a Price List of their own get its prices? Only asked where a setting asks for it."""

from collections.abc import Iterator, Sequence

from erp_medusa_pipelines.clients.erpnext import Aggregate
from erp_medusa_pipelines.clients.failures import AccessError, PermanentError
from erp_medusa_pipelines.clients.medusa_customers import MedusaCustomers
from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices
from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.readiness.findings import Finding, Level
from erp_medusa_pipelines.sync.engine.names import ByName, folded
from erp_medusa_pipelines.sync.prices.audiences import FOR_ONE_CUSTOMER
from erp_medusa_pipelines.sync.prices.customer_groups import group_of
from erp_medusa_pipelines.sync.prices.item_prices import lacking_in
from erp_medusa_pipelines.sync.prices.shop_books import read_audiences, read_further_books, read_pricing_rules

AREA = "prices"
OWN_PRICES = "prices of one Customer"
PACKS = "packs of one Customer"


def groups_get_their_prices(shop: Shop) -> Iterator[Finding]:
    """Check the Price List of each Customer Group and Customer that has one, and the groups in Medusa."""
    if not shop.settings.price_groups:
        return
    audiences = read_audiences(shop.erp, shop.medusa, shop.settings, read_pricing_rules(shop.erp, shop.settings))
    for one in audiences.unusable:
        name = one.audience.customer_group
        fix = "correct default_price_list of the Customer Group, or of its Customers"
        yield Finding(AREA, name, Level.WARN, one.reason, "these customers are asked everybody's prices", fix)
    if not audiences.all:
        text = "no Customer Group and no Customer has a Price List other than the shop's"
        yield Finding(AREA, "customer groups", Level.OK, text)
        return
    lists = {each.price_list for each in audiences.all}
    rows = shop.erp.rows_in("Price List", ["name", "currency"], lists)
    currencies = ByName((row["name"], str(row["currency"] or "").upper()) for row in rows)
    sold = _currencies_sold(shop)
    made = {key for row in MedusaCustomers(shop.medusa).groups() if (key := group_of(row))}
    for each in audiences.all:
        currency = currencies.find(each.price_list)
        if currency not in sold:
            found = f"{each.price_list} is in {currency}, and Medusa's regions sell in {', '.join(sorted(sold))}"
            means, fix = "its customers are asked everybody's prices", f"create a region with the currency {currency}"
            yield Finding(AREA, each.title, Level.WARN, found, means, fix)
        elif each.key in made:
            yield Finding(AREA, each.title, Level.OK, f"{each.price_list}, in {currency}")
        else:
            found = f"{each.price_list}, but Medusa has no group for it yet"
            fix = "run sync_customer_groups, then sync_missing_prices_to_medusa"
            yield Finding(AREA, each.title, Level.WARN, found, "its customers are asked everybody's prices", fix)


def lists_of_groups_are_whole(shop: Shop) -> Iterator[Finding]:
    """Name the items that everybody is asked a price for and that a Price List of some customers lacks."""
    settings = shop.settings
    if not settings.price_groups:
        return
    audiences = read_audiences(shop.erp, shop.medusa, settings, read_pricing_rules(shop.erp, settings))
    own = settings.erpnext_price_list
    lists = {folded(each.price_list): each.price_list for each in audiences.all}
    lists.pop(folded(own), None)
    if not lists:
        return
    for name, items in lacking_in(shop.erp, own, sorted(lists.values())).items():
        if items:
            found = f"it has no price today for {_some(items)} of the items that have one in {own}"
            means = "its customers are asked everybody's price for them; ERPNext has none for these customers"
            yield Finding(AREA, f"Price List {name}", Level.WARN, found, means, f"add Item Prices to {name}")


def customers_get_their_own_prices(shop: Shop) -> Iterator[Finding]:
    """Name what the shop does not show of Item Prices for one Customer alone: all without CUSTOMER_PRICES."""
    if shop.settings.shows_own_prices:
        yield from _own_prices(shop)
        return
    if not shop.settings.price_groups:
        return
    rows = shop.erp.get_list(
        "Item Price",
        ["customer", Aggregate("COUNT", "name", "number")],
        filters=FOR_ONE_CUSTOMER,
        group_by="customer",
        order_by="customer asc",
    )
    if rows:
        number, names = sum(row["number"] for row in rows), [str(row["customer"]) for row in rows]
        found = f"{number} Item Prices are for one Customer alone, of {_some(names)}"
        means = "the shop does not show them: these customers are asked the price of their Price List"
        fix = "set CUSTOMER_PRICES=true, or give such a Customer a Price List of its own (default_price_list)"
        yield Finding(AREA, OWN_PRICES, Level.WARN, found, means, fix)


def _own_prices(shop: Shop) -> Iterator[Finding]:
    audiences = read_audiences(shop.erp, shop.medusa, shop.settings, read_pricing_rules(shop.erp, shop.settings))
    own = [each for each in audiences.own if not each.is_leaving]
    unreachable = [each.customer for each in audiences.members(shop.erp) if each.own in own and not each.addresses]
    for customer, price_list, asked in audiences.unasked:
        found = f"it has Item Prices of its own in {price_list}, and its Price List is {asked}"
        fix = f"set default_price_list of the Customer, or move these Item Prices to {asked}"
        yield Finding(AREA, f"Customer {customer}", Level.WARN, found, "ERPNext and the shop never ask them", fix)
    if unreachable:
        found = f"{_some(unreachable)} have Item Prices of their own and no e-mail address"
        means = "no account in Medusa is known to be theirs"
        fix = "add a Contact with an e-mail address"
        yield Finding(AREA, OWN_PRICES, Level.WARN, found, means, fix)
    made = {key for row in MedusaCustomers(shop.medusa).groups() if (key := group_of(row))}
    if missing := [each.customer for each in own if each.key not in made]:
        found = f"Medusa has no group yet for {_some(missing)}"
        means = "they are asked the price of their Price List"
        fix = "run sync_customer_groups, then sync_missing_prices_to_medusa"
        yield Finding(AREA, OWN_PRICES, Level.WARN, found, means, fix)
    filters = [*FOR_ONE_CUSTOMER, ["packing_unit", ">", 1]]
    fields = ["name", "customer", "item_code", "packing_unit"]
    if packs := shop.erp.get_list("Item Price", fields, filters=filters):
        named = [f"{row['item_code']} in packs of {row['packing_unit']} for {row['customer']}" for row in packs]
        asks = "asks them from so many pieces on" if shop.settings.price_packs else "never asks them"
        means = f"ERPNext asks them for whole packs only, and has no price for other quantities; the shop {asks}"
        fix = "take the packing unit out, and give its Customer Group a Pricing Rule with a minimum quantity"
        yield Finding(AREA, PACKS, Level.WARN, _some(named), means, fix)
    yield Finding(AREA, OWN_PRICES, Level.OK, f"{len(own)} Customers have Item Prices of their own")


def _some(names: Sequence[str]) -> str:
    return f"{len(names)} ({', '.join(names[:5])})"


def further_lists_can_be_shown(shop: Shop) -> Iterator[Finding]:
    """Check the further Price Lists, their currencies and regions, and what is said of taxes."""
    settings = shop.settings
    if not settings.further_price_lists and not settings.tax_inclusive_price_lists:
        return
    try:
        books = read_further_books(shop.erp, settings)
    except AccessError:
        return  # Reported with the rights already.
    except PermanentError as error:
        yield Finding(AREA, "Price Lists", Level.FAIL, error.reason, "no price is sent", "correct FURTHER_PRICE_LISTS")
        return
    regions = {row["id"]: row for row in MedusaPrices(shop.medusa).regions()}
    sold = {row["currency_code"].upper() for row in regions.values()}
    for name, region in settings.further_price_lists.items():
        currency = books.currencies.find(name) or ""
        found = f"in {currency}" + (f", for the region {region}" if region else "")
        if region and region not in regions:
            found = f"Medusa has no region {region}"
            yield Finding(AREA, name, Level.FAIL, found, "nobody is asked its prices", "correct FURTHER_PRICE_LISTS")
        elif currency not in ({regions[region]["currency_code"].upper()} if region else sold):
            means = "nobody is asked its prices"
            yield Finding(AREA, name, Level.WARN, f"{found}, which is not sold in", means, "set up a region in Medusa")
        else:
            yield Finding(AREA, name, Level.OK, found)


def rules_can_be_said(shop: Shop) -> Iterator[Finding]:
    """List the Pricing Rules that the shop does not apply, with the reason."""
    if not shop.settings.pricing_rules:
        return
    rules = read_pricing_rules(shop.erp, shop.settings)
    for rule in rules.unsaid:
        means = (
            "items for which it counts are asked their Item Price, whatever other rules say"
            if rule.blocks
            else "the shop goes without it"
        )
        fix = "nothing, where only staff use it in ERPNext; else a promotion in Medusa"
        yield Finding(AREA, f"Pricing Rule {rule.name}", Level.WARN, rule.unsaid, means, fix)
    said = len(rules.rules) - sum(1 for _ in rules.unsaid)
    yield Finding(AREA, "Pricing Rules", Level.OK, f"{said} are applied in the shop")


def _currencies_sold(shop: Shop) -> set[str]:
    known = MedusaPrices(shop.medusa).currencies()
    regions = shop.medusa.all_of("/admin/regions", "regions", "id,currency_code")
    return {code for row in regions if (code := row["currency_code"].upper()) in known}
