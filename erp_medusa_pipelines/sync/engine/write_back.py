"""Record the outcome of writing ids or flags back to ERPNext, the same way for every sync."""

from dataclasses import dataclass

from erp_medusa_pipelines.clients.erpnext_writes import WriteOutcome
from erp_medusa_pipelines.clients.failures import TransientError
from erp_medusa_pipelines.sync.engine.report import SyncReport
from erp_medusa_pipelines.sync.engine.stages import Breaker


@dataclass(frozen=True)
class WriteBack:
    """Names of one kind of write-back: its DocType and field, its count, and the words before a refusal."""

    doctype: str
    field: str
    counted: str
    problem: str


def note_outcome(report: SyncReport, about: WriteBack, outcome: WriteOutcome, *, breaker: Breaker) -> dict[str, str]:
    """Count what was stored and leave transient failures for a retry. Returns {document: why it was refused}."""
    report.count(about.counted, len(outcome.written))
    passing: TransientError | None = None
    refused: dict[str, str] = {}
    for name, error in outcome.failed.items():
        if isinstance(error, TransientError):
            passing = error
            report.defer(about.doctype, name, error)
        else:
            refused[name] = f"{about.problem}: {error.reason}"
    if outcome.written:
        breaker.passed()
    if passing:
        breaker.failed(passing)
    return refused
