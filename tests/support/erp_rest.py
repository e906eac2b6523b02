"""An ERPNext as a test's own client sees it over REST: the embedded one or any other."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
import requests

from erp_medusa_sandbox.faults import FaultInjector
from erp_medusa_sandbox.server import running
from tests.support.proxy import proxy_app


@dataclass(frozen=True)
class ErpRest:
    """A server, its keys, and the faults in front of it."""

    url: str
    key: str
    secret: str = field(repr=False)
    faults: FaultInjector

    def insert(self, doctype: str, **values: Any) -> str:
        """Create a document; returns its name."""
        return self._send("POST", f"/api/resource/{quote(doctype)}", json=values)["data"]["name"]

    def set(self, doctype: str, name: str, **values: Any) -> None:
        """Save some fields, as a desk user does."""
        self._send("PUT", f"/api/resource/{quote(doctype)}/{quote(name, safe='')}", json=values)

    def value(self, doctype: str, name: str, fieldname: str) -> Any:
        """One field of a document."""
        filters = json.dumps([["name", "=", name]])
        query = {"filters": filters, "fields": json.dumps([fieldname])}
        rows = self._send("GET", f"/api/resource/{quote(doctype)}", params=query)["data"]
        return rows[0][fieldname] if rows else None

    def delete(self, doctype: str, name: str) -> None:
        """Delete a document; ignored if it does not exist."""
        answer = self._answer("DELETE", f"/api/resource/{quote(doctype)}/{quote(name, safe='')}")
        assert answer.status_code in (202, 404), answer.text

    def _send(self, method: str, path: str, **options: Any) -> Any:
        answer = self._answer(method, path, **options)
        assert answer.ok, answer.text
        return answer.json()

    def _answer(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"token {self.key}:{self.secret}", "Accept": "application/json"}
        return requests.request(method, self.url + path, headers=headers, timeout=60, **options)


@contextmanager
def proxied_erpnext(url: str, key: str, secret: str) -> Iterator[ErpRest]:
    """Somebody's ERPNext, with faults in front of it."""
    app = FaultInjector(proxy_app(url), "erpnext")
    with running(app, keep_alive=65) as address:
        yield ErpRest(address, key, secret, app)


def use_erpnext(erp: ErpRest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names this ERPNext, and a Medusa that nobody may need."""
    monkeypatch.setenv("ERPNEXT_URL", erp.url)
    monkeypatch.setenv("ERPNEXT_API_KEY", erp.key)
    monkeypatch.setenv("ERPNEXT_API_SECRET", erp.secret)
    monkeypatch.setenv("MEDUSA_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("MEDUSA_API_KEY", "sk_not_needed")
    monkeypatch.setattr("erp_medusa_pipelines.clients.http.DEFAULT_SLEEP", lambda _seconds: None)
