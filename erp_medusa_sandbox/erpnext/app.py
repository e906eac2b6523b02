"""The embedded ERPNext: a Starlette application that answers as nginx, gunicorn and Frappe do together.

Putting the application together. Requests pass `front.py`, then `api.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.routing import Route

from erp_medusa_sandbox.erpnext import control
from erp_medusa_sandbox.erpnext.front import Front
from erp_medusa_sandbox.erpnext.site import API_ROLES, API_USER, LOW_USER, SYSTEM_MANAGER, Site, SiteSettings
from erp_medusa_sandbox.erpnext.store import ErpStore
from erp_medusa_sandbox.erpnext.users import User, add_standard_users, add_user

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]


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
    api_roles: Sequence[str] = API_ROLES,
    other_users: Sequence[User] = (),
) -> Starlette:
    """Make the application over `store`.

    Args:
        store: its rows.
        api_key: of the API user, whose secret is `api_secret` and whose roles are `api_roles`.
        api_secret: see there.
        time_zone: of the site.
        version: 15 or 16.
        server_scripts: whether the bench allows Server Scripts.
        max_request_line: bytes that gunicorn takes.
        max_body_bytes: bytes that werkzeug takes.
        api_roles: see `api_key`.
        other_users: more users with keys; `low_user()` and `system_manager()` make some.
    """
    settings = SiteSettings(version, server_scripts, max_request_line=max_request_line, max_body_bytes=max_body_bytes)
    add_standard_users(store)
    for user in (User(API_USER, api_key, api_secret, tuple(api_roles)), *other_users):
        add_user(store, user)
    site = Site(store, settings)
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
    """Make a user with the role Blogger alone."""
    return User(LOW_USER, api_key, api_secret, ("Blogger",))


def system_manager(api_key: str, api_secret: str) -> User:
    """Make a user with the role System Manager alone, without ERPNext's own roles."""
    return User(SYSTEM_MANAGER, api_key, api_secret, ("System Manager",))
