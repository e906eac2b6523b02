"""Several lists of ERPNext in one request, by a Server Script; one request each where it is not installed."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from typing import Any

from erp_medusa_pipelines.clients.erpnext import ErpNextClient, Row
from erp_medusa_pipelines.clients.failures import AccessError, PermanentError

LISTS_METHOD = "erp_medusa_get_lists"
LISTS_VERSION = 1
_TEXT = "erp_medusa_get_lists.txt"
NO_RIGHT = "the user may not read this DocType: see docs/rights.md for its roles"


@dataclass(frozen=True)
class ListQuestion:
    """One list, as `ErpNextClient.get_list` takes it."""

    doctype: str
    fields: Sequence[str]
    filters: Sequence[Sequence[Any]] = field(default_factory=tuple[Sequence[Any], ...])
    order_by: str = "name asc"
    limit: int = 0


def lists_script_text() -> str:
    """Return the text of the Server Script, as an operator pastes it."""
    return (files("erp_medusa_pipelines.clients") / _TEXT).read_text(encoding="utf-8")


Answers = list[list[Row] | PermanentError]


def several_lists(erp: ErpNextClient, questions: Sequence[ListQuestion]) -> Answers:
    """Return the rows of each question, in order, or its error.

    That is AccessError for a DocType that the user may not read, and PermanentError for one on which the site fails, as
    a broken hook of an app makes it. Raises ApiError for what is wrong with all of them.
    """
    if not questions:
        return []
    found = _by_script(erp, questions)
    if found is not None:
        return found
    found = [_one(erp, question) for question in questions]
    failed = [answer for answer in found if isinstance(answer, PermanentError)]
    if len(failed) == len(found) and not all(isinstance(answer, AccessError) for answer in failed):
        raise failed[0]
    return found


def _by_script(erp: ErpNextClient, questions: Sequence[ListQuestion]) -> Answers | None:
    """Return the script's answer, or None where the site has no such script."""
    arguments = {"questions": json.dumps([asdict(question) for question in questions])}
    try:
        answer = erp.call(LISTS_METHOD, arguments, repeatable=True)
    except PermanentError:
        # Not installed, switched off, or refused because of one list: each by itself tells which.
        return None
    if not isinstance(answer, dict) or answer.get("version") != LISTS_VERSION:
        return None
    rows = answer.get("lists")
    if not isinstance(rows, list) or len(rows) != len(questions):
        raise erp.http.foreign(LISTS_METHOD, answer)
    return [
        AccessError(erp.http.service, f"list {question.doctype}", NO_RIGHT, status=403) if some is None else some
        for question, some in zip(questions, rows, strict=True)
    ]


def _one(erp: ErpNextClient, question: ListQuestion) -> list[Row] | PermanentError:
    try:
        return erp.get_list(
            question.doctype,
            question.fields,
            filters=question.filters,
            order_by=question.order_by,
            limit=question.limit,
        )
    except PermanentError as error:
        if isinstance(error, AccessError) and error.status != 403:
            raise
        return error
