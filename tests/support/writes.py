"""Requests that changed something on either server, for promises that a run writes nothing."""

import re

from erp_medusa_pipelines.clients.login import LOGIN
from erp_medusa_sandbox.faults import SeenRequest
from tests.support.servers import MedusaServer
from tests.support.site import AnyErp

READING = re.compile(r"get_list|frappe\.client\.get")
"""Documents that are read with POST."""
SERVER_SCRIPT = re.compile(r"erp_medusa_set_values$")
PROBE_BYTES = 80
"""More than the probe for the Server Script has, whose list of rows is empty; less than any row."""


def medusa_writes(medusa: MedusaServer) -> list[SeenRequest]:
    """Return the requests to Medusa that may have changed something."""
    return [seen for seen in medusa.faults.requests if seen.method != "GET" and seen.path != LOGIN]


def erp_writes(erp: AnyErp) -> list[SeenRequest]:
    """Return the requests to ERPNext that may have changed documents."""
    return [seen for seen in erp.faults.requests if seen.method != "GET" and not _only_reads(seen)]


def _only_reads(seen: SeenRequest) -> bool:
    if SERVER_SCRIPT.search(seen.path):
        return seen.bytes < PROBE_BYTES
    return bool(READING.search(seen.path))
