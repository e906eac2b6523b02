"""The bill of materials of what is shipped, and whether the licences in it are allowed.

An environment with the image's dependencies and nothing of development, and the two tools that read it. Which licences
are allowed: pyproject.toml, [tool.pip-licenses].
"""

import re
import sys
import tempfile
from pathlib import Path

from dev.wheel_check import UV, run

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
SBOM, LICENCES = ROOT / "dist" / "sbom.cdx.json", ROOT / "dist" / "licences.json"


def shipped_extras() -> list[str]:
    """The package's extras that the image holds."""
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    found = re.search(r"^ARG EXTRAS=(\S+)$", text, re.MULTILINE)
    if not found:
        raise SystemExit("Containerfile has no ARG EXTRAS")
    return found.group(1).split(",")


def environment(folder: Path) -> Path:
    """Install what the image gets, without the package itself, whose path is this machine's; returns its Python."""
    python = folder / "bin" / "python"
    run(UV, "venv", "--quiet", "--python", sys.executable, folder)
    extras = [word for extra in shipped_extras() for word in ("--extra", extra)]
    install = (UV, "pip", "install", "--quiet", "--python", python, "--constraint", ROOT / "constraints.txt")
    run(*install, "--requirement", ROOT / "pyproject.toml", *extras)
    return python


def write_sbom(python: Path) -> None:
    """Write the bill of materials as CycloneDX, checked against its schema, the same for the same dependencies."""
    project = ROOT / "pyproject.toml"
    options = ("--pyproject", project, "--output-reproducible", "--of", "JSON", "-o", SBOM)
    run(BIN / "cyclonedx-py", "environment", *options, python)


def write_licences(python: Path) -> None:
    """List the licence of each. Raises SystemExit for the first one that is not allowed."""
    options = ("--from=mixed", "--format=json", "--with-urls", f"--output-file={LICENCES}")
    run(BIN / "pip-licenses", f"--python={python}", *options)


def main() -> None:
    """Write both files into dist/."""
    SBOM.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        python = environment(Path(folder) / "venv")
        write_sbom(python)
        write_licences(python)
    print(f"{SBOM.relative_to(ROOT)} and {LICENCES.relative_to(ROOT)} written; every licence is allowed")


if __name__ == "__main__":
    main()
