"""Errors of the embedded ERPNext: exceptions and the bodies that Frappe, gunicorn and nginx send for them.

One exception class with its constructors, the JSON error body, the HTML pages of the servers in front. When an error
is raised belongs to the modules that raise it.
"""

from __future__ import annotations

import html
import json
import secrets
from typing import Any

FRAPPE = "frappe.exceptions."
# Frappe's http_status_code of each exception; everything else is a 500.
STATUS = {
    "AuthenticationError": 401,
    "CannotCreateStandardDoctypeError": 417,
    "CharacterLengthExceededError": 417,
    "DataError": 417,
    "DocumentAlreadyRestored": 417,
    "DoesNotExistError": 404,
    "DuplicateEntryError": 409,
    "InReadOnlyMode": 503,
    "InvalidDates": 417,
    "ItemPriceDuplicateItem": 417,
    "LinkExistsError": 417,
    "LinkValidationError": 417,
    "MandatoryError": 417,
    "OutgoingEmailError": 501,
    "PermissionError": 403,
    "ServerScriptNotEnabled": 403,
    "SessionStopped": 503,
    "TimestampMismatchError": 417,
    "TooManyRequestsError": 429,
    "UniqueValidationError": 417,
    "UpdateAfterSubmitError": 417,
    "ValidationError": 417,
}
MODULES = {
    "CannotCreateStandardDoctypeError": "frappe.core.doctype.doctype.doctype.",
    "AttributeError": "",
    "ConnectionError": "requests.exceptions.",
    "ImportError": "",
    "IndexError": "",
    "ItemPriceDuplicateItem": "erpnext.stock.doctype.item_price.item_price.",
    "JSONDecodeError": "json.decoder.",
    "KeyError": "",
    "MissingSchema": "requests.exceptions.",
    "OperationalError": "pymysql.err.",
    "ProgrammingError": "pymysql.err.",
    "ServerScriptNotEnabled": "frappe.utils.safe_exec.",
    "TypeError": "",
}
# The database's name is part of MariaDB's messages about values.
DATABASE = "_sandbox"


class ErpError(Exception):
    """An exception as Frappe would have raised it inside the request."""

    def __init__(
        self,
        exc_type: str,
        text: str = "",
        *,
        messages: list[dict[str, Any]] | None = None,
        error_message: str | None = None,
        silent: bool = False,
        app: str | None = None,
        headers: dict[str, str] | None = None,
        shown_as: str | None = None,
    ) -> None:
        """Describe an exception.

        Args:
            exc_type: its class, which decides the status.
            text: what it says.
            messages: what msgprint() said before it.
            error_message: the answer's `_error_message`.
            silent: answer only the type, as for a missing document.
            app: the app that raised it, where Frappe names one.
            headers: of the answer.
            shown_as: the class as the traceback names it, where MODULES does not know.
        """
        super().__init__(text or exc_type)
        self.exc_type = exc_type
        self.text = text
        self.status = STATUS.get(exc_type, 500)
        self.messages = messages or []
        self.error_message = error_message
        self.silent = silent
        self.source = f"{app} (app)" if app else None
        self.headers = headers or {}
        self.shown_as = shown_as or MODULES.get(exc_type, FRAPPE) + exc_type

    @property
    def exception(self) -> str:
        """The line that ends the traceback."""
        return f"{self.shown_as}: {self.text}" if self.text else self.shown_as

    @property
    def traceback(self) -> str:
        """The text that logs keep."""
        return f"Traceback (most recent call last):\n  (embedded ERPNext: no frames)\n{self.exception}\n"

    def body(self) -> dict[str, Any]:
        """Return the JSON body of the answer."""
        found: dict[str, Any] = {}
        # A missing document or route carries no traceback, only its type.
        if not self.silent:
            found = {"exception": self.exception, "exc_type": self.exc_type}
            if self.source:
                found["_exc_source"] = self.source
            found["exc"] = json.dumps([self.traceback])
        else:
            found["exc_type"] = self.exc_type
        return {**found, **message_keys(self.messages, self.error_message)}


def message_keys(messages: list[dict[str, Any]], error_message: str | None) -> dict[str, Any]:
    """Return what msgprint() left in the answer: JSON inside JSON, as the desk expects it."""
    found: dict[str, Any] = {}
    if messages:
        found["_server_messages"] = json.dumps([json.dumps(message, ensure_ascii=False) for message in messages])
    if error_message:
        found["_error_message"] = error_message
    return found


def thrown(exc_type: str, message: str, *, title: str = "Message", app: str | None = None) -> ErpError:
    """Return what frappe.throw() raises: the text is both the exception's and a message for the user."""
    shown = {
        "message": message,
        "title": title,
        "indicator": "red",
        "raise_exception": 1,
        "__frappe_exc_id": secrets.token_hex(28),
    }
    return ErpError(exc_type, message, messages=[shown], app=app)


def not_found(doctype: str, name: str) -> ErpError:
    """Return the 404 for a missing document."""
    error = thrown("DoesNotExistError", f"{doctype} {name} not found")
    error.silent = True
    return error


def no_route() -> ErpError:
    """Return the 404 for a path that Frappe does not know."""
    return ErpError("DoesNotExistError", silent=True)


def no_role(user: str, doctype: str, *, error_message: str | None = None, document: bool = False) -> ErpError:
    """Return the refusal of a user whose roles give no access to the DocType."""
    text = f"User <strong>{user}</strong> does not have doctype access via role permission for document "
    text += f"<strong>{doctype}</strong>"
    if document:
        text += f"<br>User <strong>{user}</strong> does not have access to this document"
    messages = [{"message": text, "title": "Message"}]
    return ErpError("PermissionError", messages=messages, error_message=error_message)


def no_access(user: str, doctype: str, name: str, *, error_message: str | None = None) -> ErpError:
    """Return the refusal of a user who may read the DocType, but not do this."""
    text = f"User <strong>{user}</strong> does not have access to this document: {doctype} - {name}"
    return ErpError("PermissionError", messages=[{"message": text, "title": "Message"}], error_message=error_message)


def duplicate(doctype: str, name: str) -> ErpError:
    """Return the 409 for a name that is taken."""
    text = f"('{doctype}', '{name}', IntegrityError(1062, \"Duplicate entry '{name}' for key 'PRIMARY'\"))"
    message = f"{doctype} <strong>{name}</strong> already exists"
    shown = {"message": message, "title": "Duplicate Name", "indicator": "red"}
    return ErpError("DuplicateEntryError", text, messages=[shown])


def not_unique(doctype: str, name: str, fieldname: str, label: str, value: Any) -> ErpError:
    """Return the refusal of a value that another document has."""
    text = f"('{doctype}', '{name}', IntegrityError(1062, \"Duplicate entry '{value}' for key '{fieldname}'\"))"
    shown = {"message": f"{label} must be unique", "title": "Message"}
    return ErpError("UniqueValidationError", text, messages=[shown])


def unknown_column(column: str, clause: str) -> ErpError:
    """Return the database's error about a column that does not exist."""
    return ErpError("OperationalError", f"(1054, \"Unknown column '{column}' in '{clause}'\")")


def wrong_value(kind: str, value: Any, doctype: str, fieldname: str) -> ErpError:
    """Return the database's error about a value that does not fit its column."""
    column = f"`{DATABASE}`.`tab{doctype}`.`{fieldname}`"
    return ErpError("OperationalError", f"(1292, \"Incorrect {kind} value: '{value}' for column {column} at row 1\")")


# -- pages of the servers in front of Frappe, and of Frappe itself for browsers ---------------------------------


def nginx_page(status: str) -> str:
    """Return an error page of nginx."""
    return (
        f"<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n"
        "<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n"
    )


def gunicorn_page(title: str, text: str) -> str:
    """Return an error page of gunicorn."""
    return (
        f"<html>\n  <head>\n    <title>{title}</title>\n  </head>\n  <body>\n    <h1><p>{title}</p></h1>\n"
        f"    {html.escape(text)}\n  </body>\n</html>\n"
    )


def werkzeug_page(status: str, text: str) -> str:
    """Return an error page of werkzeug."""
    title = status.partition(" ")[2]
    return f"<!doctype html>\n<html lang=en>\n<title>{status}</title>\n<h1>{title}</h1>\n<p>{html.escape(text)}</p>\n"


def website_page(title: str) -> str:
    """Return a page of Frappe's website: what a client that accepts text/html gets instead of JSON."""
    head = f'<head>\n\t<meta charset="utf-8">\n\t<title>{title}</title>\n</head>'
    return f'<!DOCTYPE html>\n<html lang="en">\n{head}\n</html>\n'
