"""Build the wheel, install it without extras into a clean environment, and load the code location from it.

Faults that only an installed package shows, such as a file or dependency that only a checkout has. Run: make
wheel-check
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "erp_medusa_pipelines"
UV = Path(sys.executable).with_name("uv")

PROGRAM = """
import importlib.util
from importlib.metadata import distribution

from erp_medusa_pipelines.definitions import defs

repository = defs.get_repository_def()
for name in repository.job_names:
    repository.get_job(name)
for command in distribution("erp-medusa-pipelines").entry_points:
    command.load()
assert importlib.util.find_spec("erp_medusa_sandbox") is None, "the sandbox is in the wheel"
print(f"The wheel works: {len(repository.job_names)} jobs without the sandbox and its dependencies")
"""


def run(*command: str | Path, directory: Path = ROOT) -> None:
    """Run a command without the checkout's environment; show its output only if it fails."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(  # noqa: S603
        command,
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


def build(directory: Path) -> Path:
    """Build the wheel of the checkout."""
    run(UV, "build", "--quiet", "--wheel", "--out-dir", directory)
    (wheel,) = directory.glob("*.whl")
    return wheel


def missing_files(wheel: Path) -> list[str]:
    """Return the package's files that are missing from the wheel."""
    listed = subprocess.run(  # noqa: S603
        ["git", "ls-files", "--cached", PACKAGE],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    return [name for name in listed if name not in packed and (ROOT / name).exists()]


def main() -> None:
    """Build the wheel, install it and load the code location; returns the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        wheel = build(directory / "dist")
        if missing := missing_files(wheel):
            raise SystemExit(f"Not in the wheel: {', '.join(missing)}. Add them to package-data in pyproject.toml")
        python = directory / "venv" / "bin" / "python"
        run(UV, "venv", "--quiet", "--python", sys.executable, directory / "venv")
        run(UV, "pip", "install", "--quiet", "--python", python, "--constraint", ROOT / "constraints.txt", wheel)
        # Elsewhere than in the checkout, so that nothing is imported from there.
        subprocess.run([python, "-I", "-c", PROGRAM], cwd=directory, check=True)  # noqa: S603


if __name__ == "__main__":
    main()
