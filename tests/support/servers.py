"""The servers that suites run against, and what tests may ask of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from erp_medusa_sandbox.erpnext.app import create_app as create_erpnext
from erp_medusa_sandbox.erpnext.users import User, add_user
from erp_medusa_sandbox.faults import FaultInjector
from erp_medusa_sandbox.medusa.app import create_app as create_medusa
from erp_medusa_sandbox.medusa.login import Admin
from erp_medusa_sandbox.medusa.plugin import PluginOptions
from erp_medusa_sandbox.medusa.store import MedusaStore
from erp_medusa_sandbox.server import running
from tests.support.proxy import proxy_app
from tests.support.site import AnyErp, EmbeddedSite

ERP_KEY = "test-key"
ERP_SECRET = "test-secret-of-the-erp"
PLUGIN_SECRET = "test-secret-of-the-plugin"


@dataclass(frozen=True)
class ErpServer:
    """An embedded ERPNext of the test's own: its address, its store to look into, its faults."""

    url: str
    store: EmbeddedSite
    faults: FaultInjector
    key: str = ERP_KEY
    secret: str = field(default=ERP_SECRET, repr=False)

    def site(self, **settings: Any) -> None:
        """Change site settings at run time, e.g. `server_script_enabled=False`."""
        requests.post(f"{self.url}/__sandbox__/site", json=settings, timeout=10).raise_for_status()

    def add_user(self, key: str, *roles: str) -> str:
        """Add a user with these roles; its key pair is `key` and the server's secret. Returns its name."""
        name = f"{key.lower().replace(' ', '.')}@sandbox.example"
        add_user(self.store, User(name, key, self.secret, roles))
        return name


@dataclass(frozen=True)
class MedusaServer:
    """A Medusa behind a fault injector: the embedded one, or a real one behind a proxy."""

    url: str
    faults: FaultInjector
    api_key: str = field(repr=False)
    publishable_key: str = ""
    sales_channel_id: str = ""
    stock_location_id: str = ""
    region_id: str = ""
    admin_email: str = ""
    admin_password: str = field(default="", repr=False)
    plugin_secret: str = field(default="", repr=False)
    is_real: bool = False

    def admin(self, method: str, path: str, **options: Any) -> Any:
        """Ask the Admin API as a test's own client; returns the JSON body."""
        if self.is_real and self.admin_email:
            options["headers"] = {"Authorization": f"Bearer {_token(self.admin_email, self.admin_password, self.url)}"}
        else:
            options["auth"] = (self.api_key, "")
        answer = requests.request(method, self.url + path, timeout=120, **options)
        answer.raise_for_status()
        return answer.json()

    def store(self, method: str, path: str, **options: Any) -> requests.Response:
        """Ask the Store API, as a customer's browser does."""
        headers = {"x-publishable-api-key": self.publishable_key}
        return requests.request(method, self.url + path, headers=headers, timeout=120, **options)


_TOKENS: dict[tuple[str, str], str] = {}


def _token(email: str, password: str, url: str) -> str:
    """An admin's token, which costs a real Medusa a sixth of what a key costs; it is good for a day."""
    if (email, password) not in _TOKENS:
        credentials = {"email": email, "password": password}
        answer = requests.post(f"{url}/auth/user/emailpass", json=credentials, timeout=60)
        answer.raise_for_status()
        _TOKENS[email, password] = answer.json()["token"]
    return _TOKENS[email, password]


@contextmanager
def embedded_erpnext(**options: Any) -> Iterator[ErpServer]:
    """A fresh, empty ERPNext."""
    store = EmbeddedSite(None)
    app = FaultInjector(create_erpnext(store, api_key=ERP_KEY, api_secret=ERP_SECRET, **options), "erpnext")
    with running(app) as url:
        yield ErpServer(url, store, app)
    store.close()


def use_erpnext(erp: AnyErp, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names this ERPNext, and a Medusa that nobody may need."""
    monkeypatch.setenv("ERPNEXT_URL", erp.url)
    monkeypatch.setenv("ERPNEXT_API_KEY", erp.key)
    monkeypatch.setenv("ERPNEXT_API_SECRET", erp.secret)
    monkeypatch.setenv("MEDUSA_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("MEDUSA_API_KEY", "sk_not_needed")
    monkeypatch.setattr("erp_medusa_pipelines.clients.http.DEFAULT_SLEEP", lambda _seconds: None)


@contextmanager
def embedded_medusa(
    api_key: str = "sk_" + "0" * 64,
    store: MedusaStore | None = None,
    plugin: PluginOptions | None = PluginOptions(secret=PLUGIN_SECRET),  # noqa: B008 - it cannot be changed
    *,
    translations: bool = False,
) -> Iterator[MedusaServer]:
    """A fresh Medusa as a new shop has it: one sales channel, one region, one stock location; with our plugin.

    A test that looks into its store brings the store; it is closed in either case.
    """
    store = store or MedusaStore(None)
    admin = Admin()
    app = FaultInjector(
        create_medusa(store, api_key=api_key, admin=admin, plugin=plugin, translations=translations), "medusa"
    )
    with running(app) as url:
        yield MedusaServer(
            url,
            app,
            api_key,
            publishable_key=store.publishable_key,
            sales_channel_id=store.ids("sales_channel")[0],
            stock_location_id=store.ids("stock_location")[0],
            region_id=store.ids("region")[0],
            admin_email=admin.email,
            admin_password=admin.password,
            plugin_secret=plugin.secret if plugin else "",
        )
    store.close()


@contextmanager
def proxied_medusa(target: str, **known: str) -> Iterator[MedusaServer]:
    """A real Medusa at `target`, with faults in front of it."""
    app = FaultInjector(proxy_app(target), "medusa")
    with running(app, keep_alive=60) as url:
        yield MedusaServer(url, app, is_real=True, **known)
