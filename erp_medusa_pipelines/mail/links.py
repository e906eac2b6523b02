"""Links in mails: back to a cart, to a product, and the one that ends all mails.

Filling in addresses, and the signature by which a link works without a log-in.
"""

import base64
import hashlib
import hmac
from urllib.parse import quote

PLUGINS_PAGE = "/erp-pipelines/unsubscribe?c={customer}&s={signature}"
"""Of the plugin, on the Medusa that it is installed in."""


def signature(secret: str, customer_id: str) -> str:
    """Return what proves that a link to unsubscribe was made here: HMAC-SHA256, in URL-safe Base64 without padding."""
    digest = hmac.new(secret.encode(), f"unsubscribe:{customer_id}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def unsubscribe_link(template: str, secret: str, customer_id: str) -> str:
    """Fill {customer} and {signature} into the address of a page that ends all mails."""
    return filled(template, customer=customer_id, signature=signature(secret, customer_id))


def filled(template: str, **values: str) -> str:
    """Fill words in braces into an address, each quoted; other braces stay."""
    for word, value in values.items():
        template = template.replace(f"{{{word}}}", quote(value, safe=""))
    return template
