"""`make demo`: the nightly jobs on the embedded sandbox, from an empty shop to a full one, then the Dagster UI.

Belongs here: what a newcomer sees in the terminal. Always the sandbox, whatever servers the environment or .env names:
a demo must never write into somebody's shop.
"""

import argparse
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

NUMBERS = ("found", "written", "adopted", "updated", "unchanged", "rejected", "requests", "seconds")


def main() -> int:
    """Run every nightly job to its end, print a summary, serve the UI. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=3000, help="port of the UI on 127.0.0.1 (default: 3000)")
    parser.add_argument("--no-serve", action="store_true", help="end after the summary")
    options = parser.parse_args()
    os.environ["USE_SANDBOX"] = "true"
    home = Path(os.environ.setdefault("DAGSTER_HOME", str(Path(".dagster").resolve())))
    home.mkdir(parents=True, exist_ok=True)

    import dagster as dg

    from erp_medusa_pipelines.connections import SANDBOX_NOTICE
    from erp_medusa_pipelines.definitions import build_defs
    from erp_medusa_pipelines.settings import load_settings
    from erp_medusa_pipelines.sync.engine.batches import batch_keys
    from erp_medusa_pipelines.tasks import SHORT, TASKS

    print(f"\n{SANDBOX_NOTICE}\n", flush=True)
    definitions = build_defs()
    began = time.monotonic()
    rows: list[dict[str, Any]] = []
    failed = False
    with dg.DagsterInstance.get() as instance:
        # The minute tasks need somebody who signs in and a mail server; the UI shows them.
        for task in (task for task in TASKS if task.queue is not SHORT):
            job = definitions.resolve_job_def(task.name).with_logger_defs({"console": _terminal_logger()})
            keys = batch_keys(load_settings().export_batches) if task.partitioned else [None]
            for key in keys:
                print(f"--- {task.name}" + (f" {key}" if key else ""), flush=True)
                result = job.execute_in_process(
                    run_config={"loggers": {"console": {}}}, partition_key=key, instance=instance, raise_on_error=False
                )
                failed = failed or not result.success
                for event in result.get_asset_materialization_events():
                    values = {name: entry.value for name, entry in event.materialization.metadata.items()}
                    rows.append({"asset": event.asset_key.to_user_string() if event.asset_key else "", **values})
    _print_summary(rows, time.monotonic() - began)
    print(f"\n{SANDBOX_NOTICE}")
    if options.no_serve or failed:
        return 1 if failed else 0
    print(
        f"\nThe Dagster UI: http://127.0.0.1:{options.port}  (Ctrl+C ends it; its history stays in {home})", flush=True
    )
    # As `make dev` does, so that the UI shows the same code location.
    dg_command = Path(sys.executable).with_name("dg")
    arguments = ["dev", "--host", "127.0.0.1", "--port", str(options.port)]
    os.execv(dg_command, [str(dg_command), *arguments])  # noqa: S606  # no shell; replaces this process


def _terminal_logger() -> Any:
    """Only what the tasks themselves say, one short line each."""
    import dagster as dg

    @dg.logger
    def terminal(_context: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("demo", logging.INFO)
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(_Short())
        logger.addHandler(handler)
        return logger

    return terminal


class _Short(logging.Formatter):
    """`asset: message` out of Dagster's records."""

    def format(self, record: logging.LogRecord) -> str:
        meta = getattr(record, "dagster_meta", {})
        step = meta.get("step_key") if isinstance(meta, dict) else getattr(meta, "step_key", None)
        message = meta.get("orig_message") if isinstance(meta, dict) else getattr(meta, "orig_message", None)
        return f"    {step or 'dagster':24} {message or record.getMessage()}"


def _print_summary(rows: list[dict[str, Any]], seconds: float) -> None:
    """A table with one line per asset, batches added up."""
    totals: dict[str, dict[str, float]] = {}
    for row in rows:
        total = totals.setdefault(row["asset"], dict.fromkeys(NUMBERS, 0))
        for name in NUMBERS:
            total[name] += row.get(name) or 0
    print(f"\n{'asset':26}" + "".join(f"{name:>11}" for name in NUMBERS))
    for asset, total in totals.items():
        numbers = (f"{total[name]:11.1f}" if name == "seconds" else f"{int(total[name]):11}" for name in NUMBERS)
        print(f"{asset:26}" + "".join(numbers))
    print(f"\nDone in {seconds:.0f} s.")


if __name__ == "__main__":
    sys.exit(main())
