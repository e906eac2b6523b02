"""Deletion of expired carts of a real Medusa, by our plugin."""

from tests.suites.expired_carts import ExpiredCartSuite, carts, runs

__all__ = ["TestExpiredCarts", "carts", "runs"]


class TestExpiredCarts(ExpiredCartSuite):
    pass
