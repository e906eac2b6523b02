"""Run the measurements and write their figures into bench/RESULTS.md: `make bench`, or `make bench ONLY="visible"`.

Belongs here: which measurement has which goal, and the page. Does not belong here: how anything is measured; each is a
module of its own that has its reference in the same run. A measurement that is not run again keeps what it said.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "bench" / "RESULTS.md"
HEAD = """# What was measured

Written by `make bench` (`ONLY="name name"` runs some): one section for each measurement, with its reference in the same
run, the machine's load and the spread. What each does stands at the top of its module in `bench/`.
"""
MISSED = "**Below its goal:**"
NEVER = "not measured yet"


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


_BARE = r"first sync / bare endpoint: ([\d.]+)"
MEASUREMENTS = (
    Measurement(
        "visible",
        "From a save in the ERP until a customer sees it (embedded servers, Dagster's daemon, every 30 s)",
        ("visible",),
        (
            Goal("p95 of a change, seconds", r"p95 ([\d.]+) s", most=45),
            Goal("changes that never arrived", r"lost ([\d.]+)", most=0),
        ),
    ),
    Measurement(
        "quiet_night_2000",
        "A night without changes, 2,000 items (embedded servers)",
        ("quiet_night", "--items", "2000", "--nights", "2"),
        (
            Goal("requests per 500 items", r"requests per 500 items: ([\d.]+)", most=1),
            Goal("writes", r"writes of a night: ([\d.]+)", most=0),
        ),
    ),
    Measurement(
        "quiet_night_20000",
        "A night without changes, 20,000 items (embedded servers)",
        ("quiet_night", "--items", "20000", "--nights", "1"),
        (
            Goal("requests per 500 items", r"requests per 500 items: ([\d.]+)", most=1),
            Goal("writes", r"writes of a night: ([\d.]+)", most=0),
        ),
    ),
    Measurement(
        "export",
        "The export against a real Medusa",
        ("export",),
        (
            Goal("export / one call per step, as the Frappe job", r"export / \(a\): ([\d.]+)", least=40),
            Goal("export / bare batch endpoint", r"    export / \(b\): ([\d.]+)", least=0.95),
            Goal("with the collections / bare batch endpoint", r"collections / \(b\): ([\d.]+)", least=0.95),
        ),
    ),
    Measurement("prices", "Prices against a real Medusa", ("prices",), (Goal("first prices", _BARE, least=0.95),)),
    Measurement("stock", "Stock against a real Medusa", ("stock",), (Goal("first stock", _BARE, least=0.95),)),
    Measurement("top_sellers", "Best sellers over a million lines", ("top_sellers", "--lines", "1000000")),
)


def run(one: Measurement) -> str:
    """Return what a measurement printed, also where it failed."""
    module, *arguments = one.arguments
    command = [sys.executable, "-m", f"bench.{module}", *arguments]
    done = subprocess.run(command, check=False, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout.rstrip() + ("" if done.returncode == 0 else f"\nended with {done.returncode}, not whole")


def section(one: Measurement, output: str, began: datetime) -> str:
    """Return the section of a measurement that was just run."""
    dagster = version("dagster")
    head = (
        f"{began:%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, load at the end {os.getloadavg()[0]:.1f}, Python"
        f" {platform.python_version()}, Dagster {dagster}."
    )
    missed = [f"- {text}" for goal in one.goals if (text := goal.missed(output))]
    body = output if output.startswith("|") else f"```\n{output}\n```"
    return "\n\n".join(filter(None, [head, "\n".join([MISSED, *missed]) if missed else "", body]))


def sections(page: str) -> dict[str, str]:
    """Return the sections of a page by title."""
    parts = re.split(r"^## (.+)\n", page, flags=re.MULTILINE)
    return {title: body.strip() for title, body in zip(parts[1::2], parts[2::2], strict=True)}


def page_of(found: dict[str, str]) -> str:
    """Return the page: what is below its goal first, then every measurement."""
    missed = [
        f"- {one.title}: {line.removeprefix('- ')}"
        for one in MEASUREMENTS
        if MISSED in found.get(one.title, "")
        for line in _lines_after(found[one.title], MISSED)
    ]
    never = [f"- {one.title}: {NEVER} (`make bench ONLY={one.name}`)" for one in MEASUREMENTS if one.title not in found]
    first = (
        "\n".join([MISSED, *missed, *never]) if missed or never else "Everything that was measured reaches its goal."
    )
    bodies = [f"## {one.title}\n\n{found[one.title]}" for one in MEASUREMENTS if one.title in found]
    return "\n".join([HEAD, first, "", "\n\n".join(bodies), ""])


def _lines_after(text: str, mark: str) -> Iterable[str]:
    for line in text.partition(mark)[2].strip().splitlines():
        if not line.startswith("- "):
            return
        yield line


def main() -> None:
    """Run what is asked for, and write the page after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=[one.name for one in MEASUREMENTS])
    options = parser.parse_args()
    for one in MEASUREMENTS:
        if options.only and one.name not in options.only:
            continue
        began = datetime.now(UTC)
        print(f"{one.name} ...", flush=True)
        made = section(one, run(one), began)
        print(made, flush=True)
        found = sections(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
        PAGE.write_text(page_of({**found, one.title: made}), encoding="utf-8")


if __name__ == "__main__":
    main()
