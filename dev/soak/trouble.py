"""Carries a plan out on a running installation.

Faults and kills, with what a supervisor does after a kill: it starts the process again.
"""

import random
import sched
import time
from collections.abc import Callable, Iterable

import psutil

from dev.deployment import Deployment
from dev.soak.plan import Trouble


class Troublemaker:
    """One installation, and the chance that decides which of several runs is killed."""

    def __init__(self, deployment: Deployment, seed: int, say: Callable[[str], None]) -> None:
        self._deployment = deployment
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._say = say
        self.killed_runs = 0

    def carry_out(self, troubles: Iterable[Trouble], every_minute: Callable[[], None], seconds: float) -> None:
        """All of it, each at its time, and a call each minute; returns after so many seconds."""
        agenda = sched.scheduler(time.monotonic, time.sleep)
        for minute in range(int(seconds // 60)):
            agenda.enter(minute * 60, 1, every_minute)
        for trouble in troubles:
            agenda.enter(trouble.at, 2, self._begin, (trouble,))
            agenda.enter(trouble.at + trouble.seconds, 3, self._end, (trouble,))
        agenda.enter(seconds, 4, lambda: None)
        agenda.run()

    def _begin(self, trouble: Trouble) -> None:
        self._say(str(trouble))
        deployment = self._deployment
        if trouble.server:
            break_it = deployment.break_medusa if trouble.server == "medusa" else deployment.break_erpnext
            break_it(**trouble.fault)
        elif trouble.process == "everything":
            deployment.kill_everything()
        elif trouble.process == "run":
            self._kill_a_run()
        elif trouble.process and trouble.process in deployment.processes:
            deployment.kill(trouble.process)

    def _end(self, trouble: Trouble) -> None:
        """Servers are healed as a whole: where two faults overlap, the first to end ends both."""
        if trouble.server:
            self._deployment.heal()
            return
        for name in [name for name in self._deployment.commands if name not in self._deployment.processes]:
            self._deployment.start_again(name)

    def _kill_a_run(self) -> None:
        running = self._deployment.run_processes()
        if running:
            victim = self._chance.choice(running)
            try:
                victim.kill()
                self.killed_runs += 1
            except psutil.NoSuchProcess:
                self._say("        that run had just ended")
        else:
            self._say("        no run is at work")
