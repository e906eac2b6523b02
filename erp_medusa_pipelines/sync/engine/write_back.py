"""Record the outcome of writing ids or flags back to ERPNext, the same way for every sync.

Belongs here: from the writer's outcome to counts, rejects, leftovers and the breaker. Does not belong here: writing
(clients/erpnext_writes.py), or what is written.
"""

from collections.abc import Callable
from dataclasses import dataclass

from erp_medusa_pipelines.clients.erpnext_writes import WriteOutcome
from erp_medusa_pipelines.clients.failures import TransientError
from erp_medusa_pipelines.sync.engine.report import Reject, SyncReport
from erp_medusa_pipelines.sync.engine.stages import Breaker


@dataclass(frozen=True)
class WriteBack:
    """Names of one kind of write-back: its DocType and field, its count, and the words before a refusal."""

    doctype: str
    field: str
    counted: str
    problem: str


def note_outcome(
    report: SyncReport,
    about: WriteBack,
    outcome: WriteOutcome,
    *,
    breaker: Breaker | None = None,
    refused: Callable[[Reject], None] | None = None,
) -> None:
    """Count what was stored, leave transient failures for a retry, and report refusals.

    `refused` is also called with each refusal, for callers that hold it back.
    """
    report.count(about.counted, len(outcome.written))
    passing: TransientError | None = None
    for name, error in outcome.failed.items():
        if isinstance(error, TransientError):
            passing = error
            report.defer(about.doctype, name, error)
            continue
        reject = Reject(about.doctype, name, f"{about.problem}: {error.reason}", about.field)
        report.reject(reject)
        if refused:
            refused(reject)
    if breaker and outcome.written:
        breaker.passed()
    if breaker and passing:
        breaker.failed(passing)
