"""Changing a document that staff edit too, without overwriting what they saved in between.

A save is guarded by `modified` and tried again on top of what somebody else saved. It is safe to repeat, since `change`
is computed from what the document holds each time.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from erp_medusa_pipelines.clients.erpnext import ErpNextClient, Row
from erp_medusa_pipelines.clients.failures import PermanentError, TransientError

log = logging.getLogger(__name__)

MOST_TRIES = 5


def merge_save(
    erp: ErpNextClient, doctype: str, name: str, change: Callable[[Row], Mapping[str, Any]], *, tries: int = MOST_TRIES
) -> int:
    """Save what `change` makes of the document as it is now; returns the number of saves, 0 when nothing is to change.

    `change` gets the document and returns the fields to write, {} for none. It is called again with the newer document
    when somebody saved in between, or when the answer of a save was lost.
    Raises TransientError when the document keeps changing under it.
    """
    lost: TransientError | None = None
    for _ in range(tries):
        document = erp.get(doctype, name)
        values = change(document)
        if not values:
            # After a lost answer this means that the save had been carried out.
            return 1 if lost else 0
        try:
            # A Single that nobody has saved yet has no `modified` to be guarded by.
            erp.update(doctype, name, values, modified=document.get("modified"))
        except PermanentError as error:
            if error.exc_type != "TimestampMismatchError":
                raise
            log.info("%s %s was changed by somebody else meanwhile: reading it again", doctype, name)
        except TransientError as error:
            if not error.ambiguous:
                raise
            lost = error
        else:
            return 1
    if lost:
        raise lost
    raise TransientError(
        erp.http.service,
        f"{doctype} {name}",
        f"was changed by somebody else during each of {tries} tries to save it; nothing was overwritten",
        exc_type="TimestampMismatchError",
    )


def same_text(left: Any, right: Any) -> bool:
    """Return whether two texts are equal. Frappe uses NULL and '' alike for empty."""
    return (left or "") == (right or "")


def reused_rows(
    current: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]], key: str
) -> list[dict[str, Any]]:
    """Build the wanted rows of a child table. A row whose `key` exists keeps its name and owner."""
    kept: dict[Any, Mapping[str, Any]] = {}
    for row in current:
        kept.setdefault(row.get(key), row)
    return [{**kept.pop(row[key], {}), **row} for row in wanted]
