"""Killed at every moment - the run's process, the whole machine, Medusa alone - the next runs bring the same end.

MATRIX_ALL=1 tries every moment, else a sample of each task's.
"""

import random
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

import pytest

from erp_medusa_sandbox.faults import Fault
from tests.matrix.judge import EVERYTHING, fail_with, still_wrong, undisturbed
from tests.matrix.kills import recorded
from tests.matrix.projection import state, unlike
from tests.matrix.scenarios import ALL_SCENARIOS, EVERY_SCENARIO, WITH_MEDUSA
from tests.matrix.shop import Shop, Snapshot

SAMPLE = 5
"""Moments tried of each task where not all are."""

STRAYS = 2
"""Uploads that may be left of which nobody learned: as many as are sent at the same time."""

BETWEEN_ITS_STEPS = re.compile(r"/variants/batch: links removed$")
"""Medusa has unlinked a variant that it deletes, and not yet deleted its inventory item: that stays until the variant
comes back, which takes it. docs/reliability.md says so."""

One = TypeVar("One")
pytestmark = pytest.mark.timeout(0)


def sample(moments: Sequence[One], scenario: str) -> list[One]:
    """Some moments, the same each time, spread over the run."""
    if EVERYTHING or len(moments) <= SAMPLE:
        return list(moments)
    drawn = random.Random(scenario)  # noqa: S311
    edges = [round(number * len(moments) / SAMPLE) for number in range(SAMPLE + 1)]
    return [moments[drawn.randrange(start, end)] for start, end in pairwise(edges)]


def without_loose_items(label: str, found: list[str]) -> list[str]:
    """Return what is wrong, without inventory items that Medusa itself left behind."""
    if not BETWEEN_ITS_STEPS.search(label):
        return found
    return [line for line in found if not line.startswith(("/levels: unexpected", "/loose: unexpected"))]


@pytest.mark.parametrize(*EVERY_SCENARIO, indirect=["shop_and_states"])
def test_a_process_killed_at_any_moment_leaves_nothing_that_the_next_runs_do_not_finish(
    scenario: str, shop_and_states: tuple[Shop, dict[str, Snapshot]]
) -> None:
    """The run's process after any request, or with it both servers after any step of a workflow."""
    shop, states = shop_and_states
    task, start = ALL_SCENARIOS[scenario][0], states[ALL_SCENARIOS[scenario][1]]
    wanted = undisturbed(shop, start, task)
    shop.put_back(start)
    with recorded(shop) as recording:
        runs = shop.run(task)
    assert all(run.success for run in runs), [run.reasons() for run in runs]
    assert unlike(wanted, state(shop)) == []
    wrong = {}
    for moment in sample(recording.moments, scenario):
        shop.put_back(moment.state)
        if found := without_loose_items(moment.label, still_wrong(shop, task, wanted, strays=STRAYS)):
            wrong[moment.label] = found
    print(f"{scenario}: {recording.requests} requests, {recording.steps} steps, {len(recording.moments)} states")
    fail_with(wrong)


@pytest.mark.parametrize(*WITH_MEDUSA, indirect=["shop_and_states"])
def test_a_medusa_killed_at_any_step_leaves_nothing_that_this_run_or_the_next_do_not_finish(
    scenario: str, shop_and_states: tuple[Shop, dict[str, Snapshot]]
) -> None:
    """Only Medusa ends, and is up again for the next request: the run meets what was left of its own request."""
    shop, states = shop_and_states
    task, start = ALL_SCENARIOS[scenario][0], states[ALL_SCENARIOS[scenario][1]]
    faults = shop.world.medusa.faults
    wanted = undisturbed(shop, start, task)
    steps = list(enumerate(faults.steps, start=1))
    assert steps
    wrong = {}
    for number, label in sample(steps, scenario):
        shop.put_back(start)
        kill = Fault("kill", steps=number, times=1)
        faults.add(kill)
        shop.run(task)
        faults.heal()
        found = without_loose_items(label, still_wrong(shop, task, wanted, strays=STRAYS))
        if found or not kill.fired:
            wrong[f"step {number}, {label}"] = found or ["was not reached"]
    print(f"{scenario}: {len(steps)} steps")
    fail_with(wrong)
