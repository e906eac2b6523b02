"""Write docs/settings.md from the settings table, or with `--check` say whether it is out of date.

The form of that page. The settings themselves are defined in `erp_medusa_pipelines.setting_sections`.
"""

import sys
from pathlib import Path

from dev.env_example import default, heading
from erp_medusa_pipelines.settings import SECTIONS, variable_name

TARGET = Path(__file__).resolve().parents[1] / "docs" / "settings.md"

HEADER = """\
# Settings

Copy [.env.example](../.env.example) to `.env` to start with, or set them in the environment. Set each variable in one
place: where both have it, Dagster's code server takes the one in `.env`, the command `erp-medusa` the one in the
environment.

A change takes effect when the code server restarts. A separate one (`dagster code-server start`) has to be restarted by
hand; otherwise the daemon restarts its own about every minute.

Secrets never appear in a log, an event or an error message. A wrong value stops the code location with a message that
names the variable.

<!-- Written by `make env-example` from erp_medusa_pipelines/setting_sections.py; do not edit by hand. -->
"""

COLUMNS = "| variable | default | meaning |\n| --- | --- | --- |\n"


def render() -> str:
    """Return the text of the page."""
    parts = [HEADER]
    for section in SECTIONS:
        title, below = heading(section)
        parts.append(f"\n## {title}\n\n{below}\n\n{COLUMNS}")
        for name, field in section.model_fields.items():
            value = default(field)
            meaning = " ".join((field.description or "").split()).replace("|", "\\|")
            parts.append(f"| `{variable_name(name)}` | {f'`{value}`' if value else ''} | {meaning} |\n")
    return "".join(parts)


def main() -> int:
    """Write the page, or compare it with --check."""
    if "--check" not in sys.argv:
        TARGET.write_text(render(), encoding="utf-8")
    elif not TARGET.exists() or TARGET.read_text(encoding="utf-8") != render():
        print("docs/settings.md is out of date: run `make env-example` and commit the result", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
