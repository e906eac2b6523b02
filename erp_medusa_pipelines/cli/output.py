"""A command's answer, as tables for people or as one JSON object for programs.

Answers go to stdout; progress, warnings and errors to stderr, so that `--json` can be piped.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

WIDEST = 10_000
"""Columns in which any table fits, to measure one."""


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


@dataclass(frozen=True)
class Verbatim:
    """Text that is shown line by line as it is, however wide the terminal: a file, or places that an editor reads."""

    text: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render it."""
        yield Text(self.text)


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
        console.print(part, soft_wrap=isinstance(part, Verbatim))


def print_json(data: Mapping[str, Any], exit_code: ExitCode) -> None:
    """Print one JSON object, with the exit code's name as `status`. Decimals and times become strings."""
    # Not with rich, which would wrap long values.
    print(json.dumps({"status": exit_code.name.lower(), **data}, ensure_ascii=False, indent=2, default=str))


Cell = str | Text | None
Row = Sequence[Cell]


@dataclass(frozen=True)
class Records:
    """Rows for people: a table where it fits the width without breaking a cell, else one block per row.

    A log file has 80 columns, as many terminals do: nine narrow columns there are unreadable. A block starts with the
    first `heading` cells; each other cell has a line of its own.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Row]
    heading: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = self._table()
        if Measurement.get(console, options.update(max_width=WIDEST), wide).maximum <= options.max_width:
            yield wide
            return
        if self.title:
            yield Text(self.title, style="bold")
        for row in self.rows:
            head = [_literal(cell) for cell in row[: self.heading] if cell not in (None, "")]
            yield Text("  ").join(head)
            for name, cell in zip(self.columns[self.heading :], row[self.heading :], strict=True):
                if cell not in (None, ""):
                    line = Text.assemble((f"{name}: ", "dim") if name else "", _literal(cell))
                    yield Padding(line, (0, 0, 0, 4))

    def _table(self) -> Table:
        made = Table(title=self.title, title_justify="left", title_style="bold", header_style="bold", expand=False)
        for column in self.columns:
            made.add_column(column, overflow="fold")
        for row in self.rows:
            made.add_row(*map(_literal, row))
        return made


def table(title: str, columns: Sequence[str], rows: Sequence[Row], *, heading: int = 1) -> Records:
    """Build a table, or blocks under `heading` cells. Text from a server is shown literally, without rich's markup."""
    return Records(title, columns, rows, heading)


def _literal(cell: Cell) -> Text:
    return cell if isinstance(cell, Text) else Text("" if cell is None else str(cell))


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
