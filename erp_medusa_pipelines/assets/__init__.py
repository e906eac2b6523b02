"""What Dagster shows: thin assets that call one function of sync/ and report its result.

A module per task or per part of the export. It shows its assets as `ASSETS`, or as `build_assets(batches)` where they
work on batches; `find_assets` finds it, so that a new task needs no list to be changed. `reporting.py` opens the shop
for an asset and turns a sync's report into numbers, tables, checks and failures; `links.py` says what an asset writes,
`leftovers.py` fails a run at its end.

Add an asset here when a task is added to tasks.py; what it does goes into sync/.
"""

import importlib
import pkgutil
import warnings
from importlib.metadata import entry_points

import dagster as dg

OTHERS = "erp_medusa_pipelines.assets"
"""Group of entry points by which other packages add modules of assets (docs/your-own-task.md)."""


def find_assets(batches: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Return the assets of every module in this package and of those that others name, over these batches.

    Dagster's own load_assets_from_package_module finds only assets that exist at import; how many batches there are is
    known only from the settings.
    """
    found: list[dg.AssetsDefinition] = []
    own = [info.name for info in pkgutil.iter_modules(__path__, f"{__name__}.")]
    others = sorted(point.value for point in entry_points(group=OTHERS))
    for name in (*own, *others):
        module = importlib.import_module(name)
        found += getattr(module, "ASSETS", ())
        if build := getattr(module, "build_assets", None):
            with warnings.catch_warnings():
                # Dagster calls the parameter beta on every load; a test holds what it is needed for: one run per batch.
                warnings.filterwarnings("ignore", "Parameter `backfill_policy`", dg.BetaWarning)
                found += build(batches)
    return found
