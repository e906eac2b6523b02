"""Fixtures that every suite shares. Which Medusa `medusa` is, tests/sandbox and tests/live say themselves."""

import logging
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from dagster._core.storage.defs_state.base import set_defs_state_storage
from hypothesis import settings
from sqlalchemy import Engine, event

from tests.support.migrations import read_migrations_once
from tests.support.runs import Runner
from tests.support.servers import ErpServer, MedusaServer, embedded_erpnext

# A machine that is busy is no failure of the code: time is measured in bench/.
settings.register_profile("without_deadline", deadline=None)
settings.load_profile("without_deadline")

read_migrations_once()


@event.listens_for(Engine, "connect")
def without_waiting_for_the_disk(connection: Any, _record: Any) -> None:
    """Instances of tests outlive their processes, not the machine: a seventh of a run is waiting for SQLite's fsync."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Restore logging after each test: a command configures its process's log, and here other tests follow."""
    loggers = [logging.getLogger(name) for name in (None, "urllib3", "erp_medusa_pipelines.clients")]
    levels = [(logger, logger.level) for logger in loggers]
    yield
    for logger, level in levels:
        logger.setLevel(level)
        for handler in [one for one in logger.handlers if type(one) is logging.StreamHandler]:
            logger.removeHandler(handler)


@pytest.fixture(autouse=True)
def no_instance_of_another_test() -> Iterator[None]:
    """Reset Dagster's context variable of the last opened instance, which it reads when definitions are loaded.

    Instances that are closed in another order than they were opened leave a closed one there.
    """
    with set_defs_state_storage(None):
        yield


@pytest.fixture
def erp() -> Iterator[ErpServer]:
    """A fresh embedded ERPNext without the project's Server Script, as benches are by default."""
    with embedded_erpnext() as server:
        yield server


@pytest.fixture
def shop_env(erp: ErpServer, medusa: MedusaServer, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment names both servers; retries do not sleep long. Returns monkeypatch for more settings."""
    monkeypatch.setenv("ERPNEXT_URL", erp.url)
    monkeypatch.setenv("ERPNEXT_API_KEY", erp.key)
    monkeypatch.setenv("ERPNEXT_API_SECRET", erp.secret)
    monkeypatch.setenv("MEDUSA_URL", medusa.url)
    monkeypatch.setenv("MEDUSA_API_KEY", medusa.api_key)
    monkeypatch.setenv("MEDUSA_SALES_CHANNEL_ID", medusa.sales_channel_id)
    monkeypatch.setenv("MEDUSA_STOCK_LOCATION_ID", medusa.stock_location_id)
    if medusa.is_real and medusa.admin_email:
        # Checking the key anew for each request would be most of a live test's time.
        monkeypatch.setenv("MEDUSA_ADMIN_EMAIL", medusa.admin_email)
        monkeypatch.setenv("MEDUSA_ADMIN_PASSWORD", medusa.admin_password)
    monkeypatch.setenv("EXPORT_BATCHES", "1")
    monkeypatch.setattr("erp_medusa_pipelines.clients.http.DEFAULT_SLEEP", lambda _seconds: None)
    return monkeypatch


@pytest.fixture
def runner(shop_env: pytest.MonkeyPatch) -> Runner:
    """Runs jobs against the servers of `shop_env`."""
    return Runner()
