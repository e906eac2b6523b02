"""A second hand on the embedded ERPNext's database, beside its server process: new work for every task.

Documents added to the sample shop of an installation.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from erp_medusa_sandbox.erpnext.store import ErpStore


class SampleShop:
    """The shop in `directory`, where the sandbox keeps its data. It also works while the server is made to fail."""

    def __init__(self, directory: Path) -> None:
        self.store = ErpStore(directory / "erpnext.sqlite")
        self._zone = ZoneInfo(str(self.store.single("System Settings")["time_zone"]))
        self._group = str(self.store.rows("Website Item")[0]["item_group"])

    def now(self, **ahead: float) -> str:
        """The site's clock."""
        return (datetime.now(self._zone) + timedelta(**ahead)).strftime("%Y-%m-%d %H:%M:%S.%f")

    def add_mail(self, recipient: str) -> None:
        """A Quotation e-mail that waits to be sent."""
        self.store.insert(
            "Email Queue",
            name=uuid4().hex[:10],
            status="Not Sent",
            reference_doctype="Quotation",
            priority=1,
            retry=0,
            creation=self.now(),
            modified=self.now(),
            sender="erp@sandbox.example",
            message=f"Subject: Quotation for {recipient}\n\nDear customer",
            recipients=[{"recipient": recipient, "status": "Not Sent"}],
        )

    def settle_mails(self) -> None:
        """What staff do about mails that were given up or hang: nobody has to see to any mail any more."""
        for status in ("Error", "Sending"):
            for row in self.store.rows("Email Queue", status=status):
                self.store.set("Email Queue", row["name"], status="Sent", modified=self.now())

    def add_password(self) -> str:
        """A one-time password whose time has just passed; returns its name."""
        name, over = uuid4().hex[:10], self.now(seconds=-1)
        values: dict[str, Any] = {"email": f"{name}@example.com", "otp": 100_000, "status": "Pending"}
        return self.store.insert("Email OTP", name=name, creation=over, modified=over, expiration_time=over, **values)

    def add_item(self) -> str:
        """A published Website Item that is not in Medusa yet; returns its name."""
        code = f"NEW-{uuid4().hex[:10]}"
        values = {"item_code": code, "item_name": f"Item {code}", "item_group": self._group}
        self.store.insert("Item", name=code, stock_uom="Nos", is_stock_item=1, **values)
        fields = {"web_item_name": f"Item {code}", "published": 1, "creation": self.now(), "modified": self.now()}
        return self.store.insert("Website Item", name=f"WEB-{code}", **values, **fields)

    def rename_item(self, name: str, title: str) -> None:
        """What staff change in the desk."""
        self.store.set("Website Item", name, web_item_name=title, modified=self.now())

    def pending(self, passwords: Iterable[str]) -> int:
        """How many of these are not expired yet."""
        waiting = {row["name"] for row in self.store.rows("Email OTP", status="Pending")}
        return len(waiting.intersection(passwords))
