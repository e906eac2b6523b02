"""Names and descriptions in further languages, as a storefront in Arabic finds them. On any Medusa."""

from typing import Any

import pytest

from erp_medusa_sandbox.faults import Fault
from tests.suites import variants
from tests.suites.chosen import night, writes_nothing
from tests.suites.export import EXPORT, products
from tests.support.catalogue import Catalogue
from tests.support.runs import JobRun, Runner
from tests.support.servers import MedusaServer
from tests.support.site import AnyErp

LOCALE = "ar-OM"
GLOVES = "<p>Sterile &amp; powder-free</p><ul><li>ISO 13485</li></ul>"
"""A description as an editor leaves it; ERPNext keeps the source of its Translation without tags."""


TEXTS = ("title", "subtitle", "description")


def translates(medusa: MedusaServer) -> bool:
    """Return whether Medusa's Translation module is on."""
    return medusa.store("GET", "/store/locales").status_code == 200


def store_product(medusa: MedusaServer, name: str, **query: str) -> dict[str, Any]:
    """Return a Website Item's product as a customer's storefront gets it."""
    asked = {"id": products(medusa, [name])[name]["id"], "fields": f"id,metadata,{','.join(TEXTS)}", **query}
    answer = medusa.store("GET", "/store/products", params=asked)
    assert answer.status_code == 200, answer.text
    (product,) = answer.json()["products"]
    return product


def shown(medusa: MedusaServer, name: str) -> dict[str, Any]:
    """Return the texts by locale that a customer's storefront gets besides the product's own."""
    own = store_product(medusa, name)
    noted = own["metadata"].get("translations") or {}
    if not translates(medusa):
        return noted
    arabic = store_product(medusa, name, locale=LOCALE)
    texts = {field: arabic[field] for field in TEXTS if arabic[field] != own[field]}
    assert noted == ({LOCALE: sorted(texts)} if texts else {})
    return {LOCALE: texts} if texts else {}


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

    def test_categories_collections_and_options_are_named_in_arabic(
        self, arabic: pytest.MonkeyPatch, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer, runner: Runner
    ) -> None:
        arabic.setenv("CATEGORIES", "website")
        arabic.setenv("VARIANTS", "options")
        shop = variants.Shop(catalogue, erp, medusa, runner)
        group, about = shop.group, f"All gloves {catalogue.tag}"
        catalogue.store.set("Item Group", group, show_in_website=1, description=about)
        shop.variant("S", "Red")
        shop.variant("M", "Blue")
        of_group = translate(catalogue, group, "قفازات")
        of_small = translate(catalogue, "S", "صغير")
        for source, text in ((about, "كل القفازات"), (shop.size, "المقاس"), ("Red", "أحمر")):
            translate(catalogue, source, text)
        categorised(runner)
        assert in_arabic(medusa, "product-categories", group) == {"name": "قفازات", "description": "كل القفازات"}
        assert in_arabic(medusa, "collections", group) == {"title": "قفازات"}
        assert options_in_arabic(medusa, shop.template) == {
            "المقاس": {"صغير", "M"},
            shop.colour: {"أحمر", "Blue"},
        }
        writes_nothing(runner, medusa, erp, categorised)
        catalogue.store.set("Translation", of_group, translated_text="قفازات فحص")
        catalogue.store.delete("Translation", of_small)
        categorised(runner)
        assert in_arabic(medusa, "product-categories", group)["name"] == "قفازات فحص"
        assert in_arabic(medusa, "collections", group)["title"] == "قفازات فحص"
        assert options_in_arabic(medusa, shop.template)["المقاس"] == {"S", "M"}
        # What is renamed has another text, of which there is no Translation: the old one must not stay.
        width = shop.attribute("Width", "S", "M")
        codes = [catalogue.row(name)["item_code"] for name in (shop.template, *shop.names.values())]
        for row in (row for code in codes for row in shop.rows(code) if row["attribute"] == shop.size):
            catalogue.store.force("Item Variant Attribute", row["name"], attribute=width)
        catalogue.store.delete("Translation", of_group)
        categorised(runner)
        assert options_in_arabic(medusa, shop.template) == {width: {"S", "M"}, shop.colour: {"أحمر", "Blue"}}
        assert in_arabic(medusa, "product-categories", group) == {"name": group, "description": "كل القفازات"}
        assert in_arabic(medusa, "collections", group) == {"title": group}
        writes_nothing(runner, medusa, erp, categorised)


def categorised(runner: Runner) -> JobRun:
    # Categories of groups that other tests have left in this Medusa may go.
    meant = {"ops": {"medusa_categories": {"config": {"allow_hiding": True}}}}
    run = runner.assets(["medusa_collections", "medusa_categories", *EXPORT[1:]], "batch_0", run_config=meant)
    assert run.success, run.reasons()
    return run


def in_arabic(medusa: MedusaServer, route: str, group: str) -> dict[str, str]:
    """Return what a storefront in Arabic shows of an Item Group's category or collection."""
    names = ("name", "description") if route == "product-categories" else ("title",)
    plural = route.replace("-", "_")
    query = {"external_id": group, "fields": f"id,external_id,metadata,{','.join(names)}"}
    if translates(medusa):
        query["locale"] = LOCALE
    answer = medusa.store("GET", f"/store/{route}", params=query)
    assert answer.status_code == 200, answer.text
    (found,) = [one for one in answer.json()[plural] if one["external_id"] == group]
    noted = {} if translates(medusa) else (found["metadata"].get("translations") or {}).get(LOCALE, {})
    return {name: noted.get(name, found[name]) for name in names}


def options_in_arabic(medusa: MedusaServer, name: str) -> dict[str, set[str]]:
    """Return the options of a product, and their values, as a storefront in Arabic shows them."""
    query = {"external_id": name, "fields": "id,metadata,*options,*options.values"}
    if translates(medusa):
        query["locale"] = LOCALE
    (product,) = medusa.store("GET", "/store/products", params=query).json()["products"]
    texts = {} if translates(medusa) else product["metadata"]["translations"][LOCALE]["options"]
    found: dict[str, set[str]] = {}
    for option in product["options"]:
        own = texts.get(option["title"], {})
        values = {own.get("values", {}).get(one["value"], one["value"]) for one in option["values"]}
        found[own.get("title", option["title"])] = values
    return found


def rows(medusa: MedusaServer, identifier: str) -> dict[str, dict[str, Any]]:
    """Return Medusa's translations of a document by locale."""
    found = medusa.admin("GET", "/admin/translations", params={"reference_id": identifier})["translations"]
    return {row["locale_code"]: row for row in found}


def staff_write(medusa: MedusaServer, **rows: Any) -> None:
    medusa.admin("POST", "/admin/translations/batch", json=rows)


class TranslationModuleSuite(LanguagesSuite):
    """The same, and what is particular, on a Medusa whose Translation module is on."""

    def test_texts_that_others_translated_stay(
        self, arabic: pytest.MonkeyPatch, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer, runner: Runner
    ) -> None:
        title = f"Gloves {catalogue.tag}"
        of_title = translate(catalogue, title, "قفازات")
        name = catalogue.item(catalogue.group("Gloves"), web_item_name=title)
        night(runner)
        product = products(medusa, [name])[name]["id"]
        texts = {"material": "نتريل", "subtitle": "علبة"}
        staff_write(medusa, update=[{"id": rows(medusa, product)[LOCALE]["id"], "translations": texts}])
        french = {"reference": "product", "reference_id": product, "locale_code": "fr-FR"}
        staff_write(medusa, create=[{**french, "translations": {"title": "Gants"}}])
        writes_nothing(runner, medusa, erp)
        catalogue.store.delete("Translation", of_title)
        night(runner)
        arabic_row = rows(medusa, product)[LOCALE]["translations"]
        assert {field: text for field, text in arabic_row.items() if text} == texts
        assert store_product(medusa, name, locale=LOCALE)["title"] == title
        assert store_product(medusa, name, locale="fr-FR")["title"] == "Gants"
        writes_nothing(runner, medusa, erp)

    def test_what_staff_changed_of_ours_is_corrected_unless_the_policy_keeps_it(
        self, arabic: pytest.MonkeyPatch, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        title = f"Gloves {catalogue.tag}"
        of_title = translate(catalogue, title, "قفازات")
        arabic.setenv("FIELD_POLICIES", '{"translations": "until_erp_changes"}')
        name = catalogue.item(catalogue.group("Gloves"), web_item_name=title)
        night(runner)
        assert store_product(medusa, name, locale=LOCALE)["title"] == "قفازات"
        row = rows(medusa, products(medusa, [name])[name]["id"])[LOCALE]
        staff_write(medusa, update=[{"id": row["id"], "translations": {"title": "قفازات جميلة"}}])
        night(runner)
        assert store_product(medusa, name, locale=LOCALE)["title"] == "قفازات جميلة"
        catalogue.store.set("Translation", of_title, translated_text="قفازات فحص")
        night(runner)
        assert store_product(medusa, name, locale=LOCALE)["title"] == "قفازات فحص"
        staff_write(medusa, update=[{"id": row["id"], "translations": {"title": "قفازات جميلة"}}])
        arabic.delenv("FIELD_POLICIES")
        night(runner)
        assert store_product(medusa, name, locale=LOCALE)["title"] == "قفازات فحص"

    @pytest.mark.embedded_erp("a real site would need a field of its own")
    def test_a_text_that_erpnext_has_in_arabic_alone_is_shown_in_arabic(
        self, arabic: pytest.MonkeyPatch, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer, runner: Runner
    ) -> None:
        """Medusa shows a translation only in place of a text: where the product had none, it showed nothing."""
        arabic.setenv("LANGUAGE_FIELDS", '{"description": "custom_web_item_name_{language}"}')
        blank: dict[str, Any] = {"short_description": "", "web_long_description": ""}
        name = catalogue.item(catalogue.group("Gloves"), custom_web_item_name_ar="معقّمة", **blank)
        night(runner)
        assert not store_product(medusa, name)["description"]
        assert store_product(medusa, name, locale=LOCALE)["description"] == "معقّمة"
        writes_nothing(runner, medusa, erp)
        assert not store_product(medusa, name, locale=LOCALE)["subtitle"]

    def test_texts_in_the_metadata_move_over_when_the_module_is_switched_on(
        self, arabic: pytest.MonkeyPatch, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer, runner: Runner
    ) -> None:
        title, short = f"Gloves {catalogue.tag}", f"Box {catalogue.tag}"
        translate(catalogue, title, "قفازات")
        name = catalogue.item(catalogue.group("Gloves"), web_item_name=title, short_description=short)
        night(runner)
        product = products(medusa, [name])[name]["id"]
        # As a night without the module left it, when ERPNext had a text more.
        staff_write(medusa, delete=[row["id"] for row in rows(medusa, product).values()])
        old = {LOCALE: {"title": "قفازات", "subtitle": "علبة"}}
        medusa.admin("POST", f"/admin/products/{product}", json={"metadata": {"translations": old}})
        night(runner)
        assert shown(medusa, name) == {LOCALE: {"title": "قفازات"}}
        writes_nothing(runner, medusa, erp)

    def test_many_texts_go_in_few_requests_and_none_is_lost_in_an_outage(
        self, arabic: pytest.MonkeyPatch, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer, runner: Runner
    ) -> None:
        group, titles = catalogue.group("Gloves"), [f"Gloves {number} {catalogue.tag}" for number in range(30)]
        names = [catalogue.item(group, web_item_name=title) for title in titles]
        for number, title in enumerate(titles):
            translate(catalogue, title, f"قفازات {number} {catalogue.tag}")
        medusa.faults.add(Fault("status", path="/admin/translations/batch"))
        assert not runner.assets(EXPORT, "batch_0").success
        medusa.faults.heal()
        medusa.faults.forget_requests()
        night(runner)
        asked = [seen for seen in medusa.faults.requests if "/admin/translations" in seen.path]
        assert [seen.path for seen in asked if seen.method == "POST"] == ["/admin/translations/batch"]
        # Is it on, what the collections have, what the products have, seen and right before it is written.
        assert len(asked) <= 6, asked
        for number, name in enumerate(names):
            assert store_product(medusa, name, locale=LOCALE)["title"] == f"قفازات {number} {catalogue.tag}"
        writes_nothing(runner, medusa, erp)
