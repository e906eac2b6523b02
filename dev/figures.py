"""The page of figures that `make bench` writes: what is below its goal first, then a section for each measurement.

The page's text, from what the measurements printed. Which they are is in bench/results.py.
"""

import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version

HEAD = """# What was measured

Written by `make bench` (`ONLY="name name"` runs some): one section for each measurement, with its reference in the same
run, the machine's load and the spread. What each does stands at the top of its module in `bench/`.
"""
MISSED = "**Below its goal:**"
NEVER = "not measured yet"
NOT_WHOLE = "Not whole:"
"""What stands before the end of a measurement that failed."""


@dataclass(frozen=True)
class Goal:
    """A figure in a measurement's output (the first group of `pattern`), and what it should be."""

    what: str
    pattern: str
    least: float | None = None
    most: float | None = None

    def missed(self, output: str) -> str:
        """Return what is below the goal, of the worst such figure in the output; "" if nothing is."""
        values = [float(found.replace(",", "")) for found in re.findall(self.pattern, output)]
        if self.least is not None and values and min(values) < self.least:
            return f"{self.what}: {min(values):g}, should be at least {self.least:g}"
        if self.most is not None and values and max(values) > self.most:
            return f"{self.what}: {max(values):g}, should be at most {self.most:g}"
        return ""


@dataclass(frozen=True)
class Measurement:
    """One section: a module of bench/ with its arguments."""

    name: str
    title: str
    arguments: tuple[str, ...]
    goals: tuple[Goal, ...] = ()
    small: tuple[str, ...] = ()
    """Its arguments at a size that takes minutes; without them it has one size."""


def section(one: Measurement, output: str, began: datetime, *, small: bool = False) -> str:
    """Return the section of a measurement that was just run."""
    arguments = (one.small or one.arguments) if small else one.arguments
    dagster = version("dagster")
    head = (
        f"{began:%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, load at the end {os.getloadavg()[0]:.1f}, Python"
        f" {platform.python_version()}, Dagster {dagster}. `python -m bench.{' '.join(arguments)}`"
        f"{', a reduced size' if small and one.small else ''}."
    )
    missed = [f"- {text}" for goal in one.goals if (text := goal.missed(output))]
    missed += ["- it did not run to its end"] if NOT_WHOLE in output else []
    body = output if output.startswith("|") else f"```\n{output}\n```"
    return "\n\n".join(filter(None, [head, "\n".join([MISSED, *missed]) if missed else "", body]))


def sections(page: str) -> dict[str, str]:
    """Return the sections of a page by title."""
    parts = re.split(r"^## (.+)\n", page, flags=re.MULTILINE)
    return {title: body.strip() for title, body in zip(parts[1::2], parts[2::2], strict=True)}


def page_of(measurements: Sequence[Measurement], found: Mapping[str, str]) -> str:
    """Return the page: what is below its goal first, then every measurement."""
    missed = [
        f"- {one.title}: {line.removeprefix('- ')}"
        for one in measurements
        if MISSED in found.get(one.title, "")
        for line in _lines_after(found[one.title], MISSED)
    ]
    never = [f"- {one.title}: {NEVER} (`make bench ONLY={one.name}`)" for one in measurements if one.title not in found]
    first = (
        "\n".join([MISSED, *missed, *never]) if missed or never else "Everything that was measured reaches its goal."
    )
    bodies = [f"## {one.title}\n\n{found[one.title]}" for one in measurements if one.title in found]
    return "\n".join([HEAD, first, "", "\n\n".join(bodies), ""])


def _lines_after(text: str, mark: str) -> Iterable[str]:
    for line in text.partition(mark)[2].strip().splitlines():
        if not line.startswith("- "):
            return
        yield line
