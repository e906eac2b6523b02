"""The text of a Server Script, checked as it is saved.

Belongs here: Frappe's errors about text that is not Python, or that RestrictedPython refuses. Running it belongs to
`server_scripts.py`.
"""

from __future__ import annotations

import ast
from typing import Any

from RestrictedPython.compile import compile_restricted

from erp_medusa_sandbox.erpnext.errors import thrown


def check_text(text: str) -> list[dict[str, Any]]:
    """Refuse text that is not Python. Returns Frappe's warning about what RestrictedPython forbids, which is saved."""
    told = []
    try:
        compile_restricted(text)
    except SyntaxError as error:
        told.append({"message": str(error), "title": "Message"})
    try:
        ast.parse(text)
    except SyntaxError as error:
        line = f"<pre>{(error.text or '').rstrip()}</pre><pre>{' ' * ((error.offset or 1) - 1)}^</pre>"
        refused = thrown("ValidationError", f"Script: Invalid python code on line {error.lineno}<br>{line}")
        refused.messages[:0] = told
        raise refused from error
    return told
