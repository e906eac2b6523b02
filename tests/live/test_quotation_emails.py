"""Quotation mails: the whole suite on the embedded ERPNext; on a named one only the question, which sends nothing.

A sender that runs against a named ERPNext would mail its customers. So with ERPNEXT_URL set only tests that send
nothing are collected.
"""

import os
from collections.abc import Iterator

import dagster as dg
import pytest

from erp_medusa_pipelines.orchestration.gates import reason_to_skip
from tests.suites.quotation_emails import TASK, MailSuite, outbox, runs
from tests.support.erp_rest import ErpRest, proxied_erpnext, use_erpnext

__all__ = ["outbox", "runs"]


class _Question:
    """On a site with mails of its own."""

    @pytest.fixture
    def named_erp(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[ErpRest]:
        url, key, secret = (os.environ[f"ERPNEXT_{name}"] for name in ("URL", "API_KEY", "API_SECRET"))
        with proxied_erpnext(url.rstrip("/"), key, secret) as erp:
            use_erpnext(erp, monkeypatch)
            yield erp

    def test_is_answered_with_few_requests_that_only_read(self, named_erp: ErpRest) -> None:
        reason = reason_to_skip(TASK, dg.DagsterInstance.ephemeral())
        assert reason is None or "could not be asked" not in reason
        assert {seen.method for seen in named_erp.faults.requests} == {"GET"}
        assert len(named_erp.faults.requests) <= 2


if os.environ.get("ERPNEXT_URL"):

    class TestQuestion(_Question):
        pass

else:

    class TestQuotationEmails(MailSuite):
        pass
