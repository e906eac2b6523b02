"""No test is left out: every folder belongs to a target that CI runs, and every night all of its tests."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MAKEFILE = (ROOT / "Makefile").read_text()
CHOOSES = re.compile(r"(?:^| )(?:-m(?! pytest| dev\.)|-k|--deselect|--ignore|--ignore-glob|--lf|--sw)(?:[ =]|$)")
"""Options of pytest that leave tests out."""


def recipe(target: str) -> str:
    """Return the commands of a target, with its variables filled in."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert found, f"there is no target {target}"
    text = found[1]
    while variables := {*re.findall(r"\$\((\w+)\)", text)}:
        for name in variables:
            value = re.search(rf"^{name} :?= (.*)$", MAKEFILE, re.MULTILINE)
            text = text.replace(f"$({name})", value[1] if value else "")
    return text


def paths(target: str) -> set[str]:
    return {*re.findall(r"tests/[\w/.]+", recipe(target))}


def stages(script: str) -> set[str]:
    """Return the targets that a script of CI runs, each a stage or a turn of its loop."""
    text = (ROOT / ".ci" / script).read_text()
    looped = [name for names in re.findall(r"^for target in (.*); do$", text, re.MULTILINE) for name in names.split()]
    return {*re.findall(r"make --no-print-directory ([\w-]+)", text), *looped}


def test_ci_runs_everything_every_night_and_all_but_the_slow_for_every_change() -> None:
    assert {"test-ci", "test-live", "test-e2e-ci"} <= stages("run")
    assert {"coverage", "test-e2e"} <= stages("nightly")
    assert paths("test") <= paths("test-ci") == paths("test-all") == paths("coverage")
    assert paths("test-e2e-ci") == paths("test-e2e")
    for target in ("test-all", "coverage", "test-live", "test-e2e"):
        assert not CHOOSES.search(recipe(target))
    # The only thing that the quicker commands leave out of their folders.
    for target in ("test", "test-ci", "test-e2e-ci"):
        assert CHOOSES.findall(recipe(target)) == [" -m "]
        left_out = "not slow and not long" if target == "test" else "not slow"
        assert f'-m "{left_out}"' in recipe(target)


def test_every_folder_of_tests_belongs_to_a_target_that_ci_runs() -> None:
    targets = {target for script in ("run", "nightly") for target in stages(script)}
    run = {path for target in targets if "test" in target or target in ("matrix", "day") for path in paths(target)}
    files = [file.relative_to(ROOT).as_posix() for file in (ROOT / "tests").rglob("test_*.py")]
    # With root and an image to look into; `make image` runs it.
    others = {"tests/cluster/test_image.py"}
    assert [file for file in files if not any(file.startswith(path) for path in run) and file not in others] == []


def test_the_suites_are_run_against_both_kinds_of_servers() -> None:
    """A suite is no test file itself: it is run by those that import it."""
    for suite in (ROOT / "tests" / "suites").glob("[!_]*.py"):
        users = f"from tests.suites.{suite.stem} import"
        for folder in ("sandbox", "live"):
            found = [file for file in (ROOT / "tests" / folder).rglob("test_*.py") if users in file.read_text()]
            assert found, f"{suite.name} is not run by tests/{folder}"


def test_every_test_file_is_found_by_pytest() -> None:
    """A file of tests under another name would never run."""
    for file in (ROOT / "tests").rglob("*.py"):
        if file.name.startswith("test_") or "suites" in file.parts:
            continue
        assert not re.search(r"^def test_", file.read_text(), re.MULTILINE), file


def test_nothing_else_is_left_out_by_the_settings_of_pytest() -> None:
    settings = (ROOT / "pyproject.toml").read_text()
    (options,) = re.findall(r"^addopts = \"(.*)\"$", settings, re.MULTILINE)
    assert not CHOOSES.search(options)
    assert "collect_ignore" not in "".join(file.read_text() for file in (ROOT / "tests").rglob("conftest.py"))
