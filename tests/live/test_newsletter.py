"""The weekly newsletter of a real Medusa, to a real SMTP server."""

from tests.suites.newsletter import NewsletterSuite, letters, runs

__all__ = ["TestNewsletter", "letters", "runs"]


class TestNewsletter(NewsletterSuite):
    pass
