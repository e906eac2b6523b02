"""An ERPNext that is only read: saves are recorded, and later reads include them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from erp_medusa_pipelines.clients.erpnext import SEND_NOW, Aggregate, ErpNextClient, Filters, Row
from erp_medusa_pipelines.clients.erpnext_writes import Change as FieldChange
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter, WriteOutcome
from erp_medusa_pipelines.clients.http import HttpClient
from erp_medusa_pipelines.plan.changes import Change, ChangeLog

_CONDITIONS: Mapping[tuple[str, Any], Callable[[Any], bool]] = {
    ("is", "set"): lambda value: value not in (None, ""),
    ("is", "not set"): lambda value: value in (None, ""),
}


READS_BY_POST = frozenset({"/api/method/frappe.client.get_list"})
"""Method of lists whose conditions are too long for an address."""


class ReadOnlyHttpClient(HttpClient):
    """Send requests that read, and raise LookupError for everything else: the last guard of a plan."""

    def request(self, method: str, path: str, **options: Any) -> Any:
        """Send a reading request as HttpClient does."""
        if method != "GET" and path not in READS_BY_POST:
            raise LookupError(f"{method} {path.partition('?')[0]} would write, and a plan cannot simulate it")
        return super().request(method, path, **options)


class PlannedErpNext(ErpNextClient):
    """Read one site; planned writes are merged into what is read."""

    def __init__(self, http: HttpClient, log: ChangeLog, **options: Any) -> None:
        super().__init__(http, **options)
        self._site = ErpNextClient(http, **options)
        self._log = log
        self._written: dict[str, dict[str, dict[str, Any]]] = {}
        self._deleted: dict[str, set[str]] = {}

    # --- reading ----------------------------------------------------------------------------------------------

    def get_list(
        self,
        doctype: str,
        fields: Sequence[str | Aggregate],
        *,
        filters: Filters = (),
        or_filters: Filters = (),
        group_by: str | None = None,
        limit: int = 0,
        **options: Any,
    ) -> list[Row]:
        """Return the site's rows with planned changes. Aggregates are the site's own."""
        view = _View(self._written.get(doctype, {}), self._deleted.get(doctype, set()), filters, or_filters)
        if view.is_empty or group_by or any(not isinstance(field, str) for field in fields):
            return self._site.get_list(
                doctype, fields, filters=filters, or_filters=or_filters, group_by=group_by, limit=limit, **options
            )
        asked = list(dict.fromkeys(["name", *map(str, fields), *view.judged_fields]))
        most = 0 if view.judges else limit
        kept = {"filters": view.filters, "or_filters": view.or_filters}
        rows = view.of(self._site.get_list(doctype, asked, limit=most, **kept, **options))
        return rows[:limit] if limit else rows

    def pages(
        self,
        doctype: str,
        fields: Sequence[str],
        *,
        filters: Filters = (),
        or_filters: Filters = (),
        **options: Any,
    ) -> Iterator[list[Row]]:
        """Yield the site's pages with planned changes."""
        view = _View(self._written.get(doctype, {}), self._deleted.get(doctype, set()), filters, or_filters)
        asked = list(dict.fromkeys([*fields, *view.judged_fields]))
        for page in self._site.pages(doctype, asked, filters=view.filters, or_filters=view.or_filters, **options):
            if rows := view.of(page):
                yield rows

    def get(self, doctype: str, name: str) -> Row:
        """Return one document with planned changes."""
        return {**self._site.get(doctype, name), **self._written.get(doctype, {}).get(name, {})}

    # --- writing ----------------------------------------------------------------------------------------------

    def note(self, doctype: str, name: str, values: Mapping[str, Any]) -> None:
        """Record new values of a document."""
        self._written.setdefault(doctype, {}).setdefault(name, {}).update(values)
        self._log.add(Change("ERPNext", "update", doctype, name, dict(values), name))

    def update(self, doctype: str, name: str, values: Mapping[str, Any], **_options: Any) -> Row:
        """Record a save. Returns the document with planned changes."""
        self.note(doctype, name, values)
        return self.get(doctype, name)

    def insert(self, doctype: str, values: Mapping[str, Any]) -> Row:
        """Record a new document."""
        name = self._log.new_id(doctype)
        self._log.add(Change("ERPNext", "create", doctype, name, dict(values)))
        return {**values, "name": name}

    def delete(self, doctype: str, name: str) -> None:
        """Record a deletion."""
        self._deleted.setdefault(doctype, set()).add(name)
        self._log.add(Change("ERPNext", "delete", doctype, name, {}, name))

    def call(self, function: str, arguments: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Call a function that reads; record the sending of a mail. Raises LookupError for any other that may write."""
        if options.get("method") == "GET":
            return super().call(function, arguments, **options)
        if function != SEND_NOW:
            raise LookupError(f"a plan cannot simulate POST {function}: add it to {__name__}")
        name = str((arguments or {})["name"])
        self._written.setdefault("Email Queue", {}).setdefault(name, {})["status"] = "Sent"
        self._log.add(Change("ERPNext", "send", "Email Queue", name, {}, name))
        return None


class PlannedWriter(ErpNextWriter):
    """Record bulk writes, all of which succeed."""

    def __init__(self, client: PlannedErpNext, *, chunk: int = 20) -> None:
        super().__init__(client, chunk=chunk)
        self._planned = client

    def write(self, doctype: str, changes: Sequence[FieldChange], **_options: Any) -> WriteOutcome:
        """Record the changes, as if all were written."""
        for name, values in changes:
            self._planned.note(doctype, name, values)
        return WriteOutcome(written=[name for name, _ in changes])


class _View:
    """Planned values merged into rows, with conditions on such values evaluated here.

    The site would omit rows that match only with planned values, and return rows that no longer match.
    """

    def __init__(
        self, written: Mapping[str, Mapping[str, Any]], gone: set[str], filters: Filters, or_filters: Filters
    ) -> None:
        self._written, self._gone = written, gone
        planned = {field for values in list(written.values()) for field in list(values)}
        self._all = [one for one in filters if one[0] in planned and _known(one)]
        self.filters = [one for one in filters if one not in self._all]
        judge_any = any(one[0] in planned for one in or_filters) and all(map(_known, or_filters))
        self._any = list(or_filters) if judge_any else []
        self.or_filters = [] if judge_any else or_filters

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is planned for the DocType."""
        return not (self._written or self._gone)

    @property
    def judges(self) -> bool:
        """Return whether conditions are evaluated here, so that the site returns more rows than match."""
        return bool(self._all or self._any)

    @property
    def judged_fields(self) -> list[str]:
        """Return the fields that the conditions need."""
        return [one[0] for one in (*self._all, *self._any)]

    def of(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows with planned values, without those that do not match."""
        laid = [_laid_over(row, self._written.get(row["name"], {})) for row in rows if row["name"] not in self._gone]
        return [
            row
            for row in laid
            if all(_holds(one, row) for one in self._all)
            and (not self._any or any(_holds(one, row) for one in self._any))
        ]


def _known(condition: Sequence[Any]) -> bool:
    return condition[1] == "=" or (condition[1] == "is" and condition[2] in ("set", "not set"))


def _holds(condition: Sequence[Any], row: Row) -> bool:
    field, operator, wanted = condition
    if operator == "=":
        return str(row.get(field) or "") == str(wanted or "")
    return _CONDITIONS[operator, wanted](row.get(field))


def _laid_over(row: Row, values: Mapping[str, Any]) -> Row:
    return {**row, **{key: value for key, value in values.items() if key in row}}
