"""Half-made products, against a real Medusa: the parts are deleted in its database.

For a Medusa that MEDUSA_URL names, MEDUSA_DATABASE_URL has to name its PostgreSQL.
"""

import json
import os

import pytest

from tests.live.conftest import DATABASE, SCRIPT, MedusaServer
from tests.suites.halfmade import HalfMadeSuite, selling
from tests.support.damage import Damage, DatabaseDamage

__all__ = ["TestHalfMade", "selling"]


@pytest.fixture
def damage(medusa_server: MedusaServer) -> Damage:
    if url := os.environ.get(DATABASE):
        return DatabaseDamage(url)
    state_file = SCRIPT.parents[1] / ".medusa" / "state.json"
    state = json.loads(state_file.read_text()) if state_file.exists() else {}
    if medusa_server.url.endswith(f":{state.get('port')}"):
        secret, port = state["database_password"], state["database_port"]
        return DatabaseDamage(f"postgres://postgres:{secret}@127.0.0.1:{port}/medusa")
    pytest.fail(
        "MEDUSA_URL names a Medusa to test against; set MEDUSA_DATABASE_URL, its PostgreSQL, too", pytrace=False
    )


class TestHalfMade(HalfMadeSuite):
    pass
