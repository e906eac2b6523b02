"""Comparing a plan with the run that follows it."""

from typing import Any

from erp_medusa_pipelines.orchestration.runs.side_runs import Plan
from tests.support.runs import JobRun

NOT_COMPARED = {"requests", "seconds", "items_per_second"}


def unlike(plan: Plan, run: JobRun) -> list[str]:
    """Return the differences of each asset's numbers, planned and reported."""
    return [
        f"{label}: planned {dict(planned)}, reported {reported}"
        for label, planned in plan.counts.items()
        if (reported := _numbers(run, label.partition("[")[0])) != dict(planned)
    ]


def _numbers(run: JobRun, asset: str) -> dict[str, Any]:
    """Return what the asset reported, without what depends on the way it was done."""
    values = run.metadata(asset)
    return {key: value for key, value in values.items() if isinstance(value, int | float) and key not in NOT_COMPARED}
