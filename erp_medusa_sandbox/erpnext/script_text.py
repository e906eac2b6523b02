"""The text of a Server Script, checked as it is saved.

Frappe's errors about text that is not Python, or that RestrictedPython refuses. Running it belongs to
`server_scripts.py`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, TypeVar

from RestrictedPython.compile import compile_restricted

from erp_medusa_sandbox.erpnext.errors import thrown

Parsed = TypeVar("Parsed")


def retried(parse: Callable[[], Parsed]) -> Parsed:
    """Parse Python, and once more where Python itself fails on it.

    Before 3.11.9 and 3.12.3 it does, with SystemError, when a traceback is formatted in the middle of it.
    """
    try:
        return parse()
    except SystemError:
        return parse()


def check_text(text: str) -> list[dict[str, Any]]:
    """Refuse text that is not Python. Returns Frappe's warning about what RestrictedPython forbids, which is saved."""
    output = []
    try:
        retried(lambda: compile_restricted(text))
    except SyntaxError as error:
        output.append({"message": str(error), "title": "Message"})
    try:
        retried(lambda: ast.parse(text))
    except SyntaxError as error:
        line = f"<pre>{(error.text or '').rstrip()}</pre><pre>{' ' * ((error.offset or 1) - 1)}^</pre>"
        refused = thrown("ValidationError", f"Script: Invalid python code on line {error.lineno}<br>{line}")
        refused.messages[:0] = output
        raise refused from error
    return output
