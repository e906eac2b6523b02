"""What tests of mails to customers share: a shop's settings for them, and the outgoing mail of a test's ERPNext."""

from dev.mail_sink import MailSink
from tests.support.servers import MedusaServer
from tests.support.site import Site


def mail_settings(sink: MailSink, medusa: MedusaServer) -> dict[str, str]:
    """Settings of a shop whose mails go straight to the sink, at any hour."""
    return {
        "MAIL_BY": "smtp",
        "SMTP_URL": f"smtp://127.0.0.1:{sink.port}",
        "MAIL_FROM": "Shop of Muscat <shop@shop.example>",
        "MAIL_SHOP_TITLE": "Shop of Muscat",
        "MAIL_QUIET_HOURS": "00:00-00:00",
        "MEDUSA_PLUGIN_SECRET": medusa.plugin_secret,
    }


def send_to(store: Site, port: int) -> None:
    """Make a mail server on this port the site's default for outgoing mail."""
    account = {"email_id": "erp@shop.example", "smtp_server": "127.0.0.1", "smtp_port": str(port)}
    switches = {"enable_outgoing": 1, "default_outgoing": 1, "no_smtp_authentication": 1}
    store.insert("Email Account", email_account_name="Out", **account, **switches)
