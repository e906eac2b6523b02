"""The resource through which assets reach the shop."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from erp_medusa_pipelines.connections import Shop, open_shop
from erp_medusa_pipelines.settings import load_settings


class ShopConnection(dg.ConfigurableResource):
    """Opens the shop that the environment names. Holds no secret itself; nothing connects before `open`."""

    @contextmanager
    def open(self) -> Iterator[Shop]:
        """Both clients, closed at the end. Raises SettingsError."""
        with open_shop(load_settings()) as shop:
            yield shop
