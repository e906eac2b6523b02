"""How long the best sellers take over millions of invoice lines, and how much memory, beside plain SQL.

    python -m bench.top_sellers [--lines 1000000 5000000]

Each path is the whole job - sums, ranking, checks, write - in a process of its own against an embedded ERPNext in
another one: with the sums pushed down to ERPNext, and line by line where it refuses to sum. Beside them, in the same
run: the pandas half alone (summing and ranking lines that are in memory already) and the reference, one SQL statement
per category over the same rows, whose result must be the collection that the job wrote.
"""

import argparse
import json
import os
import resource
import secrets
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import requests

from erp_medusa_pipelines.setting_sections import TOP_SELLER_CATEGORIES

JOB = "add_top_selling_items_to_collection"
MOST = 20
LIMIT_MB = 400
REFUSAL = {"exc_type": "ValidationError", "exception": "frappe.exceptions.ValidationError: SQL functions refused"}

REFERENCE = """
SELECT line.item_code, round(sum(line.qty), 6) AS sold
FROM "tabSales Invoice Item" AS line
JOIN "tabItem" AS item ON item.name = line.item_code
JOIN "tabItem Group" AS leaf ON leaf.name = item.item_group
JOIN "tabItem Group" AS top ON leaf.lft BETWEEN top.lft AND top.rgt
WHERE line.docstatus = 1 AND top.name = ? AND item.disabled = 0
  AND EXISTS (SELECT 1 FROM "tabWebsite Item" AS web WHERE web.item_code = item.name AND web.published = 1)
GROUP BY line.item_code ORDER BY sold DESC, line.item_code COLLATE BINARY LIMIT ?
"""
SHOWN = """
SELECT item_code, sales_count FROM "tabProduct Collection Item" WHERE parentfield = ? ORDER BY idx
"""

Result = dict[str, Any]


# --- what is measured, each in a process of its own -----------------------------------------------------------


def measure_job() -> Result:
    """Run the whole job against the servers named in the environment."""
    from erp_medusa_pipelines.definitions import build_defs

    job = build_defs().resolve_job_def(JOB)
    with dg.DagsterInstance.ephemeral() as instance:
        before = _peak_mb()
        began = time.monotonic()
        run = job.execute_in_process(instance=instance)
        seconds = time.monotonic() - began
    [sales, *_] = run.asset_materializations_for_node("sales_by_item")
    found = {key: entry.value for key, entry in sales.metadata.items()}
    step = {key: found[key] for key in ("lines", "windows", "summed_by", "requests")}
    checks = all(check.passed for check in run.get_asset_check_evaluations())
    return {"seconds": seconds, "peak_mb": _peak_mb(), "idle_mb": before, "checks": checks, **step}


def measure_pandas(path: Path) -> Result:
    """Measure summing and ranking alone; reading the lines into memory is not measured."""
    import pandas as pd

    from erp_medusa_pipelines.sync.merchandising.sales import Sales
    from erp_medusa_pipelines.sync.merchandising.top_sellers import ITEM_DTYPES, ItemGroupTree, rank

    with _reading(path) as db:
        tree = ItemGroupTree(
            {"name": name, "lft": lft, "rgt": rgt}
            for name, lft, rgt in db.execute('SELECT name, lft, rgt FROM "tabItem Group"')
        )
        rows = db.execute(
            'SELECT name, item_name, item_group, disabled, EXISTS (SELECT 1 FROM "tabWebsite Item" AS web '
            'WHERE web.item_code = item.name AND web.published = 1) FROM "tabItem" AS item'
        ).fetchall()
        items = pd.DataFrame(rows, columns=list(ITEM_DTYPES)).astype(ITEM_DTYPES)
        lines = db.execute('SELECT item_code, qty FROM "tabSales Invoice Item" WHERE docstatus = 1').fetchall()
    began = time.monotonic()
    sales = Sales(pushed_down=False)
    for code, quantity in lines:
        sales.add(code, quantity)
    table = sales.table()
    summed = time.monotonic()
    rank(table, items, tree, TOP_SELLER_CATEGORIES, most=MOST)
    return {"seconds": time.monotonic() - began, "rank_seconds": time.monotonic() - summed, "lines": len(lines)}


def reference(path: Path) -> Result:
    """Answer the same question in plain SQL, and check that Product Collection shows the same."""
    equal = True
    with _reading(path) as db:
        began = time.monotonic()
        answers = {
            table: db.execute(REFERENCE, (name, MOST)).fetchall() for name, table in TOP_SELLER_CATEGORIES.items()
        }
        seconds = time.monotonic() - began
        for table, rows in answers.items():
            equal = equal and bool(rows) and db.execute(SHOWN, (table,)).fetchall() == rows
    return {"seconds": seconds, "equal": equal}


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        yield db
    finally:
        db.close()


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# --- the run --------------------------------------------------------------------------------------------------


@contextmanager
def erpnext(path: Path) -> Iterator[dict[str, str]]:
    """Serve the store; yields the settings that name it."""
    key, secret = secrets.token_hex(8), secrets.token_hex(16)
    command = [sys.executable, "-m", "bench.sales_store", "serve", str(path), "--key", key, "--secret", secret]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the embedded ERPNext did not start; its error stands above")
        yield {
            **os.environ,
            "ERPNEXT_URL": json.loads(line)["url"],
            "ERPNEXT_API_KEY": key,
            "ERPNEXT_API_SECRET": secret,
            # The job writes to ERPNext only; the settings want both servers named.
            "MEDUSA_URL": "http://127.0.0.1:9",
            "MEDUSA_API_KEY": "unused",  # pragma: allowlist secret
        }
    finally:
        process.communicate("")


def child(what: str, path: Path, environment: dict[str, str]) -> Result:
    """Run one measurement in a separate process, so that its peak memory is measured alone."""
    command = [sys.executable, "-m", "bench.top_sellers", "--measure", what, "--file", str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the measurement of {what} failed:\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(lines: int, directory: Path) -> dict[str, Result]:
    """Measure every path over one store."""
    path = directory / f"sales-{lines}.sqlite"
    subprocess.run([sys.executable, "-m", "bench.sales_store", "fill", str(path), "--lines", str(lines)], check=True)
    results: dict[str, Result] = {}
    for name in ("summed by ERPNext", "line by line"):
        empty_collection(path)
        with erpnext(path) as environment:
            if name == "line by line":
                fault = {"action": "status", "path": r"sum%28qty", "status": 417, "json": REFUSAL}
                requests.post(
                    f"{environment['ERPNEXT_URL']}/__sandbox__/faults", json=fault, timeout=10
                ).raise_for_status()
            results[name] = child("job", path, environment)
        assert (results[name]["summed_by"] == "ERPNext") == (name == "summed by ERPNext")
        results[name]["equal"] = reference(path)["equal"]
    results["pandas half alone"] = child("pandas", path, dict(os.environ))
    results["reference: plain SQL"] = reference(path)
    path.unlink()
    return results


def empty_collection(path: Path) -> None:
    """Empty Product Collection, so that every path has to write it."""
    with sqlite3.connect(path) as db:
        db.execute('DELETE FROM "tabProduct Collection Item"')
    db.close()


def report(results: dict[int, dict[str, Result]]) -> bool:
    """Print the table; return whether every expectation was met."""
    good = True
    print(f"{'lines':>10}  {'path':<22}{'seconds':>9}{'lines/s':>12}{'peak MB':>9}{'requests':>9}  equal to SQL")
    for lines, paths in results.items():
        for name, found in paths.items():
            peak = f"{found['peak_mb']:.0f}" if "peak_mb" in found else ""
            equal = {True: "yes", False: "NO"}.get(found.get("equal", ""), "")
            asked = found.get("requests", "")
            speed = f"{lines / found['seconds']:,.0f}"
            print(f"{lines:>10,}  {name:<22}{found['seconds']:>9.2f}{speed:>12}{peak:>9}{asked:>9}  {equal}")
            good = good and found.get("equal", True) and found.get("checks", True)
            if name == "line by line":
                good = good and found["peak_mb"] < LIMIT_MB
    sizes = sorted(results)
    for small, large in pairwise(sizes):
        for name in results[small]:
            grown = results[large][name]["seconds"] / results[small][name]["seconds"]
            print(f"{name}: {large / small:.1f} times the lines take {grown:.2f} times as long")
    for lines, paths in results.items():
        found = paths["pandas half alone"]
        print(f"{lines:,} lines: of the pandas half {found['rank_seconds'] * 1000:.0f} ms are the ranking")
        share = paths["summed by ERPNext"]["seconds"] / paths["reference: plain SQL"]["seconds"]
        print(f"{lines:,} lines: summed by ERPNext / plain SQL: {share:.2f}")
    idle = results[sizes[-1]]["line by line"]["idle_mb"]
    print(f"a process that has only loaded the definitions takes {idle:.0f} MB; line by line: under {LIMIT_MB} MB")
    print(
        f"load average (1, 5, 15 min): {', '.join(f'{one:.1f}' for one in os.getloadavg())} on {os.cpu_count()} cores"
    )
    return good


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=int, nargs="+", default=[1_000_000, 5_000_000])
    parser.add_argument("--measure", choices=("job", "pandas"), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure_job() if options.measure == "job" else measure_pandas(options.file)))
        return 0
    print(f"load average before: {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-top-sellers-") as directory:
        results = {lines: measure(lines, Path(directory)) for lines in options.lines}
    return 0 if report(results) else 1


if __name__ == "__main__":
    sys.exit(main())
