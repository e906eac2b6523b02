"""The result of a check: one finding per thing checked."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from erp_medusa_pipelines.clients.failures import AccessError, ApiError, PermanentError
from erp_medusa_pipelines.clients.refusals import FIELD_NOT_PERMITTED, UNKNOWN_COLUMN

Asked = TypeVar("Asked")


class Level(StrEnum):
    """Severity. UNKNOWN: a server did not answer. SKIPPED: the check needs a right that no task needs."""

    OK = "ok"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line: what was checked (`area`, `name`), what was found, what that means and how to fix it."""

    area: str
    name: str
    level: Level
    found: str
    means: str = ""
    fix: str = ""
    fixable: bool = False
    """True if `erp-medusa setup` can fix it."""


def judged(
    area: str,
    name: str,
    fine: str,
    wrong: str,
    means: str,
    fix: str,
    *,
    level: Level = Level.FAIL,
    fixable: bool = False,
) -> Finding:
    """Return `fine`, or what is `wrong`, if anything is, with its meaning and remedy."""
    return Finding(area, name, level, wrong, means, fix, fixable) if wrong else Finding(area, name, Level.OK, fine)


def _is_reported(error: ApiError) -> bool:
    """Whether the rights or the fields report it already: no right, no such DocType, no such field in ERPNext.

    Any other refusal is a finding of its own; left out, a check that never ran would look like one that found nothing.
    """
    if error.service != "ERPNext" or not isinstance(error, PermanentError):
        return False
    no_field = FIELD_NOT_PERMITTED.search(error.reason) or UNKNOWN_COLUMN.search(error.reason)
    return isinstance(error, AccessError) or error.status == 404 or bool(no_field)


Examination = Callable[[Asked], Iterable[Finding]]


def examine(asked: Asked, examinations: Iterable[tuple[str, Examination[Asked]]]) -> Iterator[Finding]:
    """Yield the findings of all checks in order. A refusal ends its check: a finding, unless it is reported already."""
    for area, examination in examinations:
        try:
            yield from examination(asked)
        except ApiError as error:
            if _is_reported(error):
                continue
            name = examination.__name__.lstrip("_").replace("_", " ")
            yield Finding(area, name, Level.UNKNOWN, str(error), "it could not be checked")
