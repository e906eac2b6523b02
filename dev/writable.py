"""Write the table of what may be written into the Server Script's text, or with `--check` say if it is out of date.

The command. The table is in `clients/writable.py`, the text around it in the script's own file.
"""

import argparse
import sys
from pathlib import Path

from erp_medusa_pipelines.clients.writable import SERVER_SCRIPT_METHOD, server_script_text, with_table

CLIENTS = Path(__file__).resolve().parents[1] / "erp_medusa_pipelines" / "clients"
TARGET = CLIENTS / f"{SERVER_SCRIPT_METHOD}.txt"


def main() -> int:
    """Return the exit code: 1 if the text is out of date."""
    parser = argparse.ArgumentParser(description="Write the table of what may be written into the Server Script.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the text is out of date")
    check = parser.parse_args().check
    current = server_script_text()
    text = with_table(current)
    if check:
        if current != text:
            print(f"{TARGET.name} is out of date: run `make server-script` and commit the result", file=sys.stderr)
            return 1
        print(f"{TARGET.name} is up to date")
        return 0
    TARGET.write_text(text, encoding="utf-8")
    print(f"{TARGET.name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
