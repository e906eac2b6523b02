"""The outgoing mail of a test's ERPNext."""

from tests.support.site import Site


def send_to(store: Site, port: int) -> None:
    """Make a mail server on this port the site's default for outgoing mail."""
    account = {"email_id": "erp@shop.example", "smtp_server": "127.0.0.1", "smtp_port": str(port)}
    switches = {"enable_outgoing": 1, "default_outgoing": 1, "no_smtp_authentication": 1}
    store.insert("Email Account", email_account_name="Out", **account, **switches)
