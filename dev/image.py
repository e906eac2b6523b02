"""Build the image without a container daemon, and run it as one would: no root, a read-only root file system.

Buildah and what stands in for a container engine on a machine that has none.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from dev.wheel_check import build

ROOT = Path(__file__).resolve().parents[1]
NAME = "localhost/erp_medusa_pipelines"
OWN_BASE = "localhost/bookworm-python"
SUITE = "bookworm"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
USER = "10001:10001"
LIMITS = ("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096")
"""Below what the machine has: raising them, as buildah does by itself, takes a right that root may not have."""

START = """
set -e
mount --make-rprivate /
mount --bind "$ROOT_FS" "$ROOT_FS"
mount -o remount,bind,ro "$ROOT_FS"
mount -t proc proc "$ROOT_FS/proc"
mount --rbind /dev "$ROOT_FS/dev"
mount -t tmpfs -o mode=1777 tmpfs "$ROOT_FS/tmp"
mount -t tmpfs -o uid=10001,gid=10001,mode=700 tmpfs "$ROOT_FS/srv/dagster/storage"
mount -t tmpfs tmpfs "$ROOT_FS/run"
mkdir "$ROOT_FS/run/secrets"
mount --bind "$SECRETS" "$ROOT_FS/run/secrets"
exec chroot --userspec=10001:10001 "$ROOT_FS" /usr/bin/env -i "$@"
"""


def tool(*command: str | Path) -> str:
    """Run a program; its output. Raises SystemExit with what it said when it fails."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def base(folder: Path) -> str:
    """A Debian with Python, made from Debian's packages; made once."""
    if OWN_BASE in tool("buildah", "images", "--format", "{{.Name}}"):
        return OWN_BASE
    # debootstrap cannot go on with what an attempt that failed has left.
    with tempfile.TemporaryDirectory(dir=folder) as made:
        files = Path(made) / SUITE
        tool("debootstrap", "--variant=minbase", "--include=python3,python3-venv,ca-certificates", SUITE, files)
        container = tool("buildah", "from", "scratch")
        tool("buildah", "add", container, files, "/")
        tool("buildah", "commit", "--rm", container, OWN_BASE)
    return OWN_BASE


def build_image(folder: Path, named_base: str | None = None) -> str:
    """Build the wheel and the image from it; returns the image's name."""
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    build(ROOT / "dist")
    tool(
        *("buildah", "build", "--isolation", "chroot", "--format", "docker", "--layers=false", "--tag", NAME),
        *LIMITS,
        *("--build-arg", f"BASE={named_base or base(folder)}"),
        # Of this machine, for the build alone: the authorities that its registry's certificate is checked against.
        *("--volume", f"{AUTHORITIES}:{AUTHORITIES}:ro", "--build-arg", f"PIP_CERT={AUTHORITIES}"),
        *("--file", "Containerfile", "."),
    )
    return NAME


@dataclass(frozen=True)
class Image:
    """A built image, mounted: its files and its configuration."""

    files: Path
    config: Mapping[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        """Variables that it sets."""
        pairs = self.config.get("Env") or []
        return dict(pair.split("=", 1) for pair in pairs)

    def start(self, *command: str, secrets: Path, log: Path, **environment: str) -> subprocess.Popen[bytes]:
        """A process as the engine starts it; a process-id and a mount space of its own, the machine's network."""
        return self.execute("/usr/local/bin/entrypoint", *command, secrets=secrets, log=log, **environment)

    def execute(self, *command: str, secrets: Path, log: Path, **environment: str) -> subprocess.Popen[bytes]:
        """A process as the engine's `exec` starts it beside the first one: without the entrypoint."""
        variables = [f"{name}={value}" for name, value in {**self.environment, **environment}.items()]
        with log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603
                [
                    *("unshare", "--mount", "--pid", "--fork"),
                    *("sh", "-c", START, "sh", *variables, *command),
                ],
                env={"PATH": os.environ["PATH"], "ROOT_FS": str(self.files), "SECRETS": str(secrets)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )


def first_inside(process: subprocess.Popen[bytes]) -> psutil.Process:
    """The process of number 1 in what `start` has started: an engine sends its signals there."""
    (first,) = psutil.Process(process.pid).children()
    return first


def end(process: subprocess.Popen[bytes]) -> None:
    """End what `start` has started, with the processes inside: they changed their user, so no signal reaches them."""
    inside = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    for each in (*inside, process):
        with suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait(30)


@contextmanager
def mounted(name: str) -> Iterator[Image]:
    """The image with its files in reach."""
    container = tool("buildah", "from", "--pull-never", name)
    try:
        found = json.loads(tool("buildah", "inspect", "--type", "image", name))
        yield Image(Path(tool("buildah", "mount", container)), found["Docker"]["config"])
    finally:
        tool("buildah", "rm", container)


def main() -> None:
    """Build it."""
    parser = argparse.ArgumentParser(description="Build the image.")
    parser.add_argument("--base", default=None, help="a base image with Python 3.11 to 3.13; else one is made")
    named = parser.parse_args().base
    print(build_image(Path("/var/tmp"), named), file=sys.stdout)  # noqa: S108  # debootstrap needs a disk with devices


if __name__ == "__main__":
    main()
