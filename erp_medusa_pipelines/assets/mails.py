"""What the assets that write to customers share: who we are, where links lead to, how texts are written."""

import secrets
from typing import Literal

import dagster as dg

from erp_medusa_pipelines.clients.medusa_plugin import MedusaPlugin
from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices
from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.mail.links import PLUGINS_PAGE
from erp_medusa_pipelines.mail.texts import Texts
from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.settings import Settings, SettingsError
from erp_medusa_pipelines.sync.storefront.cart_texts import Links

INSTALLATION = "mail_installation"
"""Key of the name under which this installation notes its mails in Medusa."""


def installation_of(instance: dg.DagsterInstance) -> str:
    """Return the name of this installation, made once: it lies where the memory of its mails does."""
    known = state.load(instance, INSTALLATION)
    if not known:
        known = {"id": secrets.token_hex(4)}
        state.save(instance, INSTALLATION, known)
    return known["id"]


def links_of(shop: Shop, back: Literal["cart_url", "product_url"] = "cart_url") -> Links:
    """Return where links lead to. Raises SettingsError where a customer could not get back, or not end the mails."""
    settings = shop.settings
    missing = [name for name in (back, "medusa_plugin_secret") if not getattr(settings, name)]
    if missing or not settings.medusa_plugin_secret:
        names = " and ".join(name.upper() for name in missing)
        raise SettingsError(f"{names} not set: without a way back and a way to end the mails nobody gets one")
    unsubscribe = settings.unsubscribe_url or _page_of_the_plugin(shop, settings)
    secret = settings.medusa_plugin_secret.get_secret_value()
    return Links(settings.cart_url or "", settings.product_url or "", unsubscribe, secret)


def texts_of(shop: Shop) -> Texts:
    """Return the writer of mails; ERPNext puts a frame of its own around them."""
    settings = shop.settings
    decimals = {code.lower(): digits for code, digits in MedusaPrices(shop.medusa).currencies().items()}
    whole = settings.mail_by != "erpnext"
    return Texts(settings.mail_templates, settings.mail_language, settings.mail_shop_title, decimals, whole=whole)


def _page_of_the_plugin(shop: Shop, settings: Settings) -> str:
    if MedusaPlugin(shop.medusa).about() is None:
        raise SettingsError(
            "UNSUBSCRIBE_URL not set, and the plugin that has such a page is not installed in Medusa"
            " (medusa_plugin/README.md): without a way to end the mails nobody gets one"
        )
    return f"{settings.medusa_url or shop.medusa.http.base_url}{PLUGINS_PAGE}"
