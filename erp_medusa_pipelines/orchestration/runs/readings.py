"""Where a run keeps the lists that it reads whole, and which other runs use them: those of the same tick.

A run that a schedule started shares them with the others that were due at that moment, as the batches of a task are.
One that somebody or a retry started reads by itself: whoever starts it expects that it looks.
"""

import hashlib
import tempfile
from pathlib import Path
from socket import gethostname

import dagster as dg

from erp_medusa_pipelines.clients.reading import Reading, remove_old
from erp_medusa_pipelines.orchestration.dagster_internals import SCHEDULED_EXECUTION_TIME_TAG
from erp_medusa_pipelines.orchestration.runs.work import ATTEMPT_TAG
from erp_medusa_pipelines.orchestration.shops import shop_name
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.tasks import TASKS

FOLDER = "readings"
COMPARES_ALL = "medusa_product_updates"
"""The asset that compares the texts of all products."""


def reading_of(run: dg.DagsterRun, instance: dg.DagsterInstance, settings: Settings) -> Reading | None:
    """Return where this run keeps its lists; None where this process can write nowhere."""
    due = run.tags.get(SCHEDULED_EXECUTION_TIME_TAG) if not run.tags.get(ATTEMPT_TAG) else None
    root = _root(instance)
    if root is None:
        try:
            own = Path(tempfile.mkdtemp(prefix="erp_medusa_"))
        except OSError:
            return None
        return Reading(own, settings.export_batches, shared=False)
    remove_old(root)
    if not due:
        # Beside the others, so that what a killed run leaves is removed like theirs.
        return Reading(root / f"run-{run.run_id}", settings.export_batches, shared=False)
    # Other servers, and another number of batches, are another reading; and SQLite shares no file between machines.
    about = (gethostname(), shop_name(), settings.erpnext_url, settings.sandbox_dir, settings.export_batches, due)
    digest = hashlib.sha256(repr(about).encode()).hexdigest()[:16]
    with_texts = any(task.name == run.job_name and COMPARES_ALL in task.assets for task in TASKS)
    return Reading(root / digest, settings.export_batches, shared=True, with_texts=with_texts)


def _root(instance: dg.DagsterInstance) -> Path | None:
    """Return the folder beside Dagster's own storage, or None where this process can keep nothing there."""
    if instance.is_ephemeral:
        return None
    root = Path(instance.root_directory) / FOLDER
    try:
        root.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return None
    return root
