"""Names and descriptions in further languages, as a storefront in Arabic finds them. On any Medusa."""

from typing import Any

import pytest

from tests.suites.chosen import night, writes_nothing
from tests.suites.export import products
from tests.support.catalogue import Catalogue
from tests.support.runs import Runner
from tests.support.servers import MedusaServer
from tests.support.site import AnyErp

LOCALE = "ar-OM"
GLOVES = "<p>Sterile &amp; powder-free</p><ul><li>ISO 13485</li></ul>"
"""A description as an editor leaves it; ERPNext keeps the source of its Translation without tags."""


def shown(medusa: MedusaServer, name: str) -> dict[str, Any]:
    """Return the texts by locale that a customer's storefront gets of a Website Item's product."""
    query = {"id": products(medusa, [name])[name]["id"], "fields": "id,metadata"}
    answer = medusa.store("GET", "/store/products", params=query)
    assert answer.status_code == 200, answer.text
    (product,) = answer.json()["products"]
    return product["metadata"].get("translations") or {}


def translate(catalogue: Catalogue, source: str, text: str, **fields: Any) -> str:
    """Add a Translation into Arabic, as the desk does, and return its name."""
    values = {"language": "ar", "source_text": source, "translated_text": text, **fields}
    return catalogue.store.insert("Translation", name=f"{catalogue.tag}-{text}", **values)


@pytest.fixture
def arabic(shop_env: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A shop with Arabic besides its own language."""
    shop_env.setenv("LANGUAGES", f'{{"{LOCALE}": "ar"}}')
    return shop_env


class LanguagesSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    def test_without_the_setting_there_is_none_and_erpnext_is_not_asked(
        self, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer, runner: Runner
    ) -> None:
        title = f"Gloves {catalogue.tag}"
        translate(catalogue, title, "قفازات")
        name = catalogue.item(catalogue.group("Gloves"), web_item_name=title)
        erp.faults.forget_requests()
        night(runner)
        assert not [seen for seen in erp.faults.requests if "Translation" in seen.path]
        assert shown(medusa, name) == {}

    def test_a_storefront_in_arabic_finds_names_and_descriptions(
        self, arabic: pytest.MonkeyPatch, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer, runner: Runner
    ) -> None:
        title, short = f"Gloves {catalogue.tag}", f"Box of 100 {catalogue.tag}"
        of_title = translate(catalogue, title, "قفازات معقّمة")
        translate(catalogue, f"Sterile & powder-freeISO 13485{catalogue.tag}", "معقّمة\nISO 13485")
        translate(catalogue, title, "شيء آخر", context="Item")
        group = catalogue.group("Gloves")
        text = GLOVES.replace("</li>", f"{catalogue.tag}</li>")
        name = catalogue.item(group, web_item_name=title, short_description=short, web_long_description=text)
        without = catalogue.item(group, short_description="", web_long_description="")
        night(runner)
        assert shown(medusa, name) == {LOCALE: {"title": "قفازات معقّمة", "description": "معقّمة\nISO 13485"}}
        assert shown(medusa, without) == {}
        assert products(medusa, [name])[name]["title"] == title
        writes_nothing(runner, medusa, erp)
        # What staff of the ERP change is there the next morning.
        catalogue.store.set("Translation", of_title, translated_text="قفازات فحص")
        of_short = translate(catalogue, short, "علبة من ١٠٠")
        run = night(runner)
        assert run.metadata("medusa_product_updates")["updated"] == 1
        found = shown(medusa, name)[LOCALE]
        assert (found["title"], found["subtitle"]) == ("قفازات فحص", "علبة من ١٠٠")
        writes_nothing(runner, medusa, erp)
        for one in (of_title, of_short):
            catalogue.store.delete("Translation", one)
        night(runner)
        assert shown(medusa, name) == {LOCALE: {"description": "معقّمة\nISO 13485"}}
        writes_nothing(runner, medusa, erp)

    @pytest.mark.embedded_erp("a real site would need a field of its own")
    def test_a_field_of_the_website_item_goes_before_a_translation(
        self, arabic: pytest.MonkeyPatch, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer, runner: Runner
    ) -> None:
        arabic.setenv("LANGUAGE_FIELDS", '{"title": "custom_web_item_name_{language}"}')
        title, group = f"Gloves {catalogue.tag}", catalogue.group("Gloves")
        translate(catalogue, title, "قفازات")
        own = catalogue.item(group, web_item_name=title, custom_web_item_name_ar=" قفازات\nنتريل ")
        other = catalogue.item(group, web_item_name=title)
        night(runner)
        assert shown(medusa, own)[LOCALE]["title"] == "قفازات نتريل"
        assert shown(medusa, other)[LOCALE]["title"] == "قفازات"
        writes_nothing(runner, medusa, erp)
