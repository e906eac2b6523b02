"""The site that the embedded ERPNext serves: its settings, its clock, its users and what they may do.

Belongs here: everything that is neither a row nor a request. Who a request comes from is found out in `api.py`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from erp_medusa_sandbox.erpnext.errors import no_access, no_role
from erp_medusa_sandbox.erpnext.store import ErpStore

GUEST = "Guest"
API_USER = "api@sandbox.example"
SYSTEM_MANAGER = "sysmgr@sandbox.example"
LOW_USER = "low@sandbox.example"

READ, WRITE, CREATE, DELETE = "read", "write", "create", "delete"
KEPT_HOOK_CALLS = 10_000
# Frappe writes its queue itself: no role may.
NOBODY_WRITES = frozenset({"Email Queue"})
# What the role System Manager gives without ERPNext's own roles.
SYSTEM_MANAGER_READS = frozenset(
    {
        "Country", "Custom Field", "Deleted Document", "DocType", "Email Account", "Email OTP", "Email Queue",
        "Error Log", "Expiring Items", "File", "Homepage Landing", "Installed Applications", "Item", "Item Group",
        "Medusa Configuration", "Medusa Request Log", "Product Collection", "Scheduled Job Type", "System Settings",
        "User", "Version", "Website Item",
    }
)  # fmt: skip
# As recorded: what is refused to a user who has all of these roles but one.
ROLE_GIVES: dict[str, frozenset[str]] = {
    "System Manager": frozenset(
        {
            "Deleted Document", "Email Queue", "Expiring Items", "Homepage Landing",
            "Medusa Configuration", "Product Collection", "Scheduled Job Type", "System Settings",
        }
    ),
    "Item Manager": frozenset({"Batch"}),
    "Sales Master Manager": frozenset({"Item Price", "Price List"}),
    "Accounts User": frozenset({"Sales Invoice", "Sales Invoice Item"}),
    "Stock User": frozenset({"Bin", "Stock Ledger Entry"}),
}  # fmt: skip
# Everybody may read these, even Guest the passwords.
ROLE_GIVES_WRITE: dict[str, frozenset[str]] = {
    "System Manager": frozenset({"Email OTP"}),
    "Item Manager": frozenset({"Item Group"}),
}
SYSTEM_MANAGER_WRITES = SYSTEM_MANAGER_READS - {"Email Queue", "Item", "Item Group", "Version"}
LOW_USER_READS = frozenset({"File", "Website Item"})


@dataclass
class SiteSettings:
    """What site_config.json, the bench and the servers in front decide; switchable while the server runs."""

    version: int = 15
    server_script_enabled: bool = True
    mute_emails: bool = False
    sending_suspended: bool = False
    maintenance_mode: bool = False
    allow_reads_during_maintenance: bool = False
    rate_limit: dict[str, float] | None = None
    max_request_line: int = 4094
    max_body_bytes: int = 25 * 1024 * 1024
    roles: tuple[str, ...] = tuple(ROLE_GIVES)
    """Roles of the API user; as recorded, these five are enough for every task."""


@dataclass(frozen=True)
class User:
    """A user, the key pair it authenticates with, and its roles."""

    name: str
    api_key: str
    api_secret: str
    roles: tuple[str, ...]


@dataclass
class Site:
    """One running site."""

    store: ErpStore
    settings: SiteSettings
    users: list[User]
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
                # Not the clock's business: two saves inside one microsecond, or a clock set back.
                head, _, micro = self._last_now.rpartition(".")
                text = f"{head}.{min(int(micro) + 1, 999999):06d}"
            self._last_now = text
        return text

    def today(self) -> str:
        """Return the site's date."""
        return self.now()[:10]

    # -- permissions -------------------------------------------------------------------------------------------

    def may(self, user: str, doctype: str, what: str) -> bool:
        """Return whether the user's roles allow `what` on documents of a DocType (child rows: ask for the parent)."""
        if user == API_USER:
            if what != READ and doctype in NOBODY_WRITES:
                return False
            return not any(
                doctype in given or (what != READ and doctype in ROLE_GIVES_WRITE.get(role, ()))
                for role, given in ROLE_GIVES.items()
                if role not in self.settings.roles
            )
        if user == SYSTEM_MANAGER:
            custom = self.store.schema.get(doctype) is not None and bool(
                self.store.count("DocType", name=doctype, custom=1)
            )
            return custom or doctype in (SYSTEM_MANAGER_READS if what == READ else SYSTEM_MANAGER_WRITES)
        return user == LOW_USER and what == READ and doctype in LOW_USER_READS

    def check_list(self, user: str, doctype: str) -> None:
        """Raise unless the user may list the DocType."""
        if not self.may(user, doctype, READ):
            raise no_role(user, doctype, error_message=f"No permission for {doctype}")

    def check_document(self, user: str, doctype: str, name: str, what: str, *, explain: bool = True) -> None:
        """Raise as Document.check_permission() does; `explain`: name the missing permission."""
        if self.may(user, doctype, what):
            return
        needed = None
        if explain:
            needed = f"You need the '{what}' permission on <strong>{doctype}</strong> {name} to perform this action."
        if self.may(user, doctype, READ):
            raise no_access(user, doctype, name, error_message=needed)
        raise no_role(user, doctype, error_message=needed, document=True)
