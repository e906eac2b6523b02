"""One-time passwords on the ERPNext that ERPNEXT_URL, _API_KEY and _API_SECRET name, else on the embedded one.

The run expires what is due on that site, which its own scheduler would do within the minute. Rows of the tests are
removed again.
"""

import os
from collections.abc import Iterator

import pytest

from tests.suites.otps import OtpSuite, passwords, runs
from tests.support.erp_rest import ErpRest, proxied_erpnext
from tests.support.servers import embedded_erpnext

__all__ = ["TestOtps", "passwords", "runs"]


@pytest.fixture
def any_erp() -> Iterator[ErpRest]:
    if os.environ.get("ERPNEXT_URL"):
        url, key, secret = (os.environ[f"ERPNEXT_{name}"] for name in ("URL", "API_KEY", "API_SECRET"))
        with proxied_erpnext(url.rstrip("/"), key, secret) as erp:
            yield erp
        return
    with embedded_erpnext() as server:
        yield ErpRest(server.url, server.key, server.secret, server.faults)


class TestOtps(OtpSuite):
    pass
