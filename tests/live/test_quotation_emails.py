"""Quotation mails on the ERPNext that ERPNEXT_URL names, else on the embedded one."""

from tests.suites.quotation_emails import MailSuite, outbox, runs

__all__ = ["TestQuotationEmails", "outbox", "runs"]


class TestQuotationEmails(MailSuite):
    pass
