"""One run of a job in a process of its own, as Dagster starts it, that tells how much memory it took.

    python -m bench.run_process export_items_and_images_custom batch_0

The servers and DAGSTER_HOME come from the environment. Nothing is imported here but Dagster and the definitions, so
"loaded" is what every run process carries before it begins. The figures come from /proc, so this needs Linux.
"""

import json
import re
import sys
from pathlib import Path

import dagster as dg


def memory_mb(entry: str) -> float:
    """`VmRSS` (now) or `VmHWM` (the most so far) of this process."""
    found = re.search(rf"^{entry}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found, f"no {entry} in /proc/self/status"
    return int(found.group(1)) / 1024


def main() -> None:
    """Run the job to its end, and print the figures as the last line."""
    from erp_medusa_pipelines.definitions import defs

    name, partition = sys.argv[1:]
    job = defs.resolve_job_def(name)
    loaded = memory_mb("VmRSS")
    with dg.DagsterInstance.get() as instance:
        result = job.execute_in_process(partition_key=partition, instance=instance)
        written = {
            event.asset_key.to_user_string(): event.materialization.metadata["written"].value
            for event in result.get_asset_materialization_events()
            if event.asset_key
        }
    print(json.dumps({"loaded": loaded, "peak": memory_mb("VmHWM"), "written": written}))


if __name__ == "__main__":
    main()
