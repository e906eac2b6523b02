"""Medusa's own translations, over a real socket: what is read once for the runs of a tick, and what a race leaves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from erp_medusa_pipelines.clients.http import HttpClient
from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.clients.medusa_translations import MedusaTranslations, normal_locale
from erp_medusa_pipelines.clients.reading import Reading
from tests.support.servers import MedusaServer, embedded_medusa

LOCALE = "ar-OM"


@pytest.fixture
def server() -> Iterator[MedusaServer]:
    with embedded_medusa(translations=True) as server:
        yield server


@pytest.fixture
def medusa(server: MedusaServer) -> Iterator[MedusaClient]:
    http = HttpClient("Medusa", server.url, {"Authorization": f"Basic {server.api_key}"})
    yield MedusaClient(http)
    http.close()


def row(identifier: str, title: str) -> dict[str, object]:
    texts = {"title": title}
    return {"reference": "product", "reference_id": identifier, "locale_code": LOCALE, "translations": texts}


def titles(found: dict[tuple[str, str], dict[str, object]]) -> dict[str, object]:
    return {identifier: one["translations"] for (identifier, _), one in found.items()}


def test_the_runs_of_a_tick_read_all_translations_once_and_what_one_wrote_is_doubtful(
    server: MedusaServer, medusa: MedusaClient, tmp_path: Path
) -> None:
    module = MedusaTranslations.where_on(medusa)
    assert module is not None
    module.write([row(f"prod_{number}", str(number)) for number in range(5)])
    medusa.reading = Reading(tmp_path, 1, shared=True)
    server.faults.forget_requests()
    assert titles(module.seen_of(["prod_1"])) == {"prod_1": {"title": "1"}}
    assert set(titles(module.seen_of(["prod_2", "prod_3"]))) == {"prod_2", "prod_3"}
    assert len(server.faults.requests) == 1
    module.write([{**row("prod_1", "one"), "id": module.of(["prod_1"])["prod_1", LOCALE]["id"]}])
    assert titles(module.seen_of(["prod_1", "prod_2"])) == {"prod_2": {"title": "2"}}
    assert titles(module.of(["prod_1"])) == {"prod_1": {"title": "one"}}
    medusa.reading.close()


def test_what_somebody_else_made_meanwhile_is_updated_and_the_same_again_is_no_second_row(
    server: MedusaServer, medusa: MedusaClient
) -> None:
    module = MedusaTranslations.where_on(medusa)
    assert module is not None
    server.admin("POST", "/admin/translations/batch", json={"create": [row("prod_1", "theirs")]})
    for _ in range(2):
        module.write([row("prod_1", "ours"), row("prod_2", "new")])
    assert titles(module.of(["prod_1", "prod_2"])) == {"prod_1": {"title": "ours"}, "prod_2": {"title": "new"}}


def test_each_asset_of_a_run_writes_through_its_own_client(server: MedusaServer) -> None:
    """What a run keeps is what it learnt: the first asset's client, with its history and its counts, has ended."""
    facts: dict[str, object] = {}
    headers = {"Authorization": f"Basic {server.api_key}"}
    first, second = (HttpClient("Medusa", server.url, headers, facts=facts) for _ in range(2))
    assert MedusaTranslations.where_on(MedusaClient(first)) is not None
    first.close()
    server.faults.forget_requests()
    module = MedusaTranslations.where_on(MedusaClient(second))
    assert module is not None
    assert server.faults.requests == [], "whether the module is on was asked before"
    module.write([row("prod_1", "one")])
    assert (first.counts["requests"], second.counts["requests"]) == (1, 1)
    second.close()


def test_without_the_module_there_is_none() -> None:
    with embedded_medusa() as server:
        http = HttpClient("Medusa", server.url, {"Authorization": f"Basic {server.api_key}"})
        assert MedusaTranslations.where_on(MedusaClient(http)) is None
        http.close()


@pytest.mark.parametrize(
    ("given", "kept"),
    [("ar_om", "ar-OM"), ("AR", "ar"), ("zh-hans", "zh-Hans"), ("ru-cyrl-by", "ru-Cyrl-BY"), ("en-US", "en-US")],
)
def test_locales_are_written_as_medusa_keeps_them(given: str, kept: str) -> None:
    assert normal_locale(given) == kept
