"""Saving a document that others change as well."""

from typing import Any

import pytest

from erp_medusa_pipelines.clients.failures import PermanentError, TransientError
from erp_medusa_pipelines.sync.engine.merge_save import merge_save, reused_rows


class Document:
    """Stands in for the client: one document, and what happens before each save."""

    class http:  # noqa: N801 - stands in for an attribute
        service = "ERPNext"

    def __init__(self, *happenings: str) -> None:
        self.values: dict[str, Any] = {"modified": "1", "rows": ["staff"]}
        self.happenings = list(happenings)
        self.saves: list[dict[str, Any]] = []

    def get(self, _doctype: str, _name: str) -> dict[str, Any]:
        return dict(self.values)

    def update(self, _doctype: str, _name: str, values: dict[str, Any], *, modified: str | None) -> dict[str, Any]:
        happening = self.happenings.pop(0) if self.happenings else "fine"
        if happening == "edited":
            self.values = {"modified": str(len(self.happenings) + 10), "rows": [*self.values["rows"], "colleague"]}
        if happening == "refused":
            raise PermanentError("ERPNext", "PUT", "no", status=417, exc_type="MandatoryError")
        if happening == "lost before":
            raise TransientError("ERPNext", "PUT", "no answer", ambiguous=True)
        if modified != self.values["modified"]:
            raise PermanentError("ERPNext", "PUT", "stale", status=417, exc_type="TimestampMismatchError")
        self.values = {**self.values, **values, "modified": "saved"}
        self.saves.append(values)
        if happening == "lost after":
            raise TransientError("ERPNext", "PUT", "no answer", ambiguous=True)
        return self.values


def add_ours(document: dict[str, Any]) -> dict[str, Any]:
    return {} if "ours" in document["rows"] else {"rows": [*document["rows"], "ours"]}


def saved(document: Document) -> int:
    return merge_save(document, "Homepage Landing", "x", add_ours)  # pyright: ignore[reportArgumentType]


def test_nothing_to_change_is_no_save() -> None:
    document = Document()
    document.values["rows"] = ["ours"]
    assert saved(document) == 0
    assert document.saves == []


def test_what_a_colleague_saved_in_between_is_merged() -> None:
    document = Document("edited")
    assert saved(document) == 1
    assert document.values["rows"] == ["staff", "colleague", "ours"]


@pytest.mark.parametrize("when", ["lost before", "lost after"])
def test_a_lost_answer_leads_to_one_save(when: str) -> None:
    document = Document(when)
    assert saved(document) == 1
    assert len(document.saves) == 1


def test_a_document_that_never_rests_is_given_up_after_some_tries() -> None:
    document = Document(*["edited"] * 20)
    with pytest.raises(TransientError, match="5 tries") as raised:
        saved(document)
    assert raised.value.exc_type == "TimestampMismatchError"
    assert document.saves == []
    assert len(document.happenings) == 15


def test_a_refusal_for_another_reason_is_raised_at_once() -> None:
    document = Document("refused")
    with pytest.raises(PermanentError, match="no"):
        saved(document)


def test_rows_that_stay_keep_their_name_and_a_double_does_not_share_it() -> None:
    current = [{"name": "r1", "key": "a", "n": 1, "owner": "staff"}, {"name": "r2", "key": "a", "n": 2}]
    wanted = [{"key": "a", "n": 5}, {"key": "b", "n": 1}, {"key": "a", "n": 6}]
    assert reused_rows(current, wanted, "key") == [
        {"name": "r1", "key": "a", "n": 5, "owner": "staff"},
        {"key": "b", "n": 1},
        {"key": "a", "n": 6},
    ]
