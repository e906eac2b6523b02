"""The gate on branch coverage, with reports that coverage itself wrote."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dev.branch_coverage import main, verdict

pytestmark = pytest.mark.slow

MODULE = """\
def sign(number):
    if number > 0:
        return "plus"
    return "minus"

sign(1)
"""


def report_of(folder: Path, *options: str) -> Path:
    """Return coverage's report on a module with two branches, of which one is taken."""
    (folder / "module.py").write_text(MODULE, encoding="utf-8")
    for command in (["run", *options, "module.py"], ["json", "-o", "report.json"]):
        subprocess.run([sys.executable, "-m", "coverage", *command], cwd=folder, check=True, capture_output=True)
    return folder / "report.json"


def test_too_few_branches_fail_although_most_statements_are_covered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(str(report_of(tmp_path, "--branch"))) == 1
    printed = capsys.readouterr().err
    assert "branches 50.0 % (at least 90 %), statements 80.0 %" in printed
    assert "1 module.py" in printed


def test_enough_branches_pass(tmp_path: Path) -> None:
    report = json.loads(report_of(tmp_path, "--branch").read_text(encoding="utf-8"))
    assert verdict(report, least=50.0) == (True, "branches 50.0 % (at least 50 %), statements 80.0 %")


def test_a_report_without_branches_is_no_success(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no branches"):
        main(str(report_of(tmp_path)))
