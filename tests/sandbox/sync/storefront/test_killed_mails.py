"""A sample of what dev/killed_mails.py tries with a thousand carts and subscribers."""

import pytest

from dev.killed_mails import kill_at_random


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("about", ["carts", "newsletters"])
def test_runs_that_are_killed_at_any_moment_send_nobody_two_mails(about: str) -> None:
    outcome = kill_at_random(about, number=40, kills=5, seed=7)
    assert outcome.holds, outcome
    assert outcome.mails[1] >= 40 - outcome.kills
