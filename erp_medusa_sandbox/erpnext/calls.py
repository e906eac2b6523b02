"""One call of a whitelisted function: who, how, with which arguments; and what it answers.

What all functions share. Each function belongs to the module of its subject.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from erp_medusa_sandbox.erpnext.controllers import documents_of
from erp_medusa_sandbox.erpnext.documents import Documents
from erp_medusa_sandbox.erpnext.errors import ErpError
from erp_medusa_sandbox.erpnext.http import Upload
from erp_medusa_sandbox.erpnext.site import Site

Answer = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One method call: who, how, with which arguments."""

    site: Site
    user: str
    http_method: str
    arguments: dict[str, Any]
    uploads: dict[str, Upload]

    def need(self, function: str, *names: str) -> list[Any]:
        """Return required arguments; raise Python's own complaint where they are missing."""
        missing = [name for name in names if name not in self.arguments]
        if missing:
            listed = ", ".join(f"'{name}'" for name in missing)
            some = f"{len(missing)} required positional argument{'s' if len(missing) > 1 else ''}"
            raise ErpError("TypeError", f"{function}() missing {some}: {listed}")
        return [self.arguments[name] for name in names]

    def get(self, name: str, default: Any = None) -> Any:
        """Return an argument."""
        return self.arguments.get(name, default)

    @property
    def documents(self) -> Documents:
        """The site's documents as the caller meets them."""
        return documents_of(self.site, self.user)


def message(value: Any) -> Answer:
    """Return the body of the answer of a function that returned `value`."""
    return {} if value is None else {"message": value}
