"""The embedded ERPNext: a Starlette application that answers as nginx, gunicorn and Frappe do together.

Belongs here: putting the application together. Requests pass `front.py`, then `api.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.routing import Route

from erp_medusa_sandbox.erpnext import control
from erp_medusa_sandbox.erpnext.front import Front
from erp_medusa_sandbox.erpnext.site import API_USER, LOW_USER, SYSTEM_MANAGER, Site, SiteSettings, User
from erp_medusa_sandbox.erpnext.store import ErpStore

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
API_ROLES = ("System Manager", "Item Manager", "Stock Manager", "Sales Manager", "Accounts Manager", "Website Manager")


def create_app(
    store: ErpStore,
    *,
    api_key: str,
    api_secret: str,
    time_zone: str = "Asia/Muscat",
    version: int = 15,
    server_scripts: bool = True,
    max_request_line: int = 4094,
    max_body_bytes: int = 25 * 1024 * 1024,
    other_users: Sequence[User] = (),
) -> Starlette:
    """Make the application over `store`.

    The key pair is that of a user who may do everything but write Email Queue; `low_user()` and `system_manager()` make
    users for `other_users` who may less.
    """
    settings = SiteSettings(version, server_scripts, max_request_line=max_request_line, max_body_bytes=max_body_bytes)
    site = Site(store, settings, [User(API_USER, api_key, api_secret, API_ROLES), *other_users])
    store.set("System Settings", "System Settings", time_zone=time_zone)
    front = Front(site)
    routes = [
        Route("/__sandbox__/{control:path}", control.endpoint, methods=METHODS),
        Route("/{path:path}", front, methods=METHODS),
    ]
    app = Starlette(routes=routes)
    app.state.site = site
    return app


def low_user(api_key: str, api_secret: str) -> User:
    """Make a user who may read Website Item and File, nothing else."""
    return User(LOW_USER, api_key, api_secret, ("Blogger", "All", "Guest"))


def system_manager(api_key: str, api_secret: str) -> User:
    """Make a user with the role System Manager alone, without ERPNext's own roles."""
    return User(SYSTEM_MANAGER, api_key, api_secret, ("System Manager", "All", "Guest"))
