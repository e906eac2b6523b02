"""Fail when too few branches are covered: coverage's own `fail_under` counts statements and branches together.

Reading coverage's JSON report. What is measured is in `pyproject.toml`.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LEAST_PERCENT = 90.0
MODULES_SHOWN = 10


def verdict(report: Mapping[str, Any], least: float = LEAST_PERCENT) -> tuple[bool, str]:
    """Return whether enough branches are covered, and what to print. Raises ValueError where none were counted."""
    totals = report["totals"]
    if not totals.get("num_branches"):
        raise ValueError("the report has no branches: was coverage run with `branch = true`?")
    percent = 100 * totals["covered_branches"] / totals["num_branches"]
    statements = 100 * totals["covered_lines"] / totals["num_statements"]
    text = f"branches {percent:.1f} % (at least {least:g} %), statements {statements:.1f} %"
    if percent >= least:
        return True, text
    missing = {name: each["summary"]["missing_branches"] for name, each in report["files"].items()}
    worst = sorted((name for name in missing if missing[name]), key=lambda name: -missing[name])[:MODULES_SHOWN]
    return False, "\n".join([text, "branches not covered, most first:", *(f"  {missing[n]:4} {n}" for n in worst)])


def main(path: str) -> int:
    """Print the figures of the report at `path`; 1 when they are too low."""
    enough, text = verdict(json.loads(Path(path).read_text(encoding="utf-8")))
    print(text, file=sys.stdout if enough else sys.stderr)
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
