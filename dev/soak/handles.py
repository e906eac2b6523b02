"""Open files of the long-lived processes over a soak: a leak shows as a number that only grows."""

from dataclasses import dataclass, field

import psutil

from dev.deployment import Deployment


@dataclass
class Handles:
    """Numbers by name and process id; a process that was started again begins anew."""

    seen: dict[tuple[str, int], list[int]] = field(default_factory=dict)

    def look(self, deployment: Deployment) -> None:
        """Note how many each process holds open now."""
        for name, process in list(deployment.processes.items()):
            try:
                self.seen.setdefault((name, process.pid), []).append(psutil.Process(process.pid).num_fds())
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue

    def lines(self) -> list[str]:
        """One line per process that was seen more than once."""
        return [
            f"  {name:10} {counts[0]:4} at first, {max(counts):4} at most, {counts[-1]:4} at last, {len(counts)} looks"
            for (name, _), counts in self.seen.items()
            if len(counts) > 1
        ]
