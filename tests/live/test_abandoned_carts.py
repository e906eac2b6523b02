"""Mails about abandoned carts of a real Medusa, to a real SMTP server."""

from tests.suites.abandoned_carts import CartMailSuite, mailed, runs

__all__ = ["TestAbandonedCarts", "mailed", "runs"]


class TestAbandonedCarts(CartMailSuite):
    pass
