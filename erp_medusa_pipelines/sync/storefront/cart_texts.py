"""The mail about one cart: what its template gets, and why a cart has no mail that could be written."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from erp_medusa_pipelines.clients.medusa import Row
from erp_medusa_pipelines.mail.links import filled, unsubscribe_link
from erp_medusa_pipelines.mail.mail import Mail, is_address
from erp_medusa_pipelines.mail.texts import Texts
from erp_medusa_pipelines.sync.storefront.carts import Cart, line_total

TEMPLATE = "abandoned_cart"
LINES_SHOWN = 20
MOST_LINES = 200
"""Nobody fills a cart with more by hand: it is a price list, a robot, or a test."""


@dataclass(frozen=True)
class Links:
    """Addresses that a mail leads to, with words in braces. `product` may be empty."""

    cart: str
    product: str
    unsubscribe: str
    secret: str


@dataclass(frozen=True)
class Fault:
    """What is wrong with a cart, in which field."""

    field: str
    reason: str


def fault_of(cart: Cart, products: Mapping[str, Row], currencies: Collection[str]) -> Fault | None:
    """Return why no mail can be sent about a cart; None where one can. No reason names an address."""
    if not is_address(cart.email):
        return Fault("email", "is no address that a mail can be sent to: ask the customer, or delete the cart")
    if cart.currency.upper() not in currencies:
        return Fault("currency_code", f"{cart.currency.upper() or 'none'} is no currency of the store")
    if len(cart.lines) > MOST_LINES:
        return Fault("items", f"{len(cart.lines)} lines are more than a customer fills in (at most {MOST_LINES})")
    missing = [line for line in cart.lines if not _is_sold(products.get(line.get("product_id") or ""))]
    if missing:
        titles = ", ".join(str(line.get("title") or line["id"]) for line in missing[:3])
        return Fault("items", f"{len(missing)} of {len(cart.lines)} products are sold no more: {titles}")
    return None


def write_mail(cart: Cart, products: Mapping[str, Row], texts: Texts, links: Links) -> Mail:
    """Write the mail about a cart in its customer's language. Raises TextError."""
    shown = cart.lines[:LINES_SHOWN]
    unsubscribe = unsubscribe_link(links.unsubscribe, links.secret, cart.customer["id"])
    values: dict[str, Any] = {
        "cart": {
            "currency": cart.currency,
            "total": cart.total,
            "more": len(cart.lines) - len(shown),
            "lines": [_line(line, products[line["product_id"]], links) for line in shown],
        },
        "recovery_link": filled(links.cart, cart=cart.id),
        "unsubscribe_link": unsubscribe,
    }
    written = texts.write(TEMPLATE, values, cart.row.get("locale"))
    return Mail(cart.id, cart.email, written.subject, written.text, written.html, unsubscribe)


def _is_sold(product: Row | None) -> bool:
    return product is not None and product.get("status") == "published"


def _line(line: Row, product: Row, links: Links) -> dict[str, Any]:
    handle = product.get("handle")
    return {
        "title": line.get("title") or line.get("product_title") or "",
        "quantity": line.get("quantity") or 0,
        "total": line_total(line),
        "picture": line.get("thumbnail") or product.get("thumbnail"),
        "link": filled(links.product, handle=handle) if links.product and handle else "",
    }
