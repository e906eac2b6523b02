"""What the pipelines write to ERPNext without a save: the one table of DocTypes and their fields.

The writer (erpnext_writes.py) sends nothing else through the script, and the script refuses everything else.
"""

from collections.abc import Mapping
from importlib.resources import files

from erp_medusa_pipelines.tasks import TASKS

SERVER_SCRIPT_METHOD = "erp_medusa_set_values"
SERVER_SCRIPT_VERSION = 3
"""Raised whenever the text below the table changes. A table that changed alone shows in what the script answers."""


def _writable() -> dict[str, frozenset[str]]:
    fields: dict[str, frozenset[str]] = {}
    for task in TASKS:
        for doctype, more in task.writes.items():
            fields[doctype] = fields.get(doctype, frozenset()) | set(more)
    return fields


WRITABLE: Mapping[str, frozenset[str]] = _writable()
"""DocType -> fields, over all tasks."""

_TEXT = "erp_medusa_set_values.txt"
_BEGIN, _END = "# The table: written by `make server-script`.\n", "# End of the table.\n"


def server_script_text() -> str:
    """Return the text of the Server Script, as an operator pastes it."""
    return (files("erp_medusa_pipelines.clients") / _TEXT).read_text(encoding="utf-8")


def with_table(text: str) -> str:
    """Return the Server Script's text with the table and the version of this module in it."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    rows = "".join(
        f"    {_quoted(doctype)}: [{', '.join(_quoted(field) for field in sorted(fields))}],\n"
        for doctype, fields in WRITABLE.items()
    )
    return f"{before}{_BEGIN}version = {SERVER_SCRIPT_VERSION}\nallowed = {{\n{rows}}}\n{_END}{after}"


def _quoted(text: str) -> str:
    return f'"{text}"'
