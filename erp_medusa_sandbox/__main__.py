"""The sandbox on the command line: `python -m erp_medusa_sandbox start|stop|reset|status|serve`.

Arguments and what is printed. The work is done by `server.py`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from erp_medusa_sandbox import server


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m erp_medusa_sandbox",
        description="SANDBOX: a small embedded ERPNext and Medusa with a sample shop. No real shop is behind it.",
    )
    parser.add_argument("command", choices=["start", "stop", "reset", "status", "serve"])
    parser.add_argument("--state-dir", type=Path, required=True, help="where keys, databases and the log are kept")
    parser.add_argument(
        "--idle-seconds", type=float, default=server.IDLE_SECONDS, help="end after this time without a request"
    )
    options = parser.parse_args(arguments)
    try:
        return _run(options.command, options.state_dir, options.idle_seconds)
    except server.SandboxError as error:
        print(error, file=sys.stderr)
        return 1


def _run(command: str, state_dir: Path, idle_seconds: float) -> int:
    if command == "serve":
        server.serve(state_dir, idle_seconds=idle_seconds)
    elif command == "stop":
        stopped = server.stop(state_dir)
        print(f"# SANDBOX in {state_dir}: {'stopped' if stopped else 'was not running'}")
    elif command == "status":
        address = server.find_running(state_dir)
        if address is None:
            print(f"# SANDBOX in {state_dir}: not running")
            return 3
        _print_environment(address, state_dir)
    else:
        if command == "reset":
            server.reset(state_dir)
        _print_environment(server.ensure_running(state_dir, idle_seconds=idle_seconds), state_dir)
    return 0


def _print_environment(address: server.SandboxAddress, state_dir: Path) -> None:
    print(
        f"# SANDBOX in {state_dir}: running as process {address.pid}. Embedded servers with a sample shop, no real one."
    )
    for name, value in address.environment().items():
        print(f"{name}={value}")


if __name__ == "__main__":
    sys.exit(main())
