"""The embedded Medusa answers as a real Medusa 2.21 did: its request and response pairs, replayed over a socket.

`contract/medusa/*.json` hold one request and the real answer each. They are replayed in the order of
`medusa_scenario.py`, so that each meets the state that it needs; `medusa_steps.py` makes what no pair makes.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from erp_medusa_sandbox.faults import FaultInjector
from erp_medusa_sandbox.medusa.app import create_app
from erp_medusa_sandbox.medusa.store import MedusaStore
from erp_medusa_sandbox.server import running
from tests.sandbox.servers.medusa_replay import KEY, PAIRS, Replay
from tests.sandbox.servers.medusa_scenario import SCENARIO

REPLAYED = [step for step in SCENARIO if isinstance(step, str)]


@pytest.fixture(scope="module")
def replay() -> Iterator[Replay]:
    store = MedusaStore()
    injector = FaultInjector(create_app(store, api_key=KEY), name="medusa")
    with running(injector) as url:
        replay = Replay(url, store, injector)
        for step in SCENARIO:
            if isinstance(step, str):
                replay.pair(step)
            else:
                step(replay)
        yield replay


@pytest.mark.parametrize("name", REPLAYED)
@pytest.mark.long
def test_answers_as_the_real_medusa_did(replay: Replay, name: str) -> None:
    assert replay.differences[name] == []


def test_every_kept_pair_is_replayed() -> None:
    assert sorted(REPLAYED) == sorted(PAIRS)
