"""ERPNext (15 and 16) over the Frappe REST API: lists, documents, Singles, aggregates, files, clock."""

import json
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Literal
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.columns import with_texts
from erp_medusa_pipelines.clients.failures import (
    ForeignAnswerError,
    PayloadTooLargeError,
    PermanentError,
    is_gone,
)
from erp_medusa_pipelines.clients.http import HttpClient
from erp_medusa_pipelines.clients.origin import is_frappe_answer
from erp_medusa_pipelines.clients.reading import UNKEPT, Answers, Reading
from erp_medusa_pipelines.setting_types import NO_RULES, ShopRules

Filters = Sequence[Sequence[Any]]
Row = dict[str, Any]

SEND_NOW = "frappe.email.doctype.email_queue.email_queue.send_now"
FLUSH = "frappe.email.queue.flush"
"""Frappe's functions that send one waiting mail, and all of them; its scheduler has a job for the second."""

CLOCK = "ERPNext's clock"
LONGEST_PAGE = 10_000
"""Rows of a page of a few short fields."""

LONGEST_REQUEST_LINE = 3500
"""Bytes. gunicorn refuses more than 4094; longer lists are asked for with POST get_list."""


@dataclass(frozen=True)
class Aggregate:
    """One aggregated column, e.g. Aggregate("SUM", "qty", "sales_qty"); spelled per dialect by the client."""

    function: Literal["SUM", "COUNT", "MAX", "MIN", "AVG"]
    field: str
    alias: str


class ErpNextClient:
    """One ERPNext site. All times are naive strings in the site's zone, as Frappe stores them."""

    def __init__(
        self, http: HttpClient, *, page_size: int = 2000, read_chunk: int = 400, shop_rules: ShopRules = NO_RULES
    ) -> None:
        self.http = http
        self.page_size = page_size
        self.read_chunk = read_chunk
        self.shop_rules = shop_rules
        """What the shop that this client works for takes of the site: all that reads items must ask the same."""
        self.reading: Reading | None = None
        """Where a run keeps the lists that it reads whole; None where each part of the work reads for itself."""
        self._is_clock_kept = False
        self.fields_of_products: tuple[str, ...] = ()
        """What products are made of, for the list of a tick whose runs compare them all."""

    # --- what kind of site this is -----------------------------------------------------------------------------

    @cached_property
    def major_version(self) -> int:
        """Frappe's major version, e.g. 15; decides the dialect of aggregates."""
        return self.http.once("version", self._ask_version, of_tick=True)

    def _ask_version(self) -> int:
        versions = self.call("frappe.utils.change_log.get_versions", method="GET")
        try:
            return int(str(versions["frappe"]["version"]).split(".", 1)[0])
        except (KeyError, TypeError, ValueError):
            raise PermanentError(
                self.http.service, "get_versions", "did not report its Frappe version: is this ERPNext 15 or 16?"
            ) from None

    @cached_property
    def time_zone(self) -> ZoneInfo:
        """The site's time zone (System Settings)."""
        return self.http.once("time zone", self._ask_time_zone, of_tick=True)

    def _ask_time_zone(self) -> ZoneInfo:
        answer = self.call("frappe.client.get_time_zone", method="GET")
        try:
            return ZoneInfo(answer["time_zone"])
        except (KeyError, TypeError, ValueError) as error:
            raise PermanentError(
                self.http.service, "get_time_zone", "has no usable time zone: set it in System Settings"
            ) from error

    def now(self) -> datetime:
        """The server's clock in the site's zone (aware), from the Date header: Frappe has no "now" to ask for."""
        self.ping()
        moment = self.http.server_clock or datetime.now(UTC)
        return moment.astimezone(self.time_zone)

    def ping(self) -> None:
        """Ask for nothing. Raises what stands between us and ERPNext; a wrong key is refused here as well."""
        path = "/api/method/ping"
        self.http.part(self.http.request("GET", path), "message", f"GET {path}")

    def clock(self) -> datetime:
        """Like `now()`, without a request if the server has answered this run, or one of its tick, before."""
        moment = self.http.server_clock
        if self.reading is not None and self.reading.shared:
            with suppress(*UNKEPT):
                moment = self._clock_of_tick(self.reading.answers, moment)
        return moment.astimezone(self.time_zone) if moment else self.now()

    def _clock_of_tick(self, answers: Answers, own: datetime | None) -> datetime | None:
        """Return the clock by what a run of this tick knows of it: how many seconds it is ahead of this machine's."""
        if own is None:
            ahead = answers.find(CLOCK)
            return None if ahead is None else datetime.now(UTC) + timedelta(seconds=float(ahead))
        if not self._is_clock_kept:
            answers.put(CLOCK, CLOCK, str((own - datetime.now(UTC)).total_seconds()), time.time())
            self._is_clock_kept = True
        return own

    def user(self) -> str:
        """Return the user that the key belongs to. Raises AccessError for a wrong key."""
        return self.call("frappe.auth.get_logged_user", method="GET")

    def scheduler_is_on(self) -> bool:
        """Return whether System Settings enables Frappe's scheduler. The API does not show a pause by the bench."""
        question = {"doctype": "System Settings", "field": "enable_scheduler"}
        return bool(int(self.call("frappe.client.get_single_value", question, method="GET") or 0))

    def mail_flushers(self) -> list[str]:
        """Return the names of Frappe's own jobs that send all waiting mails and are not stopped."""
        rows = self.get_list("Scheduled Job Type", ["name", "stopped"], filters=[["method", "=", FLUSH]])
        running = [row["name"] for row in rows if not row["stopped"]]
        return running if running and self.scheduler_is_on() else []

    # --- lists ------------------------------------------------------------------------------------------------

    def get_list(
        self,
        doctype: str,
        fields: Sequence[str | Aggregate],
        *,
        filters: Filters = (),
        or_filters: Filters = (),
        order_by: str = "name asc",
        group_by: str | None = None,
        limit: int = 0,
        start: int = 0,
        parent: str | None = None,
    ) -> list[Row]:
        """Return the rows of one request; `limit=0` means all, `start` skips some.

        Child DocTypes need `parent`, the parent's DocType. Whole lists are read by `pages`, never by `start`: it shifts
        when rows come or go.
        """
        body: dict[str, Any] = {
            "fields": [self._field(field) for field in fields],
            "order_by": order_by,
            "limit_page_length": limit,
        }
        if filters:
            body["filters"] = [list(condition) for condition in filters]
        if or_filters:
            body["or_filters"] = [list(condition) for condition in or_filters]
        if group_by:
            body["group_by"] = group_by
        if start:
            body["limit_start"] = start
        if parent:
            body["parent"] = parent
        path = f"/api/resource/{quote(doctype, safe='')}"
        query = urlencode({key: json.dumps(v) if isinstance(v, list) else v for key, v in body.items()})
        if len(path) + len(query) <= LONGEST_REQUEST_LINE:
            with suppress(PayloadTooLargeError):
                return with_texts(self.http.part(self.http.request("GET", path, params=query), "data", f"GET {path}"))
        path = "/api/method/frappe.client.get_list"
        answer = self.http.request("POST", path, json={"doctype": doctype, **body}, repeatable=True)
        return with_texts(self.http.part(answer, "message", path))

    def try_longest_address(self) -> None:
        """Look for a document that does not exist, with an address as long as lists use. Raises ApiError."""
        path = "/api/resource/Website%20Item?limit_page_length=1&filters="
        filters = quote(json.dumps([["name", "=", "x"]]))
        filler = "x" * (LONGEST_REQUEST_LINE - len(path) - len(filters) + 1)
        where = "GET /api/resource/Website Item"
        self.http.part(self.http.request("GET", path + filters.replace("x", filler)), "data", where)

    def pages(
        self,
        doctype: str,
        fields: Sequence[str],
        *,
        filters: Filters = (),
        or_filters: Filters = (),
        parent: str | None = None,
        page_size: int | None = None,
    ) -> Iterator[list[Row]]:
        """All matching rows in pages by keyset on `name`: complete even while the set changes under the reader."""
        size = page_size or self.page_size
        wanted = list(fields) if "name" in fields else ["name", *fields]
        last: str | None = None
        while True:
            after = [*filters, ["name", ">", last]] if last is not None else list(filters)
            page = self.get_list(doctype, wanted, filters=after, or_filters=or_filters, limit=size, parent=parent)
            if not page:
                return
            last, is_last = page[-1]["name"], len(page) < size
            yield page
            if is_last:
                return
            # Not in memory together with the next one.
            del page

    def rows(self, doctype: str, fields: Sequence[str], **options: Any) -> Iterator[Row]:
        """Yield the rows of `pages` one by one."""
        for page in self.pages(doctype, fields, **options):
            yield from page
            del page

    def rows_in(
        self,
        doctype: str,
        fields: Sequence[str],
        names: Iterable[str],
        *,
        key: str = "name",
        filters: Filters = (),
        or_filters: Filters = (),
        order_by: str = "name asc",
        parent: str | None = None,
    ) -> list[Row]:
        """Rows whose `key` is one of `names`, read in chunks of `read_chunk`."""
        options = {"filters": filters, "or_filters": or_filters, "order_by": order_by, "parent": parent}
        return list(self.each_in(doctype, fields, names, self.read_chunk, key=key, **options))

    def each_in(
        self,
        doctype: str,
        fields: Sequence[str],
        names: Iterable[str],
        chunk: int,
        *,
        key: str = "name",
        filters: Filters = (),
        **options: Any,
    ) -> Iterator[Row]:
        """Yield the rows whose `key` is one of `names`, which are asked for so many at a time."""
        for some in batched(dict.fromkeys(names), chunk):
            yield from self.get_list(doctype, fields, filters=[*filters, [key, "in", some]], **options)

    def rows_among(
        self,
        doctype: str,
        fields: Sequence[str],
        names: Collection[str],
        *,
        filters: Filters = (),
        or_filters: Filters = (),
    ) -> Iterator[Row]:
        """Yield the rows of these names, or of all where `names` is empty: work on a few costs what these few cost."""
        if names:
            wanted = list(fields) if "name" in fields else ["name", *fields]
            yield from self.rows_in(doctype, wanted, sorted(names), filters=filters, or_filters=or_filters)
        else:
            yield from self.rows(doctype, fields, filters=filters, or_filters=or_filters, page_size=LONGEST_PAGE)

    def exists(self, doctype: str, *, filters: Filters = ()) -> bool:
        """Whether any row matches: the cheapest question a list can answer, and one that checks permission."""
        return bool(self.get_list(doctype, ["name"], filters=filters, limit=1))

    def _field(self, field: str | Aggregate) -> Any:
        if isinstance(field, str):
            return field
        if self.major_version >= 16:
            return {field.function: field.field, "as": field.alias}
        return f"{field.function.lower()}({field.field}) as {field.alias}"

    # --- documents --------------------------------------------------------------------------------------------

    def get(self, doctype: str, name: str) -> Row:
        """One whole document; fields that are NULL are missing from it."""
        if _addressable(name):
            path = self._path(doctype, name)
            return self.http.part(self.http.request("GET", path), "data", f"GET {path}")
        return self.call("frappe.client.get", {"doctype": doctype, "name": name}, method="GET")

    def get_single(self, doctype: str) -> Row:
        """The document of a Single DocType (the list route answers 500 for those)."""
        return self.get(doctype, doctype)

    def update(self, doctype: str, name: str, values: Mapping[str, Any], *, modified: str | None = None) -> Row:
        """Save some fields of one document and return it whole. Child tables are replaced as given.

        With `modified` the save is refused (exc_type TimestampMismatchError) when somebody saved in between.
        Saving the same values twice does no harm, so it is sent again after a lost answer; but not with `modified`,
        where the second try would meet its own first one.
        """
        if not _addressable(name):
            if modified is None:
                changes = {"doctype": doctype, "name": name, "fieldname": dict(values)}
                return self.call("frappe.client.set_value", changes, repeatable=True)
            # set_value has no guard; save has, but takes only whole documents.
            whole = {**self.get(doctype, name), **values, "doctype": doctype, "name": name, "modified": modified}
            return self.call("frappe.client.save", {"doc": json.dumps(whole)})
        body = {**values, "modified": modified} if modified else dict(values)
        path = self._path(doctype, name)
        answer = self.http.request("PUT", path, json=body, repeatable=modified is None)
        return self.http.part(answer, "data", path)

    def insert(self, doctype: str, values: Mapping[str, Any]) -> Row:
        """Create one document. Not repeated after a lost answer."""
        path = f"/api/resource/{quote(doctype, safe='')}"
        return self.http.part(self.http.request("POST", path, json=dict(values)), "data", path)

    def delete(self, doctype: str, name: str) -> None:
        """Delete one document; one that is already gone is fine."""
        try:
            if _addressable(name):
                path = self._path(doctype, name)
                self.http.part(self.http.request("DELETE", path), "data", path)
            else:
                self.call("frappe.client.delete", {"doctype": doctype, "name": name}, repeatable=True)
        except PermanentError as error:
            if not is_gone(error):
                raise

    def call(
        self,
        function: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        method: Literal["GET", "POST"] = "POST",
        repeatable: bool | None = None,
        read_timeout: float | None = None,
        attempts: int | None = None,
    ) -> Any:
        """Call a whitelisted function and return its `message` (None when it has none)."""
        path = f"/api/method/{function}"
        options: dict[str, Any] = {"read_timeout": read_timeout, "attempts": attempts}
        if method == "GET":
            answer = self.http.request("GET", path, params=dict(arguments or {}), **options)
        else:
            answer = self.http.request("POST", path, json=dict(arguments or {}), repeatable=repeatable, **options)
        if not is_frappe_answer(answer):
            raise self.http.foreign(path, answer)
        return answer.get("message")

    @staticmethod
    def _path(doctype: str, name: str) -> str:
        return f"/api/resource/{quote(doctype, safe='')}/{quote(name, safe='')}"

    # --- files ------------------------------------------------------------------------------------------------

    def download(self, file_url: str, *, limit: int) -> bytes:
        """Bytes of an attached file, public or private, by its `file_url` as stored (not encoded).

        Raises PermanentError when it is missing or larger than `limit` bytes.
        """
        if not file_url.startswith("/") or ".." in file_url.split("/"):
            raise PermanentError(self.http.service, f"GET {file_url}", "is not the path of a file on this site")
        try:
            return self.http.download(quote(file_url, safe="/"), limit=limit)
        except ForeignAnswerError as error:
            # Files may be served by another server than the site's: where the site answers, it is this file alone.
            self.ping()
            raise PermanentError(error.service, error.where, error.reason, status=error.status) from error


def _addressable(name: str) -> bool:
    """False for names that nginx redirects or that a path cannot hold: those go in the body instead."""
    return not (name.endswith((".html", "/")) or name in (".", ".."))
