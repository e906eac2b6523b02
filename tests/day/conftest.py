"""The servers of the live tests."""

from tests.live.conftest import erp, medusa, medusa_server, real_keys, real_site, runner

__all__ = ["erp", "medusa", "medusa_server", "real_keys", "real_site", "runner"]
