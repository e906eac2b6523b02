"""Each asset of a job in a process, folder and home of its own, which are gone when the next one begins.

The sales frames, the one thing that assets hand over by themselves, have tests of their own (test_frames.py).
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.deployment import addresses, private_postgres
from erp_medusa_pipelines.tasks import TASKS, Task
from erp_medusa_sandbox import server as sandbox
from tests.support.machines import Machines
from tests.support.products import external_ids

pytestmark = pytest.mark.slow

BATCH = "batch_0"
JOBS = [task for task in TASKS if task.name in ("export_items_and_images_custom", "fetch_clearance_items")]
COUNTS = ("written", "sent", "adopted", "updated")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sandbox.SandboxAddress]:
    """The sample shop, reached as a real one is."""
    found = sandbox.ensure_running(tmp_path / "sandbox")
    for name, value in {"USE_SANDBOX": "false", **addresses(found)}.items():
        monkeypatch.setenv(name, value)
    yield found
    sandbox.stop(tmp_path / "sandbox")


@pytest.fixture
def machines(tmp_path: Path, shop: sandbox.SandboxAddress, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    with private_postgres(tmp_path / "postgres") as database:
        yield Machines(tmp_path / "machines", database, monkeypatch)


@pytest.mark.timeout(600)
def test_no_asset_needs_the_disk_of_the_one_before(machines: Machines, shop: sandbox.SandboxAddress) -> None:
    def batch(task: Task) -> str:
        return BATCH if task.partitioned else ""

    for task in JOBS:
        for asset in task.assets:
            done = machines.materialize(asset, batch=batch(task))
            assert done.success, done.output
            assert done.left == [], asset
    products = external_ids(shop)
    assert len(products) == len(set(products)) > 50
    # Had one of them missed what another knew, the same work in one process would find something to do.
    for task in JOBS:
        assert machines.materialize(*task.assets, batch=batch(task)).success
        for asset in task.assets:
            again = machines.metadata(asset)
            assert not {name: again[name] for name in COUNTS if again.get(name)}, asset
