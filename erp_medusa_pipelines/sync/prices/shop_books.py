"""All books of one shop, as its settings and both servers have them at this moment.

Belongs here: reading what decides which books there are. Does not belong here: what a book is (books.py), or its lists.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.clients.medusa_customers import MedusaCustomers
from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.sync.prices.audiences import Audiences
from erp_medusa_pipelines.sync.prices.books import Book
from erp_medusa_pipelines.sync.prices.customer_groups import books_of
from erp_medusa_pipelines.sync.prices.lists import PriceLists
from erp_medusa_pipelines.sync.prices.pricing_rules import PricingRules, read_rules


@dataclass
class ShopBooks:
    """Everybody's book of the shop's Price List first, and what their prices are made of."""

    books: list[Book]
    rules: PricingRules = field(default_factory=PricingRules)
    customer_groups: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Of each Customer Group with a book of its own: folded names of itself and of all above."""

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
    """Return ERPNext's Pricing Rules, none where the shop does not apply them."""
    if not settings.pricing_rules:
        return PricingRules()
    return read_rules(erp, company=settings.erpnext_company, with_groups=settings.price_groups)


def read_audiences(erp: ErpNextClient, settings: Settings, rules: PricingRules) -> Audiences:
    """Return the customers with prices of their own."""
    return Audiences(erp, settings.erpnext_price_list, rules.customer_groups)


def read_books(erp: ErpNextClient, medusa: MedusaClient, settings: Settings) -> ShopBooks:
    """Return the books of the shop. Customers whose group Medusa does not have yet have none."""
    rules = read_pricing_rules(erp, settings)
    books, groups = [Book(settings.erpnext_price_list)], {}
    if settings.price_groups:
        audiences = read_audiences(erp, settings, rules)
        books += books_of(audiences.all, MedusaCustomers(medusa).groups() if audiences.all else ())
        groups = audiences.above
    if settings.pricing_rules:
        books += [book.sale for book in books]
    return ShopBooks(books, rules, groups)
