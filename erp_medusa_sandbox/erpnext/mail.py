"""The Email Queue: what send_now does with a row, over real SMTP to the site's outgoing Email Account.

One row's way from Not Sent to Sent or Error. Which calls reach it belongs to `methods.py`.

The row's state is checked, the mail server is connected, and only then the row becomes "Sending": calls at the same
time all see "Not Sent" and all send, as on a real server. Nothing here is a lock, on purpose.
"""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any

from erp_medusa_sandbox.erpnext.controllers import documents_of
from erp_medusa_sandbox.erpnext.errors import ErpError, no_access, not_found, thrown
from erp_medusa_sandbox.erpnext.permissions import READ
from erp_medusa_sandbox.erpnext.site import Site
from erp_medusa_sandbox.erpnext.store import new_hash

MAX_RETRIES = 3
SMTP_TIMEOUT = 10


def queue(site: Site, user: str, communication: str, wanted: dict[str, str]) -> str:
    """Put a mail into the queue, as communication.email.make does, and return the row's name."""
    message = EmailMessage()
    message["Subject"], message["From"] = wanted["subject"], wanted["sender"] or "erp@sandbox.example"
    message["To"] = "<!--recipient-->"
    message.set_content(wanted["content"], subtype="html")
    now = site.now()
    people = [person.strip() for person in wanted["recipients"].split(",") if person.strip()]
    with site.store.transaction():
        return site.store.insert(
            "Email Queue",
            name=new_hash(),
            owner=user,
            creation=now,
            modified=now,
            status="Not Sent",
            priority=1,
            retry=0,
            sender=wanted["sender"] or None,
            message=message.as_string(),
            communication=communication,
            recipients=[{"recipient": person, "status": "Not Sent"} for person in people],
        )


def send_now(site: Site, user: str, name: str) -> None:
    """Do frappe.email.doctype.email_queue.email_queue.send_now, which reports only exceptions."""
    row = site.store.get("Email Queue", name)
    if row is None:
        raise not_found("Email Queue", name)
    site.check_document(user, "Email Queue", row["name"], READ)
    if site.settings.mute_emails or site.settings.sending_suspended:
        return
    if row["status"] not in ("Not Sent", "Partially Sent"):
        return
    try:
        _send(site, row)
    except ErpError as error:
        if _failed(site, row["name"], error) == "Error":
            # Giving up, Frappe tries to notify the sender, which nobody but the Administrator may.
            refused = no_access(user, "Notification Log", "None")
            error.messages += refused.messages
            error.error_message = (
                "You need the 'create' permission on <strong>Notification Log</strong>  to perform this action."
            )
        raise


def retry_sending(site: Site, user: str, name: str) -> dict[str, Any]:
    """Do EmailQueue.retry_sending: an Error row waits again, with its retry count."""
    document = documents_of(site, user).load("Email Queue", name)
    if document["status"] == "Error":
        with site.store.transaction():
            site.store.set("Email Queue", document["name"], status="Not Sent", modified=site.now(), modified_by=user)
    return documents_of(site, user).load("Email Queue", name)


def _send(site: Site, row: dict[str, Any]) -> None:
    account = _account(site, row)
    with _server(account) as server:
        site.store.set("Email Queue", row["name"], status="Sending", modified=site.now())
        recipients = site.store.children("Email Queue", row["name"])["recipients"]
        for recipient in recipients:
            if recipient["status"] == "Sent":
                continue
            message = _addressed(row["message"] or "", recipient["recipient"])
            try:
                server.sendmail(row["sender"] or account["email_id"], [recipient["recipient"]], message)
            except smtplib.SMTPException as error:
                name = type(error).__name__
                raise ErpError(name, str(error), shown_as=f"smtplib.{name}") from error
            except OSError as error:
                raise ErpError(type(error).__name__, str(error), shown_as=type(error).__name__) from error
            site.store.set("Email Queue Recipient", recipient["name"], status="Sent", modified=site.now())
    site.store.set("Email Queue", row["name"], status="Sent", error=None, modified=site.now())


def _failed(site: Site, name: str, error: ErpError) -> str:
    """Store the error on the row and return its status now."""
    with site.store.transaction():
        row = site.store.get("Email Queue", name) or {}
        sent = [r for r in site.store.children("Email Queue", name)["recipients"] if r["status"] == "Sent"]
        if row.get("retry", 0) < MAX_RETRIES:
            status, retry = ("Partially Sent" if sent else "Not Sent"), row.get("retry", 0) + 1
        else:
            status, retry = ("Partially Sent" if sent else "Error"), row["retry"]
        site.store.set("Email Queue", name, status=status, retry=retry, error=error.traceback, modified=site.now())
    return status


def _account(site: Site, row: dict[str, Any]) -> dict[str, Any]:
    # A row's own account sends even when its outgoing mail has been switched off since.
    own = site.store.get("Email Account", row["email_account"]) if row["email_account"] else None
    default = own or next(iter(site.store.rows("Email Account", enable_outgoing=1, default_outgoing=1)), None)
    if default is None:
        text = "Please setup default Email Account from Settings > Email Account"
        raise thrown("OutgoingEmailError", text)
    return default


@contextmanager
def _server(account: dict[str, Any]) -> Iterator[smtplib.SMTP]:
    try:
        server = smtplib.SMTP(account["smtp_server"], int(account["smtp_port"] or 25), timeout=SMTP_TIMEOUT)
        server.ehlo_or_helo_if_needed()
    except (OSError, smtplib.SMTPException) as error:
        text = f"Invalid Outgoing Mail Server or Port: {error}"
        raise thrown("ValidationError", text, title="Incorrect Configuration") from error
    with server:
        yield server


def _addressed(message: str, recipient: str) -> bytes:
    """The stored message is a template: Frappe fills in the recipient as it sends."""
    text = message.replace("<!--recipient-->", recipient).replace("<!--cc message-->", "")
    return text.replace("\r\n", "\n").replace("\n", "\r\n").encode()
