"""Writing a few fields of many ERPNext documents, and knowing what was really stored.

Flat fields only: a document that fails inside `bulk_update` can leave half of its child rows behind.

`bulk_update` answers 200 whatever happened, a deadlock loses earlier documents of the same call silently, and a gateway
time-out may still commit. So what counts is what the documents hold afterwards.
"""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import (
    AccessError,
    ApiError,
    PermanentError,
    TransientError,
    is_gone,
    judge_answer,
)
from erp_medusa_pipelines.clients.rights import role_for
from erp_medusa_pipelines.clients.writable import SERVER_SCRIPT_METHOD, SERVER_SCRIPT_VERSION, WRITABLE

log = logging.getLogger(__name__)

INSTALL_NEW = (
    f"{SERVER_SCRIPT_METHOD}: the site has a different version of the Server Script: install the new text"
    " (`erp-medusa setup --update-script`, or docs/rights.md); until then ids are written by saving documents,"
    " which is slow"
)
SWITCH_ON = (
    f"{SERVER_SCRIPT_METHOD}: Server Scripts are disabled on this site; to enable them: bench set-config -g"
    " server_script_enabled 1; until then ids are written by saving documents, which is slow"
)
SWITCHED_OFF = "ServerScriptNotEnabled"
FAST_CHUNK = 200
"""Rows per call of the Server Script, which saves nothing: a call takes a fraction of a second."""

STALE = "TimestampMismatchError"
"""What Frappe calls a save with a `modified` that is not the document's any more."""


@dataclass
class WriteOutcome:
    """What became of each document: `written` names, `changed` (had other values than expected), `failed` with why."""

    written: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    failed: dict[str, ApiError] = field(default_factory=dict)

    def add(self, other: "WriteOutcome") -> None:
        """Merge the result of another part of the same work."""
        self.written += other.written
        self.changed += other.changed
        self.failed |= other.failed


Change = tuple[str, Mapping[str, Any]]
"""(document name, {field: value})."""


class ErpNextWriter:
    """Bulk writes of flat fields to one site, verified."""

    def __init__(self, client: ErpNextClient, *, chunk: int = 20, fast_chunk: int = FAST_CHUNK) -> None:
        self.client = client
        self.chunk = chunk
        self.fast_chunk = fast_chunk

    @property
    def has_server_script(self) -> bool:
        """Whether the site has this version of the Server Script, installed and switched on."""
        return not self.script_problem

    @cached_property
    def script_problem(self) -> str:
        """Say why the Server Script cannot be used; empty when it can. Asked once."""
        try:
            answer = self.client.call(SERVER_SCRIPT_METHOD, {"doctype": WEBSITE_ITEM, "rows": "[]"}, repeatable=True)
        except PermanentError as error:
            if error.exc_type == SWITCHED_OFF:
                problem = SWITCH_ON
            else:
                problem = f"{SERVER_SCRIPT_METHOD}: not installed, ids are written by saving: {error.reason}"
        else:
            problem = "" if _is_this_version(answer) else INSTALL_NEW
        if problem:
            log.warning(problem)
        return problem

    @cached_property
    def app_hooks_enabled(self) -> bool:
        """Whether the medusa_integration app answers saves with calls to Medusa of its own. Unknown counts as yes."""
        try:
            return bool(self.client.get_single("Medusa Configuration").get("enable"))
        except PermanentError as error:
            # 404: the app is not installed, so there are no hooks to keep quiet.
            return not is_gone(error)

    def write(
        self,
        doctype: str,
        changes: Sequence[Change],
        *,
        expected: Mapping[str, Any] | None = None,
        as_read: Mapping[str, str] | None = None,
        chunk: int | None = None,
    ) -> WriteOutcome:
        """Write the changes in chunks, and return what was stored.

        With `expected` only documents that still hold these values are written. Over `bulk_update` that is a look
        right before the write; over the Server Script the look and the write are one transaction.
        `as_read` holds each document's `modified` as the caller read it: what was saved since is not written, without
        any gap, since the server itself compares. Either way such documents come back as `changed`.
        `chunk` is for DocTypes whose saves are cheaper than those that the writer's own chunk was chosen for.
        Raises AccessError when the user may not write at all.
        """
        outcome = WriteOutcome()
        fields = {name for _, values in changes for name in values} | set(expected or ())
        try:
            fast = bool(changes) and fields <= WRITABLE.get(doctype, frozenset()) and self.has_server_script
        except TransientError as error:
            return WriteOutcome(failed=dict.fromkeys((name for name, _ in changes), error))
        size = self.fast_chunk if fast else chunk or self.chunk
        for some in batched(changes, size):
            way = self._write_fast if fast else self._write_by_saving
            try:
                outcome.add(way(doctype, some, expected, as_read))
            except TransientError as error:
                # Only looking was interrupted, before or after the write; the next run looks again.
                outcome.failed |= dict.fromkeys((name for name, _ in some), error)
        if self.client.reading is not None:
            written = set(outcome.written)
            self.client.reading.note(doctype, {name: values for name, values in changes if name in written})
        return outcome

    # --- the Server Script ------------------------------------------------------------------------------------

    def _write_fast(
        self,
        doctype: str,
        changes: Sequence[Change],
        expected: Mapping[str, Any] | None,
        as_read: Mapping[str, str] | None,
    ) -> WriteOutcome:
        rows: list[list[Any]] = []
        for name, values in changes:
            conditions = {**(expected or {}), **({"modified": as_read[name]} if as_read else {})}
            rows.append([name, dict(values), *([conditions] if conditions else [])])
        arguments = {"doctype": doctype, "rows": json.dumps(rows)}
        try:
            # Setting the same values twice is harmless; but under conditions a repeat would call the first try's
            # own work a change by somebody else.
            answer = self.client.call(SERVER_SCRIPT_METHOD, arguments, repeatable=not (expected or as_read))
        except PermanentError as error:
            if isinstance(error, AccessError) and error.exc_type != SWITCHED_OFF:
                raise
            # One bad row refuses them all, and so does a script that was taken away meanwhile: saving tells which.
            log.warning("%s: %s; %d documents are saved instead", SERVER_SCRIPT_METHOD, error.reason, len(changes))
            outcome = WriteOutcome()
            for some in batched(changes, self.chunk):
                outcome.add(self._write_by_saving(doctype, some, expected, as_read))
            return outcome
        except TransientError as error:
            return self._verify(doctype, changes, dict.fromkeys((name for name, _ in changes), error))
        if not isinstance(answer, dict) or "missing" not in answer:
            foreign = self.client.http.foreign(SERVER_SCRIPT_METHOD, answer)
            return self._verify(doctype, changes, dict.fromkeys((name for name, _ in changes), foreign))
        gone = set(answer["missing"])
        changed = set(answer.get("unchanged") or ())
        return WriteOutcome(
            written=[name for name, _ in changes if name not in gone and name not in changed],
            changed=[name for name, _ in changes if name in changed],
            failed={name: self._missing(doctype, name) for name, _ in changes if name in gone},
        )

    # --- bulk_update ------------------------------------------------------------------------------------------

    def _write_by_saving(
        self,
        doctype: str,
        changes: Sequence[Change],
        expected: Mapping[str, Any] | None,
        as_read: Mapping[str, str] | None,
    ) -> WriteOutcome:
        outcome = WriteOutcome()
        if expected:
            fields = ["name", *expected]
            rows = self.client.rows_in(doctype, fields, [name for name, _ in changes])
            same = {row["name"] for row in rows if all(_same(row[key], value) for key, value in expected.items())}
            outcome.changed = [name for name, _ in changes if name not in same]
            changes = [change for change in changes if change[0] in same]
            if not changes:
                return outcome
        extra = self._hook_flag(doctype)
        docs = [
            {"doctype": doctype, "docname": name, **values, **extra, **({"modified": as_read[name]} if as_read else {})}
            for name, values in changes
        ]
        failures: dict[str, ApiError] = {}
        try:
            answer = self.client.call("frappe.client.bulk_update", {"docs": json.dumps(docs)})
            for failed in self.client.http.part(answer, "failed_docs", "frappe.client.bulk_update"):
                name = failed["doc"].get("docname", "")
                failures[name] = self._failure(doctype, name, str(failed.get("exc") or ""))
        except AccessError:
            raise
        except ApiError as error:
            failures = dict.fromkeys((name for name, _ in changes), error)
        if len(failures) == len(changes) and all(e.exc_type == "PermissionError" for e in failures.values()):
            raise AccessError(
                self.client.http.service,
                "POST frappe.client.bulk_update",
                f"the user may not write {doctype}: {role_for(doctype) or 'see docs/rights.md for its roles'}",
                status=403,
            )
        stored = self._verify(doctype, changes, failures)
        stale = [name for name, error in stored.failed.items() if as_read and error.exc_type == STALE]
        stored.changed += stale
        stored.failed = {name: error for name, error in stored.failed.items() if name not in stale}
        outcome.add(stored)
        return outcome

    def _hook_flag(self, doctype: str) -> dict[str, int]:
        """Keep the app's save hook from sending the item to Medusa a second time inside this save."""
        return {"custom_skip_update_hook": 1} if doctype == WEBSITE_ITEM and self.app_hooks_enabled else {}

    def _verify(self, doctype: str, changes: Sequence[Change], failures: Mapping[str, ApiError]) -> WriteOutcome:
        """Read the documents back: only what they hold counts, whatever the answer said."""
        fields = list(dict.fromkeys(field for _, values in changes for field in values))
        rows = self.client.rows_in(doctype, ["name", *fields], [name for name, _ in changes])
        stored = {row["name"]: row for row in rows}
        outcome = WriteOutcome()
        for name, values in changes:
            row = stored.get(name)
            if row is None:
                outcome.failed[name] = self._missing(doctype, name)
            elif all(_same(row.get(key), value) for key, value in values.items()):
                outcome.written.append(name)
            else:
                outcome.failed[name] = failures.get(name) or TransientError(
                    self.client.http.service, f"{doctype} {name}", "was not stored, although no error was reported"
                )
        return outcome

    def _missing(self, doctype: str, name: str) -> PermanentError:
        return PermanentError(self.client.http.service, f"{doctype} {name}", "does not exist any more", status=404)

    def _failure(self, doctype: str, name: str, traceback: str) -> ApiError:
        """The error that a reported traceback ends with."""
        last = traceback.rpartition("Traceback (most recent call last):")[2]
        raised = _RAISED.search(last)
        exc_type, text = raised.groups("") if raised else ("", last)
        body = {"exc_type": exc_type or None, "exception": f"{exc_type}: {text.strip()}"}
        error = judge_answer(self.client.http.service, f"{doctype} {name}", 417, body)
        error.reason = self.client.http.redact(error.reason)
        if exc_type != STALE:
            return error
        return TransientError(error.service, error.where, error.reason, status=417, exc_type=STALE)


_RAISED = re.compile(r"^(?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*)(?::[ ](.*))?\s*\Z", re.DOTALL | re.MULTILINE)
"""The end of a traceback: below the indented frames an exception's name, then its text, maybe of many lines."""


def _is_this_version(answer: Any) -> bool:
    """Whether a script answers that is of this version and writes all that the table names."""
    if not isinstance(answer, dict) or answer.get("version") != SERVER_SCRIPT_VERSION:
        return False
    allows = answer.get("allows") or {}
    return all(fields <= set(allows.get(doctype, ())) for doctype, fields in WRITABLE.items())


def _same(stored: Any, sent: Any) -> bool:
    """Whether a stored value is the one sent: numbers may come back as text, NULL and '' are the same emptiness."""
    if stored in (None, "") or sent in (None, ""):
        return (stored or "") == (sent or "")
    return stored == sent or str(stored) == str(sent)
