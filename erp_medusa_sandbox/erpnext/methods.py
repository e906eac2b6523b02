"""`/api/method/*`: which whitelisted function a command means, and who may call it.

The table of functions and the checks before a call. The functions belong to `*_methods.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from erp_medusa_sandbox.erpnext import (
    admin_methods,
    client_methods,
    desk_methods,
    document_methods,
    server_scripts,
)
from erp_medusa_sandbox.erpnext.calls import Answer, Call
from erp_medusa_sandbox.erpnext.errors import thrown
from erp_medusa_sandbox.erpnext.permissions import GUEST

Method = Callable[[Call], Answer]
METHODS: dict[str, Method] = {
    **admin_methods.METHODS,
    **client_methods.METHODS,
    **desk_methods.METHODS,
    **document_methods.METHODS,
}
WRITING = client_methods.WRITING


def call(command: str, request: Call) -> Answer:
    """Return the body of the answer: `message` where the function returns something, else empty."""
    if command == "ping":
        return {"message": "pong"}
    method = METHODS.get(command)
    script = None if method else server_scripts.installed(request.site, command)
    if script:
        return server_scripts.answer(request, script)
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
