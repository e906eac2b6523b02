"""An embedded Medusa in a process of its own, for measurements in which Medusa's own speed does not count.

with medusa_process() as medusa: ...      the settings that name it, MEDUSA_URL and MEDUSA_API_KEY
"""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from erp_medusa_sandbox.faults import FaultInjector
from erp_medusa_sandbox.medusa.app import create_app
from erp_medusa_sandbox.medusa.disk_store import DiskMedusaStore
from erp_medusa_sandbox.medusa.store import MedusaStore
from erp_medusa_sandbox.server import running


@contextmanager
def medusa_process(*, store: Path | None = None) -> Iterator[dict[str, str]]:
    """Serve an empty shop, or the one in the file `store`, until the block ends."""
    command = [sys.executable, "-m", "bench.medusa_process", *([str(store)] if store else ())]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the embedded Medusa did not start; its error stands above")
        yield json.loads(line)
    finally:
        process.communicate("")


def main() -> None:
    """Serve until stdin closes."""
    key = "sk_" + secrets.token_hex(32)
    store = DiskMedusaStore(Path(sys.argv[1])) if sys.argv[1:] else MedusaStore(None)
    with running(FaultInjector(create_app(store, api_key=key), "medusa")) as url:
        print(json.dumps({"MEDUSA_URL": url, "MEDUSA_API_KEY": key}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
