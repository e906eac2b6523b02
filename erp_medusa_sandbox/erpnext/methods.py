"""`/api/method/*`: which whitelisted function a command means, and who may call it.

Belongs here: the table of functions and the checks before a call. The functions belong to `*_methods.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from erp_medusa_sandbox.erpnext import admin_methods, client_methods, desk_methods
from erp_medusa_sandbox.erpnext.calls import Answer, Call, message
from erp_medusa_sandbox.erpnext.errors import thrown
from erp_medusa_sandbox.erpnext.permissions import GUEST
from erp_medusa_sandbox.erpnext.set_values import METHOD as SET_VALUES
from erp_medusa_sandbox.erpnext.set_values import set_values
from erp_medusa_sandbox.erpnext.site import Site

Method = Callable[[Call], Answer]
METHODS: dict[str, Method] = {
    **admin_methods.METHODS,
    **client_methods.METHODS,
    **desk_methods.METHODS,
}
WRITING = client_methods.WRITING


def call(command: str, request: Call) -> Answer:
    """Return the body of the answer: `message` where the function returns something, else empty."""
    if command == "ping":
        return {"message": "pong"}
    method = METHODS.get(command) or _server_script(request.site, command)
    if method is None:
        module, _, _ = command.rpartition(".")
        why = f"No module named '{module}'" if module else f"'{command}'"
        raise thrown("ValidationError", f"Failed to get method for command {command} with {why}")
    if request.user == GUEST:
        text = "<details><summary>You are not permitted to access this resource.</summary>"
        text += f"Function <strong>{command}</strong> is not whitelisted.</details>"
        raise thrown("PermissionError", text, title="Method Not Allowed")
    if command in WRITING and request.http_method == "GET":
        raise thrown("PermissionError", "Not permitted")
    return method(request)


def _server_script(site: Site, command: str) -> Method | None:
    """Return what an API Server Script of that name does; a bench may have Server Scripts switched off."""
    if not site.store.count("Server Script", script_type="API", api_method=command, disabled=0):
        return None
    if not site.settings.server_script_enabled:
        text = "Server Scripts are disabled. Please enable server scripts from bench configuration."
        raise thrown("ServerScriptNotEnabled", text)
    return _set_values if command == SET_VALUES else None


def _set_values(request: Call) -> Answer:
    return message(set_values(request.site, request.user, request.get("doctype"), request.get("rows")))
