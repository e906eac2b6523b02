"""pytest plugin: a skipped test is a failed test (`pytest -p dev.pytest_no_skips`).

That one rule. The make targets load it, so a suite cannot turn green by not running, for instance because a server
that it needs did not start.
"""

from collections.abc import Generator
from typing import Any

import pytest


def _as_failure(report: pytest.TestReport | pytest.CollectReport) -> None:
    # Tests that are expected to fail are reported as skipped too.
    if not report.skipped:
        return
    # A skip's longrepr is (path, line, reason).
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid}: skipped tests count as failures here. {reason}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Turn the skip of a test into a failure."""
    report = yield
    _as_failure(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    """Turn the skip of a module into a failure."""
    report = yield
    _as_failure(report)
    return report
