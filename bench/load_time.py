"""How long the code location takes to load, beside a bare `import dagster` in the same run.

Each figure is a fresh process; both kinds take turns, so that a busy machine slows both. Run: python -m bench.load_time
"""

import os
import statistics
import subprocess
import sys
import time

ROUNDS = 5
PROGRAMS = {
    "bare `import dagster`": "import dagster",
    "the code location": (
        "from erp_medusa_pipelines.definitions import defs; "
        "[defs.get_repository_def().get_job(name) for name in defs.get_repository_def().job_names]"
    ),
}


def seconds(program: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return time.perf_counter() - began


def main() -> None:
    taken: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(ROUNDS):
        for name, program in PROGRAMS.items():
            taken[name].append(seconds(program))
    print(f"{'':24}{'median':>9}{'fastest':>9}   ({ROUNDS} processes each, load {os.getloadavg()[0]:.1f})")
    for name, times in taken.items():
        print(f"{name:24}{statistics.median(times):8.2f}s{min(times):8.2f}s")
    bare, ours = (statistics.median(times) for times in taken.values())
    print(f"Ours beyond the bare import: {ours - bare:.2f} s")


if __name__ == "__main__":
    main()
