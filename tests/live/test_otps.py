"""One-time passwords on the ERPNext that ERPNEXT_URL names, else on the embedded one.

The run expires what is due on that site, which its own scheduler would do within the minute.
"""

from tests.suites.otps import OtpSuite, passwords, runs

__all__ = ["TestOtps", "passwords", "runs"]


class TestOtps(OtpSuite):
    pass
