"""All books of one shop, as its settings and both servers have them at this moment, with their taxes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import PermanentError
from erp_medusa_pipelines.clients.medusa import MedusaClient, metadata_of
from erp_medusa_pipelines.clients.medusa_customers import MedusaCustomers
from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices
from erp_medusa_pipelines.settings import Settings, variable_name
from erp_medusa_pipelines.sync.engine.names import ByName
from erp_medusa_pipelines.sync.engine.report import SyncReport
from erp_medusa_pipelines.sync.prices.audiences import Audiences
from erp_medusa_pipelines.sync.prices.books import GROUPS_RULE, OWN, REGION_RULE, WHOM_KEY, Book
from erp_medusa_pipelines.sync.prices.customer_groups import books_of, group_of
from erp_medusa_pipelines.sync.prices.item_prices import read_currencies
from erp_medusa_pipelines.sync.prices.lists import PriceLists
from erp_medusa_pipelines.sync.prices.own_prices import owners_of
from erp_medusa_pipelines.sync.prices.pricing_rules import PricingRules, read_rules
from erp_medusa_pipelines.sync.prices.windows import Tier


@dataclass
class ShopBooks:
    """Everybody's book of the shop's Price List first, and what their prices are made of."""

    books: list[Book]
    rules: PricingRules = field(default_factory=PricingRules)
    customer_groups: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Of each Customer Group with a book of its own: folded names of itself and of all above."""
    tax_preferences: Mapping[str, bool] = field(default_factory=dict)
    """Whether prices include taxes, by currency; others are not ours to say."""

    def lists(self, erp: ErpNextClient, medusa: MedusaClient) -> list[PriceLists]:
        """Build the views of their price lists in Medusa, as of today's date at the ERP."""
        prices, zone, today = MedusaPrices(medusa), erp.time_zone, erp.clock().date()
        main, *more = self.books
        others = [book.key for book in more]
        return [
            PriceLists(prices, main, zone, today, others),
            *(PriceLists(prices, book, zone, today, None) for book in more),
        ]


def read_pricing_rules(erp: ErpNextClient, settings: Settings) -> PricingRules:
    """Return ERPNext's Pricing Rules, none where the shop does not apply them. All assets of a run see the same."""
    if not settings.pricing_rules:
        return PricingRules()

    def ask() -> PricingRules:
        return read_rules(erp, company=settings.erpnext_company, with_groups=settings.price_groups)

    return erp.http.once("pricing rules", ask, of_tick=True)


def read_audiences(erp: ErpNextClient, medusa: MedusaClient, settings: Settings, rules: PricingRules) -> Audiences:
    """Return the customers with prices of their own. All assets of a run see the same."""

    def ask() -> Audiences:
        ruled, own_prices = rules.customer_groups, settings.shows_own_prices
        still_asked = partial(_still_asked, medusa)
        return Audiences(erp, settings.erpnext_price_list, ruled, own_prices=own_prices, still_asked=still_asked)

    return erp.http.once("audiences", ask)


def _still_asked(medusa: MedusaClient, priced: Collection[str]) -> list[str]:
    """Return the Customers, besides those with these folded names, whose group is asked prices in Medusa."""
    groups = {row["id"]: key for row in MedusaCustomers(medusa).groups() if (key := group_of(row))}
    others = {group: customer for group, (_, _, customer) in groups.items() if customer and customer not in priced}
    if not others:
        return []
    prices = MedusaPrices(medusa)
    of_owners = [
        row["id"] for row in prices.lists() if row["status"] == "active" and metadata_of(row).get(WHOM_KEY) == OWN
    ]
    asked = {Tier.of(entry).group for _, entry in prices.entries_of(of_owners)}
    return [customer for group, customer in others.items() if group in asked]


def read_books(erp: ErpNextClient, medusa: MedusaClient, settings: Settings) -> ShopBooks:
    """Return the books of the shop. Customers whose group Medusa does not have yet have none.

    Raises PermanentError for settings that name lists which cannot be shown together.
    """
    rules = read_pricing_rules(erp, settings)
    further = read_further_books(erp, settings)
    books, groups = [Book(settings.erpnext_price_list), *further.books], {}
    if settings.price_groups:
        audiences = read_audiences(erp, medusa, settings, rules)
        there = MedusaCustomers(medusa).groups() if audiences.all or audiences.own else ()
        of_groups = books_of(audiences.all, there)
        has_regional = any(book.rules for book in further.books)
        # Of two prices that fit, Medusa asks the one with more rules: a customer's own before its region's.
        of_all = _all_regions(medusa) if has_regional or settings.shows_own_prices else {}
        if has_regional:
            of_groups = [replace(book, rules={**book.rules, **of_all}) for book in of_groups]
        books += of_groups
        if settings.shows_own_prices:
            owners = owners_of(audiences.own, {key: row["id"] for row in there if (key := group_of(row))})
            of_owners = {GROUPS_RULE: tuple(sorted(owner.group for owner in owners.values()))}
            rules_of_own = {**of_all, **(of_owners if has_regional and owners else {})}
            books.append(Book(settings.erpnext_price_list, OWN, rules_of_own, owners=owners))
        groups = audiences.above
    if settings.pricing_rules:
        books += [book.sale for book in books]
    return ShopBooks(books, rules, groups, further.tax_preferences)


def _all_regions(medusa: MedusaClient) -> dict[str, tuple[str, ...]]:
    """Return a rule that fits everybody."""
    return {REGION_RULE: tuple(sorted(row["id"] for row in MedusaPrices(medusa).regions()))}


@dataclass
class FurtherBooks:
    """The books of further Price Lists, the currencies of all, and by currency whether prices include taxes."""

    books: list[Book] = field(default_factory=list)
    currencies: ByName[str] = field(default_factory=ByName)
    tax_preferences: dict[str, bool] = field(default_factory=dict)


def read_further_books(erp: ErpNextClient, settings: Settings) -> FurtherBooks:
    """Return the books of FURTHER_PRICE_LISTS. Raises PermanentError for lists that cannot be shown together."""
    further = settings.further_price_lists
    if not further and not settings.tax_inclusive_price_lists:
        return FurtherBooks()
    own = settings.erpnext_price_list
    named = {**dict.fromkeys(further, "further_price_lists"), own: "erpnext_price_list"}
    currencies = read_currencies(erp, named)
    open_to_all: dict[str, str] = {}
    for name in (own, *(name for name, region in further.items() if not region)):
        currency = currencies.find(name) or ""
        if (other := open_to_all.setdefault(currency, name)) != name:
            where = variable_name("further_price_lists")
            text = f"{other} and {name} are both in {currency} and for everybody: give one of them a region"
            raise PermanentError("settings", where, text)
    try:
        preferences = wanted_preferences(settings.tax_inclusive_price_lists, currencies)
    except ValueError as error:
        raise refused(error) from error
    books = [
        Book(name, f"region {region}", {REGION_RULE: (region,)}) if region else Book(name)
        for name, region in further.items()
    ]
    return FurtherBooks(books, currencies, preferences)


def wanted_preferences(including: Mapping[str, bool], currencies: ByName[str]) -> dict[str, bool]:
    """Return by currency whether prices include taxes. `currencies` are those of the shop's Price Lists.

    Medusa asks the preference of a price's currency; that of a region counts only for prices with a rule of their own,
    which the export does not make. So two Price Lists in one currency cannot differ.

    Raises ValueError, with a text for people, for a list that the shop does not have or two that disagree.
    """
    found: dict[str, bool] = {}
    said: dict[str, str] = {}
    for name, includes in including.items():
        currency = currencies.find(name)
        if currency is None:
            raise ValueError(f"{name} is no Price List of the shop")
        if found.setdefault(currency, includes) != includes:
            raise ValueError(
                f"{said[currency]} and {name} are both in {currency}, and Medusa knows one answer for each"
            )
        said[currency] = name
    return found


def keep_preferences(prices: MedusaPrices, wanted: Mapping[str, bool], report: SyncReport) -> None:
    """Write the preferences that Medusa has otherwise. Currencies that are not named stay as they are."""
    if not wanted:
        return
    there = {row["value"].upper(): row for row in prices.preferences() if row["attribute"] == "currency_code"}
    for currency, includes in wanted.items():
        row = there.get(currency)
        if row is None or row["is_tax_inclusive"] != includes:
            prices.set_preference(row["id"] if row else None, currency, includes=includes)
            report.count("preferences_written")


def refused(error: ValueError) -> PermanentError:
    """Return the error of a setting that cannot be meant."""
    return PermanentError("settings", variable_name("tax_inclusive_price_lists"), str(error))
