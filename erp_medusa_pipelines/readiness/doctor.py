"""The whole examination of a shop, in the order in which an operator mends things.

Belongs here: which examinations there are. Does not belong here: what they look at, and how findings are shown.
"""

from collections.abc import Iterator

from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.readiness.findings import Examination, Finding, Level, examine
from erp_medusa_pipelines.readiness.servers import erpnext_answers, medusa_answers

FIRST: tuple[tuple[str, Examination[Shop]], ...] = (("ERPNext", erpnext_answers), ("Medusa", medusa_answers))


def examine_shop(shop: Shop) -> Iterator[Finding]:
    """Every finding about both servers. What needs a server that does not answer is left out."""
    silent = set()
    for finding in examine(shop, FIRST):
        if finding.level in (Level.FAIL, Level.UNKNOWN):
            silent.add(finding.area)
        yield finding
