"""Handles of the embedded Medusa: how one is made from a title, and that two documents cannot share one.

The rule for handles. Which documents have one belongs to the modules of their subject.
"""

from __future__ import annotations

import re
import secrets

from erp_medusa_sandbox.medusa.errors import invalid
from erp_medusa_sandbox.medusa.store import MedusaStore


def to_handle(title: str) -> str:
    """Make a handle: of any script, lower case, joined by hyphens; something random where nothing is left."""
    spaced = re.sub(r"[\s_]+", "-", title.lower().replace("ß", "ss"))
    kept = "".join(letter for letter in spaced if letter == "-" or letter.isalpha() or letter.isnumeric())
    handle = re.sub(r"-+", "-", kept).removeprefix("-").removesuffix("-")
    return handle or f"product-{secrets.token_hex(3)}"


def refuse_known_handle(store: MedusaStore, table: str, name: str, handle: str) -> None:
    """Raise if a document of the table has this handle already; `name` is what the message calls it."""
    if store.has(table, "handle", handle):
        raise invalid(f"{name} with handle: {handle}, already exists.")
