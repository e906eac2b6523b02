"""The weekly newsletter against the embedded Medusa, and what only it can show."""

from tests.suites.newsletter import NewsletterSuite, letters, runs

__all__ = ["TestNewsletter", "letters", "runs"]


class TestNewsletter(NewsletterSuite):
    pass
