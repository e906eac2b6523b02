"""A plan of texts in further languages: in Medusa's own translations, before they are written."""

import json
from collections.abc import Iterator

import pytest

from erp_medusa_pipelines.definitions import build_defs
from erp_medusa_pipelines.orchestration.runs.side_runs import Plan, Scope, plan_task
from erp_medusa_pipelines.settings import load_settings
from erp_medusa_pipelines.tasks import EXPORT
from tests.suites.export import catalogue
from tests.suites.languages import LOCALE, arabic, shown, store_product, translate
from tests.support.catalogue import Catalogue
from tests.support.plans import unlike
from tests.support.runs import Runner
from tests.support.servers import MedusaServer, embedded_medusa
from tests.support.writes import medusa_writes

__all__ = ["arabic", "catalogue"]


@pytest.fixture(params=[True], ids=["module"])
def medusa(request: pytest.FixtureRequest) -> Iterator[MedusaServer]:
    with embedded_medusa(translations=request.param) as server:
        yield server


def planned(runner: Runner) -> Plan:
    """Plan the export."""
    settings = load_settings()
    return plan_task(build_defs(settings), settings, EXPORT, Scope(), instance=runner.instance)


@pytest.mark.long
def test_a_plan_shows_texts_with_those_before_and_the_run_writes_just_these(
    arabic: pytest.MonkeyPatch, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
) -> None:
    title, group = f"Gloves {catalogue.tag}", catalogue.group("Hands")
    of_title = translate(catalogue, title, "قفازات")
    name = catalogue.item(group, web_item_name=title)
    assert runner.job(EXPORT.name, "batch_0").success
    catalogue.store.set("Translation", of_title, translated_text="قفازات فحص")
    translate(catalogue, group, "مجموعة")
    new = catalogue.item(group, web_item_name=title)
    medusa.faults.forget_requests()
    made = planned(runner)
    assert not made.problems
    assert medusa_writes(medusa) == []
    noted = {
        (row.action, row.document, row.field): (row.old, row.new) for row in made.rows if row.kind == "translation"
    }
    assert noted["update", name, f"title ({LOCALE})"] == ("قفازات", "قفازات فحص")
    assert noted["create", new, f"title ({LOCALE})"] == ("", "قفازات فحص")
    assert noted["create", group, f"title ({LOCALE})"] == ("", "مجموعة")
    run = runner.job(EXPORT.name, "batch_0")
    assert run.success
    assert store_product(medusa, new, locale=LOCALE)["title"] == "قفازات فحص"
    assert unlike(made, run) == []


@pytest.mark.long
@pytest.mark.parametrize("medusa", [True, False], ids=["module", "metadata"], indirect=True)
def test_further_languages_are_seen_before_they_are_switched_on(
    catalogue: Catalogue, medusa: MedusaServer, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("CATEGORIES", "website")
    title, group = f"Gloves {catalogue.tag}", catalogue.group("Hands", show_in_website=1)
    translate(catalogue, title, "قفازات")
    translate(catalogue, group, "مجموعة")
    name = catalogue.item(group, web_item_name=title)
    catalogue.item(group)
    assert runner.job(EXPORT.name, "batch_0").success
    medusa.faults.forget_requests()
    shop_env.setenv("LANGUAGES", json.dumps({LOCALE: "ar"}))
    made = planned(runner)
    assert not made.problems
    assert medusa_writes(medusa) == []
    said = {(row.document, text) for row in made.rows for text in ("قفازات", "مجموعة") if text in str(row.new)}
    assert said == {(name, "قفازات"), (group, "مجموعة")}
    run = runner.job(EXPORT.name, "batch_0")
    assert run.success
    assert unlike(made, run) == []
    assert shown(medusa, name) == {LOCALE: {"title": "قفازات"}}
    assert planned(runner).rows == []
