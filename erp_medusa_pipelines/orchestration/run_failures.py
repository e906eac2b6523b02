"""Why a run failed: for a passing reason or for good, and what it said.

Belongs here: reading a failed run's events. What a failure means is decided where it is raised: a task that knows its
failure to be permanent, or that a server asked for a pause, says so in the metadata of its `dg.Failure`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from erp_medusa_pipelines.orchestration.shops import asset_name

PERMANENT = "permanent"
"""Metadata of a `dg.Failure`: true when no retry can help before somebody changes data, rights or settings."""

RETRY_AFTER = "retry_after_seconds"
"""Metadata of a `dg.Failure`: how long a server asked to be left alone."""

REJECTED = "rejected"
"""Metadata of a `dg.Failure`: number of documents that were refused for good beside those left for a retry."""

BUILD_ON_IT = "assets_that_build_on_it"
"""Metadata of a `dg.Failure`: names of assets that went on without what was left, and have to run again with it."""

_ENDS = (dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED)


@dataclass(frozen=True)
class RunFailure:
    """What the steps of one failed run had to say."""

    reason: str
    permanent: bool = False
    retry_after: float = 0.0
    rejected: int = 0
    lost_input: bool = False
    """A step could not load what an asset before it had kept: that asset has to be made again."""
    went_on: frozenset[str] = frozenset()
    """Assets that ran without what was left in an asset before them, and have to run again with it."""


def read_failure(instance: dg.DagsterInstance, run_id: str) -> RunFailure:
    """Why the run failed. Without a failed step (a crash, a time limit) it is what ended the run, and worth a retry."""
    steps = [event for event in _events(instance, run_id, dg.DagsterEventType.STEP_FAILURE) if event.step_key]
    if not steps:
        texts = [event.message for event in _events(instance, run_id, *_ENDS) if event.message]
        return RunFailure(texts[-1] if texts else "the run ended without saying why")
    facts = [_facts(event) for event in steps]
    return RunFailure(
        reason="\n".join(f"{event.step_key}: {_text(event)}" for event in steps),
        # One step with a passing failure makes the run worth a retry, whatever the others say.
        permanent=all(bool(fact.get(PERMANENT)) for fact in facts),
        retry_after=max(float(fact.get(RETRY_AFTER) or 0.0) for fact in facts),
        rejected=sum(int(fact.get(REJECTED) or 0) for fact in facts),
        lost_input=any(_lost_input(event) for event in steps),
        went_on=frozenset(asset for fact in facts for asset in fact.get(BUILD_ON_IT) or ()),
    )


def planned_assets(instance: dg.DagsterInstance, run: dg.DagsterRun) -> set[str]:
    """Assets that the run was to materialize."""
    return _assets_of(instance, run, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)


def made_assets(instance: dg.DagsterInstance, run: dg.DagsterRun) -> set[str]:
    """Assets that the run has materialized."""
    return _assets_of(instance, run, dg.DagsterEventType.ASSET_MATERIALIZATION)


def _assets_of(instance: dg.DagsterInstance, run: dg.DagsterRun, kind: dg.DagsterEventType) -> set[str]:
    events = _events(instance, run.run_id, kind)
    return {asset_name(event.asset_key) for event in events if event.asset_key}


def _events(instance: dg.DagsterInstance, run_id: str, *kinds: dg.DagsterEventType) -> Iterator[dg.DagsterEvent]:
    for entry in instance.all_logs(run_id, of_type=set(kinds)):
        if entry.dagster_event is not None:
            yield entry.dagster_event


def _facts(event: dg.DagsterEvent) -> Mapping[str, Any]:
    data = event.step_failure_data.user_failure_data
    return {key: entry.value for key, entry in data.metadata.items()} if data else {}


def _lost_input(event: dg.DagsterEvent) -> bool:
    error = event.step_failure_data.error
    return error is not None and error.cls_name == "DagsterExecutionLoadInputError"


def _text(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data.user_failure_data
    if data and data.description:
        return data.description
    error = event.step_failure_data.error
    # Dagster wraps what the code raised into its own error; the cause is what people want to read.
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error else event.message or "failed"
