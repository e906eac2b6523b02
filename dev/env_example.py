"""Write `.env.example` from the settings table, or with `--check` say whether it is out of date.

The form of the example file. Names, defaults and descriptions are defined in `erp_medusa_pipelines.setting_sections`
and nowhere else.
"""

import argparse
import json
import sys
import textwrap
from pathlib import Path

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from erp_medusa_pipelines.settings import SECTIONS, Settings, variable_name

TARGET = Path(__file__).resolve().parents[1] / ".env.example"

HEADER = """\
# Every setting. Copy this file to .env and fill in what you need; variables of the environment win over .env.
# A line that stays commented keeps the default shown. The embedded sandbox is used only where USE_SANDBOX=true.
# Written by `make env-example` from erp_medusa_pipelines/setting_sections.py; do not edit by hand.
"""


def default(field: FieldInfo) -> str:
    """Format the default of a setting as it appears in the file."""
    value = field.get_default(call_default_factory=not field.default_factory_takes_validated_data)
    if value is None or value is PydanticUndefined:
        return ""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False) if value else ""
    if isinstance(value, list | tuple | set | frozenset):
        return ",".join(str(part) for part in value)
    return str(value)


def render() -> str:
    """Return the text of the whole file."""
    parts = [HEADER]
    for section in SECTIONS:
        title, meaning = heading(section)
        parts.append(f"# ----- {title} -----\n# {meaning}\n")
        for name, field in section.model_fields.items():
            if not field.description:
                raise SystemExit(f"The setting {name} has no description: add one in setting_sections.py")
            comment = textwrap.fill(
                " ".join(field.description.split()), width=110, initial_indent="# ", subsequent_indent="# "
            )
            parts.append(f"{comment}\n#{variable_name(name)}={default(field)}\n")
    return "\n".join(parts)


def heading(section: type[BaseModel]) -> tuple[str, str]:
    """Return a section's title and the sentence below it."""
    title, _, meaning = (section.__doc__ or "").partition(": ")
    return title, meaning[:1].upper() + meaning[1:]


def main() -> int:
    """Write the file, or compare it with --check."""
    parser = argparse.ArgumentParser(description="Write .env.example from the settings table.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the file is out of date")
    check = parser.parse_args().check
    text = render()
    current = TARGET.read_text(encoding="utf-8") if TARGET.exists() else ""
    if check:
        if current != text:
            print(".env.example is out of date: run `make env-example` and commit the result", file=sys.stderr)
            return 1
        print(".env.example is up to date")
        return 0
    TARGET.write_text(text, encoding="utf-8")
    print(f"{TARGET.name} written: {len(Settings.model_fields)} settings")
    return 0


if __name__ == "__main__":
    sys.exit(main())
