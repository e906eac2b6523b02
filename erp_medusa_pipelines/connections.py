"""The one place where settings become clients, and where the embedded sandbox is started when no server is set.

Belongs here: opening and closing both clients for one run. Does not belong here: what they are used for.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter
from erp_medusa_pipelines.clients.http import HttpClient, HttpOptions
from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.settings import Settings

SANDBOX_NOTICE = "SANDBOX: the embedded demo servers, not a shop (set ERPNEXT_URL, MEDUSA_URL and their keys for yours)"


@dataclass(frozen=True)
class Shop:
    """Both servers of a shop, opened for one run."""

    settings: Settings
    erp: ErpNextClient
    writer: ErpNextWriter
    medusa: MedusaClient

    @property
    def requests_sent(self) -> int:
        """Requests sent to both servers so far."""
        return self.erp.http.requests_sent + self.medusa.http.requests_sent

    @property
    def target(self) -> str:
        """Which servers these are, in words for people; says so plainly when they are the sandbox."""
        if self.settings.uses_sandbox:
            return SANDBOX_NOTICE
        return f"{self.erp.http.base_url} and {self.medusa.http.base_url}"


@contextmanager
def open_shop(settings: Settings) -> Iterator[Shop]:
    """Both clients for these settings; starts the sandbox when they name no server."""
    options = HttpOptions(
        connect_timeout=settings.http_connect_timeout,
        read_timeout=settings.http_read_timeout,
        attempts=settings.http_attempts,
    )
    key, secret, medusa_key = settings.erpnext_api_key, settings.erpnext_api_secret, settings.medusa_api_key
    erp_url, medusa_url = settings.erpnext_url, settings.medusa_url
    if not (key and secret and medusa_key and erp_url and medusa_url):
        from erp_medusa_pipelines.sandbox.server import ensure_running

        address = ensure_running(sandbox_directory(settings))
        key, secret = SecretStr(address.erpnext_api_key), SecretStr(address.erpnext_api_secret)
        medusa_key = SecretStr(address.medusa_api_key)
        erp_url, medusa_url = address.erpnext_url, address.medusa_url
    token = f"{key.get_secret_value()}:{secret.get_secret_value()}"
    erp_http = HttpClient(
        "ERPNext",
        erp_url,
        {"Authorization": f"token {token}"},
        secrets=(token, key.get_secret_value(), secret.get_secret_value()),
        options=options,
    )
    medusa_http = HttpClient(
        "Medusa",
        medusa_url,
        {"Authorization": f"Basic {medusa_key.get_secret_value()}"},
        secrets=(medusa_key.get_secret_value(),),
        options=options,
    )
    try:
        erp = ErpNextClient(erp_http, page_size=settings.erpnext_page_size, read_chunk=settings.erpnext_read_chunk)
        yield Shop(
            settings=settings,
            erp=erp,
            writer=ErpNextWriter(erp, chunk=settings.erpnext_write_chunk, fast_chunk=settings.erpnext_fast_write_chunk),
            medusa=MedusaClient(medusa_http),
        )
    finally:
        erp_http.close()
        medusa_http.close()


def sandbox_directory(settings: Settings) -> Path:
    """Where the sandbox keeps its data."""
    if settings.sandbox_dir:
        return settings.sandbox_dir
    return Path(os.environ.get("DAGSTER_HOME") or ".dagster").resolve() / "sandbox"
