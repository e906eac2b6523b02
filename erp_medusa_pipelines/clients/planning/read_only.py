"""A connection that cannot write, so that a plan certainly writes nothing.

Refusing. The clients of a plan handle their writes themselves, so none should ever reach it.
"""

from typing import Any

from erp_medusa_pipelines.clients.http import HttpClient

READS_BY_POST = frozenset({"/api/method/frappe.client.get_list"})
"""Method of lists whose conditions are too long for an address."""


class ReadOnlyHttpClient(HttpClient):
    """Send requests that read, and raise LookupError for everything else."""

    def request(self, method: str, path: str, **options: Any) -> Any:
        """Send a reading request as HttpClient does."""
        if method != "GET" and path not in READS_BY_POST:
            raise LookupError(f"{method} {path.partition('?')[0]} would write, and a plan cannot simulate it")
        return super().request(method, path, **options)
