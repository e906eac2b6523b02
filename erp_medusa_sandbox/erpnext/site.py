"""The site that the embedded ERPNext serves: its settings, its clock, and the refusal of what a user may not do.

Everything that is neither a row nor a request. `api.py` authenticates requests.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from erp_medusa_sandbox.erpnext import permissions
from erp_medusa_sandbox.erpnext.errors import ErpError, no_access, no_role
from erp_medusa_sandbox.erpnext.permissions import ADMINISTRATOR, READ, WRITE
from erp_medusa_sandbox.erpnext.store import ErpStore

API_USER = "api@sandbox.example"
SYSTEM_MANAGER = "sysmgr@sandbox.example"
LOW_USER = "low@sandbox.example"

# The roles that the API user has unless told otherwise: as recorded, these five are enough for every task.
DOCUMENTED_ROLES = ("System Manager", "Item Manager", "Sales Master Manager", "Accounts User", "Stock User")
API_ROLES = (*DOCUMENTED_ROLES, "Website Manager")
"""The roles of the pipelines' user by default: the last one is for shops with slideshows."""
KEPT_HOOK_CALLS = 10_000


@dataclass
class SiteSettings:
    """Settings of site_config.json, the bench and the servers in front; they can be changed at run time."""

    version: int = 15
    server_script_enabled: bool = True
    mute_emails: bool = False
    sending_suspended: bool = False
    maintenance_mode: bool = False
    allow_reads_during_maintenance: bool = False
    rate_limit: dict[str, float] | None = None
    max_request_line: int = 4094
    max_body_bytes: int = 25 * 1024 * 1024


@dataclass
class Site:
    """One running site."""

    store: ErpStore
    settings: SiteSettings
    hook_calls: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT_HOOK_CALLS))
    _last_now: str = ""

    @property
    def time_zone(self) -> str:
        """The zone of the site's clock."""
        return self.store.single("System Settings").get("time_zone") or "UTC"

    def now(self) -> str:
        """Return the site's wall clock; never the same text twice, so that `modified` always moves."""
        text = datetime.now(ZoneInfo(self.time_zone)).strftime("%Y-%m-%d %H:%M:%S.%f")
        with self.store.lock:
            if text <= self._last_now:
                # For two saves within one microsecond, and a clock set back.
                head, _, micro = self._last_now.rpartition(".")
                text = f"{head}.{min(int(micro) + 1, 999999):06d}"
            self._last_now = text
        return text

    def today(self) -> str:
        """Return the site's date."""
        return self.now()[:10]

    # -- permissions -------------------------------------------------------------------------------------------

    def may(self, user: str, doctype: str, right: str) -> bool:
        """Return whether the user's roles give a right on documents of a DocType (child rows: ask for the parent)."""
        return permissions.may(self.store, user, doctype, right)

    def may_list(self, user: str, doctype: str) -> bool:
        """Return whether the user may list a DocType: the right to select is enough."""
        return self.may(user, doctype, READ) or self.may(user, doctype, permissions.SELECT)

    def may_document(self, user: str, doctype: str, row: dict[str, Any] | None, right: str) -> bool:
        """Return whether the user has a right on one document. Files have rules of their own."""
        if not self.may(user, doctype, right):
            return False
        return doctype != "File" or row is None or self._may_file(user, row, right)

    def _may_file(self, user: str, row: dict[str, Any], right: str) -> bool:
        """Decide by the document that a file is attached to, unless it is public (to read) or the user's own."""
        if user in (ADMINISTRATOR, row["owner"]) or (right == READ and not row["is_private"]):
            return True
        attached = row["attached_to_doctype"]
        return bool(attached) and self.may(user, attached, READ if right == READ else WRITE)

    def check_list(self, user: str, doctype: str) -> None:
        """Raise unless the user may list the DocType."""
        if not self.may_list(user, doctype):
            raise no_role(user, doctype, error_message=f"No permission for {doctype}")

    def check_document(self, user: str, doctype: str, name: str, right: str, *, explain: bool = True) -> None:
        """Raise as Document.check_permission() does; `explain`: name the missing permission."""
        row = self.store.get(doctype, name) if doctype == "File" and name else None
        if self.may_document(user, doctype, row, right):
            return
        refused = self.refusal(user, doctype, row or {"name": name})
        if explain:
            needed = f"You need the '{right}' permission on <strong>{doctype}</strong> {name} to perform this action."
            refused.error_message = needed
        raise refused

    def refusal(self, user: str, doctype: str, row: dict[str, Any]) -> ErpError:
        """Return Frappe's message of a refusal: the roles give no right at all, or not this one on this document."""
        if not self.may(user, doctype, READ):
            return no_role(user, doctype, document=True)
        attached = row.get("attached_to_doctype") if doctype == "File" else None
        if attached:
            error = no_access(user, attached, row["attached_to_name"])
            error.messages.append({"message": "", "title": "Message"})
            return error
        error = no_access(user, doctype, row["name"])
        if doctype == "File":
            text = "Not allowed via controller permission check<br>"
            error.messages[0]["message"] = text + error.messages[0]["message"]
        return error
