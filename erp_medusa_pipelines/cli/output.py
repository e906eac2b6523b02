"""A command's answer, as tables for people or as one JSON object for programs.

Belongs here: the shape of answers, exit codes, tables, progress. Does not belong here: what a command finds out.
Answers go to stdout; progress, warnings and errors to stderr, so that `--json` can be piped.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table


class ExitCode(IntEnum):
    """Exit codes of all commands."""

    FINE = 0
    TO_DO = 1
    CANNOT_TELL = 2
    STOPPED = 130
    """Ended by Ctrl-C, as shells count it."""


@dataclass(frozen=True)
class Answer:
    """A command's result: `data` for `--json` (plain values), `shown` for people, and the exit code."""

    data: Mapping[str, Any]
    shown: Sequence[RenderableType] = field(default_factory=tuple)
    exit_code: ExitCode = ExitCode.FINE


def stdout() -> Console:
    """Return the console for answers. A new one each time, because tests and shells replace sys.stdout."""
    return Console()


def stderr() -> Console:
    """Return the console for everything but answers."""
    return Console(stderr=True)


_said: set[str] = set()


def begin() -> None:
    """Start a command: it may say everything once."""
    _said.clear()


def say_once(text: str) -> None:
    """Print a warning on stderr, unless this command did so already."""
    if text not in _said:
        _said.add(text)
        stderr().print(text, style="yellow", markup=False)


def show(answer: Answer, *, as_json: bool) -> None:
    """Print an answer."""
    if as_json:
        print_json(answer.data, answer.exit_code)
        return
    console = stdout()
    for part in answer.shown:
        console.print(part)


def print_json(data: Mapping[str, Any], exit_code: ExitCode) -> None:
    """Print one JSON object, with the exit code's name as `status`. Decimals and times become strings."""
    # Not with rich, which would wrap long values.
    print(json.dumps({"status": exit_code.name.lower(), **data}, ensure_ascii=False, indent=2, default=str))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[RenderableType | None]]) -> Table:
    """Build a table. Text from a server is shown literally, without rich's markup."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="bold", expand=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*("" if cell is None else _literal(cell) for cell in row))
    return made


def _literal(cell: RenderableType) -> RenderableType:
    from rich.text import Text

    return Text(cell) if isinstance(cell, str) else cell


@contextmanager
def progress() -> Iterator[Progress]:
    """Yield a progress display on stderr, disabled if stderr is not a terminal. Add tasks to it, and advance them."""
    console = stderr()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as display:
        yield display
