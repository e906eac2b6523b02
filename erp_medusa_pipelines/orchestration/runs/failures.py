"""Why a run failed, and whether the failure is transient or permanent.

The code that raises a `dg.Failure` decides what it means: its metadata says whether the failure is permanent and
whether a server asked for a pause.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from erp_medusa_pipelines.orchestration.dagster_internals import events_of_ended_run, innermost_message

PERMANENT = "permanent"
"""Metadata of a `dg.Failure`: true when no retry can help before somebody changes data, rights or settings."""

RETRY_AFTER = "retry_after_seconds"
"""Metadata of a `dg.Failure`: the pause that a server asked for, in seconds."""

REJECTED = "rejected"
"""Metadata of a `dg.Failure`: number of permanently refused documents beside those left for a retry."""

BUILD_ON_IT = "assets_that_build_on_it"
"""Metadata of a `dg.Failure`: names of assets that ran without the deferred documents, and must run again."""

_ENDS = (dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED)


MOST_KNOWN = 2000
_known: dict[str, "RunFailure"] = {}
"""Why runs that have ended failed. They stay as they are, and sensors ask for hundreds of them every half minute."""


@dataclass(frozen=True)
class RunFailure:
    """Why one run failed, from its failed steps."""

    reason: str
    permanent: bool = False
    retry_after: float = 0.0
    rejected: int = 0
    lost_input: bool = False
    """A step could not load the stored value of an upstream asset, which must be materialized again."""
    built_on_it: frozenset[str] = frozenset()
    """Assets that ran without documents deferred upstream, and must run again."""


def read_failure(instance: dg.DagsterInstance, run_id: str) -> RunFailure:
    """Return why the run failed. A run without a failed step (crash, time limit) counts as transient."""
    if run_id not in _known:
        events = events_of_ended_run(instance, run_id, (dg.DagsterEventType.STEP_FAILURE, *_ENDS))
        failure = _failure(events)
        if not any(event.event_type in _ENDS for event in events):
            return failure
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        _known[run_id] = failure
    return _known[run_id]


def _failure(events: Sequence[dg.DagsterEvent]) -> RunFailure:
    steps = [event for event in events if event.event_type == dg.DagsterEventType.STEP_FAILURE and event.step_key]
    if not steps:
        texts = [event.message for event in events if event.message]
        return RunFailure(texts[-1] if texts else "the run ended without giving a reason")
    facts = [_facts(event) for event in steps]
    return RunFailure(
        reason="\n".join(f"{event.step_key}: {reason_of(event)}" for event in steps),
        # One transient failure makes the run worth a retry, whatever the others are.
        permanent=all(bool(fact.get(PERMANENT)) for fact in facts),
        retry_after=max(float(fact.get(RETRY_AFTER) or 0.0) for fact in facts),
        rejected=sum(int(fact.get(REJECTED) or 0) for fact in facts),
        lost_input=any(_lost_input(event) for event in steps),
        built_on_it=frozenset(asset for fact in facts for asset in fact.get(BUILD_ON_IT) or ()),
    )


def _facts(event: dg.DagsterEvent) -> Mapping[str, Any]:
    data = event.step_failure_data.user_failure_data
    return {key: entry.value for key, entry in data.metadata.items()} if data else {}


def _lost_input(event: dg.DagsterEvent) -> bool:
    error = event.step_failure_data.error
    return error is not None and error.cls_name == "DagsterExecutionLoadInputError"


def reason_of(event: dg.DagsterEvent) -> str:
    """Return why a step failed: what the code said of its failure, else its exception."""
    data = event.step_failure_data.user_failure_data
    if data and data.description:
        return data.description
    return innermost_message(event.step_failure_data.error) or event.message or "failed"
