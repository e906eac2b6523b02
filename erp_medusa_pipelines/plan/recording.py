"""Clients that send normally and record what they changed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from erp_medusa_pipelines.clients.erpnext import ErpNextClient, Row
from erp_medusa_pipelines.clients.erpnext_writes import Change as FieldChange
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter, WriteOutcome
from erp_medusa_pipelines.clients.http import HttpClient
from erp_medusa_pipelines.clients.medusa import MedusaClient, PriceEntry
from erp_medusa_pipelines.plan.changes import Change, ChangeLog, Known
from erp_medusa_pipelines.plan.routes import changes_of


class ReadingMedusa(MedusaClient):
    """Remember names and old values of what is read."""

    def __init__(self, http: HttpClient) -> None:
        super().__init__(http)
        self.known = Known()

    def name_documents(self, names: Mapping[str, str]) -> None:
        """Remember names by id that the caller has from elsewhere."""
        self.known.names.update(names)

    def tell_prices(self, entries: Mapping[str, PriceEntry]) -> None:
        """Remember what they are, until they are changed."""
        self.known.entries.update(entries)

    def find(
        self,
        path: str,
        plural: str,
        key: str,
        values: Iterable[str],
        fields: str,
        *,
        more: Mapping[str, Any] | None = None,
    ) -> Iterator[Row]:
        """As Medusa answers."""
        for row in super().find(path, plural, key, values, fields, more=more):
            self.known.learn(plural, row)
            yield row

    def all_of(self, path: str, plural: str, fields: str, *, page_size: int = 1000) -> Iterator[Row]:
        """As Medusa answers."""
        for row in super().all_of(path, plural, fields, page_size=page_size):
            self.known.learn(plural, row)
            yield row


class RecordingMedusa(ReadingMedusa):
    """Send to one Medusa and record what was changed."""

    def __init__(self, http: HttpClient, log: ChangeLog) -> None:
        super().__init__(http)
        self._log = log

    def send(self, method: str, path: str, body: Any = None, *, gives: str, repeatable: bool | None = None) -> Any:
        """Send, and record it after success."""
        answer = super().send(method, path, body, gives=gives, repeatable=repeatable)
        self._log.add(*changes_of(method, path, body, answer, self.known))
        return answer


class RecordingErpNext(ErpNextClient):
    """Save to one site and record what was changed."""

    def __init__(self, http: HttpClient, log: ChangeLog, **options: Any) -> None:
        super().__init__(http, **options)
        self._log = log

    def update(self, doctype: str, name: str, values: Mapping[str, Any], *, modified: str | None = None) -> Row:
        """Save, and record it."""
        saved = super().update(doctype, name, values, modified=modified)
        self._log.add(Change("ERPNext", "update", doctype, name, dict(values), name))
        return saved

    def delete(self, doctype: str, name: str) -> None:
        """Delete, and record it."""
        super().delete(doctype, name)
        self._log.add(Change("ERPNext", "delete", doctype, name, {}, name))


class RecordingWriter(ErpNextWriter):
    """Write in bulk and record what was stored."""

    def __init__(self, client: ErpNextClient, log: ChangeLog, *, chunk: int = 20) -> None:
        super().__init__(client, chunk=chunk)
        self._log = log

    def write(self, doctype: str, changes: Sequence[FieldChange], **options: Any) -> WriteOutcome:
        """Write, and record what was stored."""
        outcome = super().write(doctype, changes, **options)
        stored = set(outcome.written)
        self._log.add(
            *(Change("ERPNext", "update", doctype, name, dict(v), name) for name, v in changes if name in stored)
        )
        return outcome
