"""The sandbox's own routes under `/__sandbox__/`: what the app's hooks would have sent, and the site settings.

Control of the embedded ERPNext. Faults and the request log belong to `faults.py`, which comes first.
"""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from erp_medusa_sandbox.erpnext.site import API_USER, Site, SiteSettings
from erp_medusa_sandbox.erpnext.users import set_roles

ACCOUNT_FIELDS = {"smtp_host": "smtp_server", "smtp_port": "smtp_port"}


async def endpoint(request: Request) -> Response:
    """Answer a control route."""
    site: Site = request.app.state.site
    route = (request.method, request.path_params["control"])
    if route == ("GET", "hook_calls"):
        return JSONResponse(list(site.hook_calls))
    if route == ("DELETE", "hook_calls"):
        site.hook_calls.clear()
        return JSONResponse({"forgotten": True})
    if route == ("GET", "site"):
        return JSONResponse(describe(site))
    if route == ("POST", "site"):
        try:
            change(site, await request.json())
        except ValueError as error:
            return JSONResponse({"message": f"SANDBOX: {error}"}, 400)
        return JSONResponse(describe(site))
    return JSONResponse({"message": f"SANDBOX: no control route {route[0]} {request.url.path}"}, 404)


def describe(site: Site) -> dict[str, Any]:
    """Return the site settings as they are."""
    roles = [row["role"] for row in site.store.rows("Has Role", parent=API_USER)]
    return {**asdict(site.settings), "time_zone": site.time_zone, "roles": roles}


def change(site: Site, given: dict[str, Any]) -> None:
    """Switch site settings.

    These are any of SiteSettings, `time_zone`, `roles` of the API user, and the mail server of the Email Accounts.
    """
    own = {field.name for field in fields(SiteSettings)}
    known = own | ACCOUNT_FIELDS.keys() | {"roles", "time_zone"}
    if given.keys() - known:
        raise ValueError(f"unknown site settings {sorted(given.keys() - known)}; known: {sorted(known)}")
    site.settings = replace(site.settings, **{key: value for key, value in given.items() if key in own})
    if "time_zone" in given:
        site.store.set("System Settings", "System Settings", time_zone=given["time_zone"])
    if "roles" in given:
        set_roles(site.store, API_USER, given["roles"])
    account = {ACCOUNT_FIELDS[key]: str(given[key]) for key in ACCOUNT_FIELDS if key in given}
    for row in site.store.rows("Email Account") if account else []:
        site.store.set("Email Account", row["name"], **account)
