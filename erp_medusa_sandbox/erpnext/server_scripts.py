"""Server Scripts of type API, run as Frappe runs them: compiled by RestrictedPython, with a small `frappe` to use.

Which script a command means, and what a script may call. Its text is checked by `script_text.py`.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping
from functools import lru_cache
from types import CodeType, SimpleNamespace
from typing import Any

from RestrictedPython.compile import compile_restricted
from RestrictedPython.Guards import guarded_iter_unpack_sequence, safe_globals, safer_getattr

from erp_medusa_sandbox.erpnext.calls import Answer, Call
from erp_medusa_sandbox.erpnext.errors import ErpError, not_found, thrown, unknown_column
from erp_medusa_sandbox.erpnext.permissions import ADMINISTRATOR, GUEST, READ
from erp_medusa_sandbox.erpnext.query import ListRequest, run
from erp_medusa_sandbox.erpnext.script_text import retried
from erp_medusa_sandbox.erpnext.site import Site

SOURCE = "Server Script"
# What Frappe adds to RestrictedPython's own builtins.
BUILTINS = (abs, all, any, bool, dict, enumerate, list, max, min, range, set, sorted, sum)
GLOBALS: dict[str, Any] = {
    **safe_globals,
    **{each.__name__: each for each in BUILTINS},
    "json": SimpleNamespace(loads=json.loads, dumps=json.dumps),
    "_getattr_": safer_getattr,
    "_getitem_": operator.getitem,
    "_getiter_": iter,
    "_iter_unpack_sequence_": guarded_iter_unpack_sequence,
    "_write_": lambda written: written,
}
Row = dict[str, Any]


class Attributes(dict[str, Any]):
    """A dict whose keys are attributes, as Frappe's are."""

    def __getattr__(self, name: str) -> Any:
        """Return the value of a key, None where it is missing."""
        return self.get(name)


def installed(site: Site, command: str) -> Row | None:
    """Return the enabled script that answers to a command; raise where the bench has Server Scripts off."""
    rows = site.store.rows("Server Script", script_type="API", api_method=command, disabled=0)
    if rows and not site.settings.server_script_enabled:
        text = "Server Scripts are disabled. Please enable server scripts from bench configuration."
        raise thrown("ServerScriptNotEnabled", text)
    return rows[0] if rows else None


def answer(request: Call, script: Row) -> Answer:
    """Run a script with the caller's rights, in one transaction."""
    if request.user == GUEST and not script["allow_guest"]:
        raise ErpError("PermissionError")
    frappe = _Frappe(request)
    try:
        with request.site.store.transaction():
            exec(_compiled(script["script"]), {**GLOBALS, "frappe": frappe})  # noqa: S102
    except ErpError as error:
        error.source = SOURCE
        raise
    except Exception as error:
        name = type(error).__name__
        failed = ErpError(name, str(error), shown_as=name)
        failed.source = SOURCE
        raise failed from error
    return frappe.response


@lru_cache(maxsize=16)
def _compiled(text: str) -> CodeType:
    return retried(lambda: compile_restricted(text, filename="<serverscript>"))


# -- what a script may use --------------------------------------------------------------------------------------


class _Document(Attributes):
    """A document's fields, and whether the caller may do something with it."""

    def __init__(self, request: Call, doctype: str, row: Row) -> None:
        super().__init__(row)
        # Not among the fields: scripts see those only.
        object.__setattr__(self, "_of", (request, doctype))

    def check_permission(self, right: str = READ) -> None:
        request, doctype = object.__getattribute__(self, "_of")
        request.site.check_document(request.user, doctype, self.name or "", right)


class _Frappe:
    """The part of `frappe` that scripts of ours use, over the rows of the site."""

    PermissionError = PermissionError
    ValidationError = type("ValidationError", (Exception,), {})

    def __init__(self, request: Call) -> None:
        self._request = request
        self.form_dict = Attributes(request.arguments)
        self.response: Row = {}
        self.session = SimpleNamespace(user=request.user)
        self.db = _Database(request)

    def throw(self, text: str, kind: type[Exception] = ValidationError) -> None:
        raise thrown(kind.__name__, text)

    def new_doc(self, doctype: str) -> _Document:
        return _Document(self._request, doctype, {})

    def get_doc(self, doctype: str, name: str) -> _Document:
        row = self._request.site.store.get(doctype, name)
        if row is None:
            raise not_found(doctype, name)
        return _Document(self._request, doctype, row)

    def get_all(self, doctype: str, filters: Any = None, fields: Any = None, pluck: str | None = None) -> list[Any]:
        listed = ListRequest(doctype, fields=[pluck] if pluck else fields, filters=filters, limit=0)
        rows = run(self._request.site, ADMINISTRATOR, listed)
        return [row[pluck] for row in rows] if pluck else [Attributes(row) for row in rows]

    def get_list(
        self, doctype: str, *, fields: Any = None, filters: Any = None, order_by: str = "", limit_page_length: int = 20
    ) -> list[Any]:
        listed = ListRequest(doctype, fields=fields, filters=filters, order_by=order_by, limit=limit_page_length)
        try:
            rows = run(self._request.site, self._request.user, listed)
        except ErpError as error:
            if error.exc_type == "PermissionError":
                raise PermissionError(doctype) from error
            raise
        return [Attributes(row) for row in rows]


class _Database:
    """`frappe.db`: values without a document around them."""

    def __init__(self, request: Call) -> None:
        self._site, self._store = request.site, request.site.store

    def get_value(self, doctype: str, name: str, fields: Any, **_options: Any) -> Attributes | None:
        row = self._store.get(doctype, name)
        missing = [field for field in fields if not self._store.schema[doctype].has_column(field)]
        if missing:
            raise unknown_column(missing[0], "SELECT")
        return None if row is None else Attributes({field: row[field] for field in fields})

    def set_value(self, doctype: str, name: str, values: Mapping[str, Any], *, update_modified: bool = True) -> None:
        moved = {"modified": self._site.now()} if update_modified else {}
        self._store.set(doctype, name, **values, **moved)
