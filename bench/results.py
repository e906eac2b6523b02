"""Run the measurements and write their figures into bench/RESULTS.md: `make bench`, or `make bench ONLY="visible"`.

`make bench SMALL=1` runs each at a size that takes minutes; its section says so.

Which measurement has which goal.
"""

import argparse
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from dev.figures import NOT_WHOLE, Goal, Measurement, page_of, section, sections

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "bench" / "RESULTS.md"
LAST_LINES = 10
"""Of what a measurement that failed said."""

_BARE = r"first sync / bare endpoint: ([\d.]+)"
_QUIET = (
    Goal("writes", r"writes of a night: ([\d.]+)", most=0),
    Goal("Website Items read per Website Item", r"read per Website Item: ([\d.]+)", most=2),
    Goal("most memory of a run, MB", r"most memory: ([\d.]+) MB", most=250),
)
_LARGE = tuple(replace(goal, pattern=f"quiet: .*{goal.pattern}") for goal in _QUIET)
_OF_LARGE = Goal("requests per 500 items", r"quiet: .*requests per 500 items: ([\d.]+)", most=1)
"""In a small shop what a batch asks whatever its size weighs more."""
_EXPORT = (
    Goal("export / one call per step, as the Frappe job", r"export / \(a\): ([\d.]+)", least=40),
    Goal("export / bare batch endpoint", r"    export / \(b\): ([\d.]+)", least=0.95),
    Goal("with the collections / bare batch endpoint", r"collections / \(b\): ([\d.]+)", least=0.95),
)
MEASUREMENTS = (
    Measurement(
        "visible",
        "From a save in the ERP until a customer sees it (embedded servers, Dagster's daemon, every 30 s)",
        ("visible",),
        (
            Goal("p95 of a change, seconds", r"p95 ([\d.]+) s", most=45),
            Goal("changes that never arrived", r"lost ([\d.]+)", most=0),
        ),
        small=("visible", "--changes", "3"),
    ),
    Measurement(
        "quiet_night_2000",
        "A night without changes, 2,000 items, 4 batches (embedded servers)",
        ("quiet_night", "--items", "2000", "--nights", "2"),
        _QUIET,
        small=("quiet_night", "--items", "400", "--nights", "1"),
    ),
    *(
        Measurement(
            f"large_nights_{items}",
            f"A night without changes and one with 1 %, {items:,} items, {batches} batches (embedded servers)",
            ("large_nights", "--items", str(items), "--batches", str(batches)),
            (_OF_LARGE, *_LARGE) if items >= 100_000 else _LARGE,
            small=("large_nights", "--items", "400", "--batches", "2"),
        )
        for items, batches in ((2_000, 4), (20_000, 16), (100_000, 4), (200_000, 16), (1_000_000, 16))
    ),
    Measurement(
        "idle_changes",
        "The sensor follow_changes while nothing changes, 100,000 items (embedded servers)",
        ("idle_changes",),
        (
            Goal("requests a tick", r"requests a tick: ([\d.]+)", most=1),
            Goal("runs while nothing changed", r"runs while nothing changed: (\d+)", most=0),
        ),
        small=("idle_changes", "--items", "400", "--minutes", "1.5"),
    ),
    *(
        Measurement(
            name,
            f"The export against a real Medusa, {how}",
            ("export", *arguments),
            _EXPORT,
            small=("export", "--items", "400", *arguments),
        )
        for name, how, arguments in (
            ("export", "by the secret key", ()),
            ("export_log_in", "by an admin's log-in", ("--log-in",)),
        )
    ),
    Measurement(
        "variants",
        "Variants as options: the first export against a real Medusa; a night without changes (embedded servers)",
        ("variants",),
        (
            Goal("export / bare batch endpoint", r"export / bare endpoint: ([\d.]+)", least=0.95),
            Goal("writes of a quiet night", r"writes of a quiet night: ([\d.]+)", most=0),
            Goal("requests per 500 variants / per 500 items", r"variants / items: ([\d.]+)", most=1.2),
        ),
        small=("variants", "--products", "100", "--rounds", "1", "--quiet-products", "400", "--batches", "4"),
    ),
    Measurement(
        "prices",
        "Prices against a real Medusa",
        ("prices",),
        (Goal("first prices", _BARE, least=0.95),),
        small=("prices", "--items", "1000", "--rounds", "1"),
    ),
    Measurement(
        "stock",
        "Stock against a real Medusa",
        ("stock",),
        (Goal("first stock / (bare reading + bare writing)", _BARE, least=0.95),),
    ),
    Measurement(
        "top_sellers",
        "Best sellers over a million lines",
        ("top_sellers", "--lines", "1000000"),
        (Goal("summed by ERPNext / plain SQL", r"ERPNext / plain SQL: ([\d.]+)", most=1.3),),
        small=("top_sellers", "--lines", "200000"),
    ),
)


def run(one: Measurement, *, small: bool) -> str:
    """Return what a measurement printed, also where it failed."""
    module, *arguments = (one.small or one.arguments) if small else one.arguments
    command = [sys.executable, "-m", f"bench.{module}", *arguments]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        last = "\n".join(done.stderr.splitlines()[-LAST_LINES:])
        return f"{done.stdout.rstrip()}\n{NOT_WHOLE} it ended with {done.returncode}:\n{last}"
    return done.stdout.rstrip()


def main() -> None:
    """Run what is asked for, and write the page after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=[one.name for one in MEASUREMENTS])
    parser.add_argument("--small", action="store_true", help="each at a size that takes minutes")
    options = parser.parse_args()
    for one in MEASUREMENTS:
        if options.only and one.name not in options.only:
            continue
        began = datetime.now(UTC)
        print(f"{one.name} ...", flush=True)
        made = section(one, run(one, small=options.small), began, small=options.small)
        print(made, flush=True)
        found = sections(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
        PAGE.write_text(page_of(MEASUREMENTS, {**found, one.title: made}), encoding="utf-8")


if __name__ == "__main__":
    main()
