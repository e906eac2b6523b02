"""What an examination says: one finding per thing looked at.

Belongs here: the shape of findings, and running examinations so that one that fails stops no other. Does not belong
here: what is looked at, and how it is shown.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from erp_medusa_pipelines.clients.failures import ApiError

Asked = TypeVar("Asked")


class Level(StrEnum):
    """How bad it is. UNKNOWN: a server would not say. SKIPPED: looking takes a right that no task needs."""

    OK = "ok"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at (`area`, `name`), what was found, what that means and how to mend it."""

    area: str
    name: str
    level: Level
    found: str
    means: str = ""
    mend: str = ""
    fixable: bool = False
    """True where `erp-medusa setup` can mend it."""


Examination = Callable[[Asked], Iterable[Finding]]


def examine(asked: Asked, examinations: Iterable[tuple[str, Examination[Asked]]]) -> Iterator[Finding]:
    """Findings of every examination, in order. One that a server refuses to answer becomes a finding of its own."""
    for area, examination in examinations:
        try:
            yield from examination(asked)
        except ApiError as error:
            name = examination.__name__.lstrip("_").replace("_", " ")
            yield Finding(area, name, Level.UNKNOWN, str(error), "it could not be looked at")
