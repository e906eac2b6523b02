"""A connection that cannot write: the last line of a plan's promise to write nothing.

Belongs here: refusing. Clients of a plan answer their writes themselves, so nothing of the kind should ever come here.
"""

from typing import Any

from erp_medusa_pipelines.clients.http import HttpClient

READS_BY_POST = frozenset({"/api/method/frappe.client.get_list"})
"""A list whose conditions are too long for an address."""


class ReadOnlyHttpClient(HttpClient):
    """Sends what reads, and raises LookupError for everything else."""

    def request(self, method: str, path: str, **options: Any) -> Any:
        """As HttpClient does, for reading."""
        if method != "GET" and path not in READS_BY_POST:
            raise LookupError(f"{method} {path.partition('?')[0]} would write: it has no answer in a plan")
        return super().request(method, path, **options)
