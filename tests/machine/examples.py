"""How many examples of a state machine are run, and which: MACHINE_EXAMPLES, MACHINE_STEPS, MACHINE_SEED."""

import os

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

NIGHTS_TO_SETTLE = 4
_EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "0"))
_RANDOMLY = "MACHINE_EXAMPLES" in os.environ and "MACHINE_SEED" not in os.environ
_PHASES = (Phase.explicit, Phase.generate, *((Phase.shrink,) if os.environ.get("MACHINE_SHRINK") else ()))


def run_examples(machine: type[RuleBasedStateMachine], number: int, of: int) -> None:
    """Run the examples of one of so many seeds: each is a test of its own, so that they share the cores.

    The first example of each is Hypothesis' simplest, a shop where nothing happens.
    """
    chosen = machine if _RANDOMLY else seed(int(os.environ.get("MACHINE_SEED", "0")) + number)(machine)
    run_state_machine_as_test(
        chosen,
        settings=settings(
            max_examples=max(2, _EXAMPLES // of),
            stateful_step_count=int(os.environ.get("MACHINE_STEPS", "25")),
            deadline=None,
            database=None,
            phases=_PHASES,
            suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much),
            print_blob=True,
        ),
    )
