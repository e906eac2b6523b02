"""How long the code location takes to load, beside a bare `import dagster` in the same run.

Each figure is the CPU time of a fresh process; both kinds take turns, so that a busy machine slows both.
Run: python -m bench.load_time
"""

import os
import resource
import statistics
import subprocess
import sys

ROUNDS = 5
PROGRAMS = {
    "bare `import dagster`": "import dagster",
    "the code location": (
        "from erp_medusa_pipelines.definitions import defs; "
        "[defs.get_repository_def().get_job(name) for name in defs.get_repository_def().job_names]"
    ),
}


def children_seconds() -> float:
    """Return the CPU seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def seconds(program: str) -> float:
    """Return the CPU seconds of one fresh process."""
    before = children_seconds()
    subprocess.run([sys.executable, "-c", program], check=True)
    return children_seconds() - before


def main() -> None:
    """Measure both in turn and print the table."""
    taken: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(ROUNDS):
        for name, program in PROGRAMS.items():
            taken[name].append(seconds(program))
    print(f"{'':24}{'median':>9}{'fastest':>9}   ({ROUNDS} processes each, load {os.getloadavg()[0]:.1f})")
    for name, times in taken.items():
        print(f"{name:24}{statistics.median(times):8.2f}s{min(times):8.2f}s")
    bare, ours = (min(times) for times in taken.values())
    print(f"The code location costs {ours / bare:.2f} times the bare import (fastest of each)")


if __name__ == "__main__":
    main()
