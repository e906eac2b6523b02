"""Nights of a large shop that was exported whole: one without changes, and one in which one item in a hundred changed.

    python -m bench.large_nights --items 200000 --batches 16 [--folder FOLDER]

The shop is made without requests (exported_shop.py), both servers are embedded ones that keep it on disk. Per night:
the tasks' requests to both servers, rows in their answers, writes, seconds, and the most memory of the process that
does the runs, one after another; a run has less. `--folder` is a shop that was made before; it is changed.
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.exported_shop import build, change, served
from bench.quiet_night import ROOT, TASKS, Cost, nights_of

SHARE = 0.01
KINDS = ("quiet", "1 % changed")


def measure(folder: Path, batches: int) -> list[dict[str, Cost]]:
    """Run both nights of the shop in this folder."""
    with served(folder, batches) as shop:

        def before(night: int) -> None:
            if night:
                change(folder, SHARE, night)

        return nights_of(ROOT, shop, len(KINDS), before)


def report(items: int, batches: int, nights: Sequence[dict[str, Cost]]) -> None:
    """Print a line for each task of each night, and one for each night."""
    print(
        f"{'items':>10}{'batches':>8}  {'night':13}{'task':34}{'requests':>9}{'rows':>11}{'writes':>8}{'MB':>5}{'s':>7}"
    )
    for kind, night in zip(KINDS, nights, strict=True):
        for task in TASKS:
            cost = night[task]
            print(
                f"{items:10,}{batches:8}  {kind:13}{task:34}{cost.requests:9,}{cost.rows:11,}{cost.writes:8,}"
                f"{cost.memory:5}{cost.seconds:7.0f}   load {os.getloadavg()[0]:.0f}"
            )
        costs = night.values()
        print(
            f"{kind}: requests per 500 items: {sum(one.requests for one in costs) / (items / 500):.2f};"
            f" writes of a night: {sum(one.writes for one in costs)};"
            f" Website Items read per Website Item: {sum(one.catalogue for one in costs) / items:.2f};"
            f" most memory: {max(one.memory for one in costs)} MB"
        )


def main() -> None:
    """Make the shop, unless it is there, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, required=True)
    parser.add_argument("--batches", type=int, default=16)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = options.folder or Path(made)
        if options.folder is None:
            build(folder, options.items, options.batches)
        report(options.items, options.batches, measure(folder, options.batches))


if __name__ == "__main__":
    main()
