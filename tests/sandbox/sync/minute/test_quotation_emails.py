"""Quotation mails on the embedded ERPNext."""

from tests.suites.quotation_emails import MailSuite, outbox, runs

__all__ = ["TestQuotationEmails", "outbox", "runs"]


class TestQuotationEmails(MailSuite):
    pass
