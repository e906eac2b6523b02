"""Do the longest requests get through what stands between us and the servers?

Limits of proxies, which a short request does not meet.
"""

from collections.abc import Callable, Iterator

from erp_medusa_pipelines.clients.erpnext import LONGEST_REQUEST_LINE as LONGEST_TO_ERPNEXT
from erp_medusa_pipelines.clients.failures import PayloadTooLargeError
from erp_medusa_pipelines.clients.medusa import LONGEST_REQUEST_LINE as LONGEST_TO_MEDUSA
from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.readiness.findings import Finding, Level

AREA = "way"


def longest_address_reaches_erpnext(shop: Shop) -> Iterator[Finding]:
    """Send ERPNext the longest address that lists use."""
    yield _longest("ERPNext", LONGEST_TO_ERPNEXT, shop.erp.try_longest_address)


def longest_address_reaches_medusa(shop: Shop) -> Iterator[Finding]:
    """Send Medusa the longest address that look-ups use."""
    yield _longest("Medusa", LONGEST_TO_MEDUSA, shop.medusa.try_longest_address)


def _longest(server: str, size: int, attempt: Callable[[], None]) -> Finding:
    name = f"longest address to {server}"
    try:
        attempt()
    except PayloadTooLargeError as error:
        means = "the tasks use shorter ones, so a night takes more requests"
        fix = "let the proxy take 8 KiB: large_client_header_buffers of nginx, LimitRequestLine of Apache"
        return Finding(AREA, name, Level.WARN, f"{size:,} bytes are refused: {error.reason}", means, fix)
    return Finding(AREA, name, Level.OK, f"{size:,} bytes get through")
