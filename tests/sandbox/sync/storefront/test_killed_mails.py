"""A sample of what dev/killed_mails.py tries with a thousand carts."""

import pytest

from dev.killed_mails import kill_at_random


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_runs_that_are_killed_at_any_moment_send_no_cart_two_mails() -> None:
    outcome = kill_at_random(carts=40, kills=5, seed=7)
    assert outcome.holds, outcome
    assert outcome.mails[1] >= 40 - outcome.kills
