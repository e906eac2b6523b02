"""The assets of all tasks, found by their modules: a new task needs no list to be changed.

A module of this package that shows assets has either `ASSETS`, or `build_assets(batches)` where they are partitioned.
Modules without either help those that have. Dagster's own load_assets_from_package_module finds only assets that exist
at import; how many batches there are is known only from the settings.
"""

import importlib
import pkgutil
import warnings
from importlib.metadata import entry_points

import dagster as dg

from erp_medusa_pipelines import assets

OTHERS = "erp_medusa_pipelines.assets"
"""Group of entry points by which other packages add modules of assets (docs/your-own-task.md)."""


def find_assets(batches: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Return the assets of every module in this package and of those that others name, over these batches."""
    found: list[dg.AssetsDefinition] = []
    own = [info.name for info in pkgutil.iter_modules(assets.__path__, f"{assets.__name__}.")]
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
