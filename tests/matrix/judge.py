"""How the end of a disturbed run is judged: by what another undisturbed one brought about."""

import os
import re
from typing import Any

import dagster as dg
import pytest

from tests.matrix.projection import state, stray_files, unlike
from tests.matrix.shop import Shop, Snapshot
from tests.support.runs import JobRun

EVERYTHING = bool(os.environ.get("MATRIX_ALL"))
"""Whether all is tried, and not a sample."""

REASON = re.compile("ERPNext|Medusa|documents failed temporarily.*: .+")
"""What a failure must tell: the server, or the first document with its reason."""

MOST_NIGHTS = 2
"""Runs of the task after the trouble, until which all must be as without it."""


def undisturbed(shop: Shop, start: Snapshot, task: str) -> dict[str, Any]:
    """The state that the task brings about."""
    shop.put_back(start)
    runs = shop.run(task)
    assert all(run.success for run in runs), [run.reasons() for run in runs]
    return state(shop)


def still_wrong(shop: Shop, task: str, wanted: dict[str, Any], *, strays: int | None = None) -> list[str]:
    """Some nights without trouble: what is still not as it must be. `strays` are uploads that may be left over."""
    found: list[str] = []
    runs: list[JobRun] = []
    for _ in range(MOST_NIGHTS):
        runs = shop.run(task)
        found = unlike(wanted, state(shop))
        if not found:
            break
    found += [f"the last run failed: {text}" for run in runs for text in run.reasons()]
    if strays is not None and stray_files(shop) > strays:
        found.append(f"{stray_files(shop)} files that no product shows")
    shop.world.forget_requests()
    shop.run(task)
    return found + [f"one more run wrote {one}" for one in shop.world.writes()]


def is_refusal(check: dg.AssetCheckEvaluation | dg.AssetCheckResult) -> bool:
    """Whether a check tells of something that a run did not do. Some items of the shop have no price in ERPNext."""
    return not check.passed and check.check_name != "can_be_bought"


def fail_with(wrong: dict[str, list[str]]) -> None:
    """Fail with all that was found wrong, by where."""
    lines = [f"{where}:\n    " + "\n    ".join(found) for where, found in wrong.items() if found]
    if lines:
        pytest.fail("\n".join(lines), pytrace=False)
