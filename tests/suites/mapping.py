"""The shop's own mapping, over whole nights, as a customer then sees it. On any Medusa."""

from pathlib import Path
from typing import Any

import pytest

import erp_medusa_pipelines.sync.catalogue.mapping as package
from erp_medusa_sandbox.faults import Fault
from tests.suites.edits import differences, edit
from tests.suites.export import EXPORT, products
from tests.support.catalogue import Catalogue
from tests.support.runs import JobRun, Runner
from tests.support.servers import MedusaServer
from tests.support.site import AnyErp
from tests.support.writes import erp_writes, medusa_writes

FOLDER = Path(package.__file__).parent
SEEN = (
    "id,title,subtitle,description,handle,weight,length,hs_code,origin_country,metadata,*type,*tags,"
    "variants.id,variants.sku,variants.barcode,variants.weight,variants.hs_code"
)
REFUSED = {"type": "invalid_data", "message": "No such tag here."}
TITLE = "title: {from: web_item_name, transforms: [name]}"


class MappedShop:
    """A shop with a mapping file. `write` gives it rows, one a line; the title comes by itself."""

    def __init__(
        self,
        catalogue: Catalogue,
        medusa: MedusaServer,
        erp: AnyErp,
        runner: Runner,
        env: pytest.MonkeyPatch,
        folder: Path,
    ) -> None:
        self.catalogue, self.medusa, self.erp, self.runner = catalogue, medusa, erp, runner
        self.file = folder / "catalogue.yaml"
        self._env = env
        self.group = catalogue.group("Files")
        for unit in ("Gram", "Kg"):
            if catalogue.store.get("UOM", unit) is None:
                catalogue.store.insert("UOM", name=unit, uom_name=unit)

    def write(self, *rows: str, more: str = "") -> None:
        lines = (TITLE, *rows)
        self.use(f"{more}fields:\n" + "".join(f"  {line}\n" for line in lines))

    def use(self, text: str) -> None:
        self.file.write_text(text, encoding="utf-8")
        self._env.setenv("MAPPING", str(self.file))

    def night(self, **options: Any) -> JobRun:
        run = self.runner.assets(EXPORT, "batch_0", **options)
        assert run.success, run.reasons()
        return run

    def second_night_writes_nothing(self) -> JobRun:
        self.medusa.faults.forget_requests()
        self.erp.faults.forget_requests()
        run = self.night()
        assert medusa_writes(self.medusa) == []
        assert erp_writes(self.erp) == []
        return run

    def seen(self, name: str) -> dict[str, Any]:
        """Return the product as a customer sees it."""
        product_id = products(self.medusa, [name])[name]["id"]
        answer = self.medusa.store("GET", f"/store/products/{product_id}", params={"fields": SEEN})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["product"]
        return found

    def page(self, route: str, **tags: str) -> None:
        """What staff write for search engines of a page."""
        rows = [{"key": key, "value": value} for key, value in tags.items()]
        self.catalogue.store.insert("Website Route Meta", name=route, meta_tags=rows)

    def value(self, text: str) -> str:
        """Return a value that no other test has: types and tags are the whole Medusa's."""
        return f"{text} {self.catalogue.tag}"


@pytest.fixture
def shop(
    catalogue: Catalogue,
    medusa: MedusaServer,
    erp: AnyErp,
    runner: Runner,
    shop_env: pytest.MonkeyPatch,
    tmp_path: Path,
) -> MappedShop:
    return MappedShop(catalogue, medusa, erp, runner, shop_env, tmp_path)


class MappingSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    def test_a_customer_sees_what_the_mapping_says_and_a_second_night_writes_nothing(self, shop: MappedShop) -> None:
        route = f"shop/files/k-file-{shop.catalogue.tag}"
        item = {"weight_per_unit": 0.25, "weight_uom": "Kg"}
        name = shop.catalogue.item(shop.group, item=item, brand="3M", route=route, web_item_name="K-File &amp; more")
        plain = shop.catalogue.item(shop.group, short_description="")
        shop.write(
            "subtitle: {template: '{{ brand }} – {{ item.item_code }}'}",
            "description: {from: web_long_description, transforms: [safe_html]}",
            "handle: {template: \"{{ (route or '').split('/') | last }}\"}",
            "weight: {from: item.weight_per_unit, transforms: [{unit: g, of: item.weight_uom}]}",
            "variant.weight: {from: item.weight_per_unit, transforms: [{unit: g, of: item.weight_uom}]}",
            "origin_country: {from: item.country_of_origin, transforms: [country_code]}",
            "type: {from: item_group}",
            "tags: {from: [brand], transforms: [{lookup: makers, else: null}]}",
            "metadata.label: {from: [web_item_name, brand], transforms: [{join: ' | '}, name]}",
            "metadata.short: {from: [short_description, brand, item_code], transforms: [first_of]}",
            more=f"lookups:\n  makers: {{3m: {shop.value('Three M')}}}\n",
        )
        shop.night()
        seen = shop.seen(name)
        assert seen["title"] == "K-File & more"
        assert seen["subtitle"] == f"3M – {shop.catalogue.row(name)['item_code']}"
        assert seen["description"].startswith("<p>Syringe &amp; accessories")
        assert "ql-editor" not in seen["description"]
        assert (seen["handle"], seen["weight"], seen["variants"][0]["weight"]) == (route.split("/")[-1], 250, 250)
        assert seen["origin_country"] == "om"
        assert seen["type"]["value"] == shop.group
        assert [tag["value"] for tag in seen["tags"]] == [shop.value("Three M")]
        assert seen["metadata"]["label"] == "K-File & more | 3M"
        assert seen["metadata"]["short"] == "Short 0"
        assert "brand" not in seen["metadata"], "the mapping has no such row"
        other = shop.seen(plain)
        assert (other["weight"], other["tags"], other["type"]["value"]) == (None, [], shop.group)
        assert other["metadata"]["short"] == shop.catalogue.row(plain)["item_code"]
        shop.second_night_writes_nothing()

    def test_fields_that_staff_added_and_links_are_seen_as_they_are_saved(self, shop: MappedShop) -> None:
        store, tag = shop.catalogue.store, shop.catalogue.tag
        store.add_field("Item", "custom_line", "Data")
        store.add_field("Item", "custom_length_cm", "Float")
        store.add_field("Website Item", "custom_sterile", "Check")
        store.add_field("Website Item", "custom_care", "Small Text")
        tariff, other = (
            store.insert("Customs Tariff Number", name=number, tariff_number=number)
            for number in (f"9018.49 {tag}", f"3006.40 {tag}")
        )
        brand = store.insert("Brand", name=f"Acme {tag}", brand=f"Acme {tag}")
        route = f"shop/reamer-{tag}"
        item = {
            "customs_tariff_number": tariff,
            "weight_per_unit": 1.5,
            "weight_uom": "Kg",
            "custom_line": f"Endo {tag}; Rotary {tag}",
            "custom_length_cm": 2.5,
        }
        fields = {
            "brand": brand,
            "route": route,
            "custom_sterile": 1,
            "custom_care": "Autoclave at 134 °C\nقبل الاستعمال",
        }
        name = shop.catalogue.item(shop.group, item=item, **fields)
        bare = shop.catalogue.item(shop.group)
        shop.page(route, title=f"Reamers {tag}")
        shop.write(
            "hs_code: item.customs_tariff_number",
            "variant.hs_code: item.customs_tariff_number",
            "weight: {from: item.weight_per_unit, transforms: [{unit: g, of: item.weight_uom}]}",
            "length: {from: item.custom_length_cm, transforms: [{unit: mm, in: cm}]}",
            "origin_country: {from: item.country_of_origin, transforms: [country_code]}",
            "handle: {template: \"{{ (route or '').split('/') | last }}\"}",
            "tags: {from: item.custom_line, transforms: [{split: ';'}, name]}",
            "metadata.brand: brand",
            "metadata.sterile: {from: custom_sterile, transforms: [yes_no]}",
            "metadata.care: custom_care",
            "metadata.meta_title: {template: '{{ meta.title or web_item_name }}'}",
        )
        shop.night()
        seen = shop.seen(name)
        assert (seen["hs_code"], seen["variants"][0]["hs_code"]) == (tariff, tariff)
        assert (seen["weight"], seen["length"], seen["origin_country"]) == (1500, 25, "om")
        assert seen["handle"] == f"reamer-{tag}"
        assert sorted(one["value"] for one in seen["tags"]) == [f"Endo {tag}", f"Rotary {tag}"]
        made = {key: seen["metadata"].get(key) for key in ("brand", "sterile", "care", "meta_title")}
        assert made == {
            "brand": brand,
            "sterile": True,
            "care": "Autoclave at 134 °C\nقبل الاستعمال",
            "meta_title": f"Reamers {tag}",
        }
        plain = shop.seen(bare)
        assert (plain["hs_code"], plain["weight"], plain["length"], plain["tags"]) == (None, None, None, [])
        assert (plain["metadata"]["sterile"], plain["metadata"].get("care")) == (False, None)
        shop.second_night_writes_nothing()
        code = shop.catalogue.row(name)["item_code"]
        store.save("Item", code, customs_tariff_number=other, weight_uom="Gram", custom_line="", custom_length_cm=0)
        store.save("Website Item", name, custom_sterile=0, custom_care="Autoclave")
        shop.night()
        seen = shop.seen(name)
        assert (seen["hs_code"], seen["weight"], seen["length"], seen["tags"]) == (other, 1.5, None, [])
        assert (seen["metadata"]["sterile"], seen["metadata"]["care"]) == (False, "Autoclave")
        shop.second_night_writes_nothing()

    def test_the_built_in_mapping_as_a_file_changes_nothing(self, shop: MappedShop) -> None:
        shop.catalogue.items(2, shop.group, brand="3M")
        shop.catalogue.item(shop.group, web_long_description="", short_description=None)
        shop.night()
        shop.use((FOLDER / "default.yaml").read_text(encoding="utf-8"))
        shop.second_night_writes_nothing()

    def test_the_example_can_be_used_as_it_is(self, shop: MappedShop) -> None:
        route, weight = f"shop/page-{shop.catalogue.tag}", {"weight_per_unit": 12, "weight_uom": "Gram"}
        name = shop.catalogue.item(shop.group, brand="3M", route=route, item=weight)
        shop.page(route, description="For dentists")
        shop.use((FOLDER / "example.yaml").read_text(encoding="utf-8"))
        run = shop.night()
        assert run.rejects("medusa_products") == []
        seen = shop.seen(name)
        assert (seen["metadata"]["meta_title"], seen["metadata"]["meta_description"]) == (seen["title"], "For dentists")
        assert (seen["weight"], seen["type"]["value"]) == (12, shop.group)
        shop.second_night_writes_nothing()

    def test_a_changed_mapping_updates_products_in_one_call_and_a_removed_row_leaves_what_it_wrote(
        self, shop: MappedShop
    ) -> None:
        names = shop.catalogue.items(5, shop.group, brand="3M")
        shop.write("metadata.maker: {from: brand}", "material: {value: Steel}")
        shop.night()
        shop.write("metadata.maker: {from: brand}", "material: {value: Titanium}", "metadata.grade: {value: 7}")
        shop.medusa.faults.forget_requests()
        run = shop.night()
        assert run.metadata("medusa_product_updates")["updated"] == 5
        assert len(medusa_writes(shop.medusa)) == 1
        assert all(shop.seen(name)["metadata"]["grade"] == 7 for name in names)
        shop.second_night_writes_nothing()
        # Both rows go; the second one with a night in which it says nothing, which empties its field.
        shop.write("metadata.maker: {from: brand}", "metadata.grade: {value: ''}")
        shop.night()
        assert "grade" not in shop.seen(names[0])["metadata"]
        shop.write("metadata.maker: {from: brand}")
        shop.night()
        product = products(shop.medusa, [names[0]])[names[0]]
        assert shop.medusa.admin("GET", f"/admin/products/{product['id']}")["product"]["material"] == "Titanium"
        shop.second_night_writes_nothing()

    def test_a_value_that_cannot_be_made_is_named_and_keeps_nothing_else(self, shop: MappedShop) -> None:
        good = shop.catalogue.item(shop.group, item={"weight_per_unit": 3, "weight_uom": "Gram"})
        unknown = shop.catalogue.item(shop.group, item={"weight_per_unit": 3, "weight_uom": "Box"})
        negative = shop.catalogue.item(shop.group, item={"weight_per_unit": 1, "weight_uom": "Gram"})
        shop.catalogue.store.force("Item", shop.catalogue.row(negative)["item_code"], weight_per_unit=-1)
        shop.write("weight: {from: item.weight_per_unit, transforms: [{unit: g, of: item.weight_uom}]}")
        run = shop.night()
        rejects = {row["document"].removeprefix("Website Item "): row for row in run.rejects("medusa_product_updates")}
        assert {name: row["field"] for name, row in rejects.items()} == {unknown: "weight", negative: "weight"}
        assert "'Box' is not known as one of weight" in rejects[unknown]["reason"]
        assert "line 3" in rejects[unknown]["reason"]
        assert "is less than 0" in rejects[negative]["reason"]
        assert [shop.seen(name)["weight"] for name in (good, unknown, negative)] == [3, None, None]
        shop.second_night_writes_nothing()
        shop.catalogue.store.set("Item", shop.catalogue.row(unknown)["item_code"], weight_uom="Kg")
        assert [row["document"] for row in shop.night().rejects("medusa_product_updates")] == [
            f"Website Item {negative}"
        ]
        assert shop.seen(unknown)["weight"] == 3000

    def test_policies_are_the_rows_own(self, shop: MappedShop) -> None:
        (name,) = shop.catalogue.items(1, shop.group, brand="3M")
        shop.write(
            "material: {from: brand, policy: overwrite}",
            "mid_code: {from: brand, policy: keep}",
            "metadata.maker: {from: brand}",
        )
        shop.night()
        edit(shop.medusa, products(shop.medusa, [name])[name], material="x", mid_code="x", metadata={"maker": "x"})
        assert differences(shop.night()) == [(name, "metadata.maker")]
        edited = shop.medusa.admin("GET", f"/admin/products/{products(shop.medusa, [name])[name]['id']}")["product"]
        assert (edited["material"], edited["mid_code"], edited["metadata"]["maker"]) == ("3M", "x", "x")

    def test_a_new_address_keeps_the_old_one_for_redirects(self, shop: MappedShop) -> None:
        name = shop.catalogue.item(shop.group, route=f"shop/first-{shop.catalogue.tag}")
        shop.night()
        own = shop.seen(name)["handle"]
        shop.write("handle: {template: \"{{ route.split('/') | last }}\"}")
        shop.night()
        seen = shop.seen(name)
        assert (seen["handle"], seen["metadata"]["old_handles"]) == (f"first-{shop.catalogue.tag}", [own])
        shop.catalogue.store.set("Website Item", name, route=f"shop/second-{shop.catalogue.tag}")
        shop.night()
        seen = shop.seen(name)
        assert seen["handle"] == f"second-{shop.catalogue.tag}"
        assert seen["metadata"]["old_handles"] == [own, f"first-{shop.catalogue.tag}"]
        shop.second_night_writes_nothing()

    def test_an_address_that_another_product_has_is_named_and_not_taken(self, shop: MappedShop) -> None:
        there, first, second = shop.catalogue.items(3, shop.group)
        for name, page in ((there, "one"), (first, "two"), (second, "three")):
            shop.catalogue.store.set("Website Item", name, route=f"{page}/{page}-{shop.catalogue.tag}")
        shop.write("handle: {template: \"{{ route.split('/') | last }}\"}")
        shop.night()
        # Now two want the address of the third, and then the same new one.
        for made in (f"one-{shop.catalogue.tag}", f"new-{shop.catalogue.tag}"):
            shop.write(
                f"handle: {{template: \"{{{{ '{made}' if route[:4] != 'one/' else 'one-{shop.catalogue.tag}' }}}}\"}}",
                "material: {value: Steel}",
            )
            run = shop.night()
            refused = {row["document"].removeprefix("Website Item ") for row in run.rejects("medusa_product_updates")}
            assert refused == ({first, second} if made.startswith("one") else {second})
            assert all("has the address" in row["reason"] for row in run.rejects("medusa_product_updates"))
            shop.second_night_writes_nothing()
        handles = [shop.seen(name)["handle"].partition("-")[0] for name in (there, first, second)]
        assert handles == ["one", "new", "three"]

    def test_types_and_tags_are_looked_up_together_and_made_once(self, shop: MappedShop) -> None:
        there = shop.value("Files of steel")
        made = shop.medusa.admin("POST", "/admin/product-types", json={"value": there})["product_type"]["id"]
        shop.catalogue.items(6, shop.group)
        shop.write(f"type: {{value: {there}}}", f"tags: {{value: [{shop.value('New')}, {shop.value('Old')}]}}")
        shop.medusa.faults.forget_requests()
        shop.night()
        asked = [(seen.method, seen.path) for seen in shop.medusa.faults.requests if "/product-t" in seen.path]
        assert asked.count(("POST", "/admin/product-types")) == 0
        assert asked.count(("POST", "/admin/product-tags")) == 2
        assert len(asked) <= 2 + 4, "one look-up of each in each of two assets"
        name = shop.catalogue.names[0]
        seen = shop.seen(name)
        assert seen["type"]["id"] == made
        assert sorted(tag["value"] for tag in seen["tags"]) == sorted((shop.value("New"), shop.value("Old")))
        shop.second_night_writes_nothing()

    def test_a_tag_that_medusa_refuses_is_named_and_its_product_made_all_the_same(self, shop: MappedShop) -> None:
        tag = shop.value("Short")
        name = shop.catalogue.item(shop.group, short_description=tag)
        other = shop.catalogue.item(shop.group, short_description="")
        shop.write("tags: {from: [short_description]}")
        shop.medusa.faults.add(
            Fault("status", method="POST", path="/admin/product-tags", status=400, json=REFUSED, times=2)
        )
        run = shop.night()
        assert [(row["document"], row["field"]) for row in run.rejects("medusa_products")] == [
            (f"Website Item {name}", "tags")
        ]
        assert sorted(products(shop.medusa, [name, other])) == sorted([name, other])
        shop.night()
        assert [one["value"] for one in shop.seen(name)["tags"]] == [tag]

    def test_a_lost_answer_leaves_one_type_and_the_next_run_goes_on_with_it(self, shop: MappedShop) -> None:
        kind = shop.value("Files of steel")
        name = shop.catalogue.item(shop.group)
        shop.write(f"type: {{value: {kind}}}")
        shop.medusa.faults.add(Fault("drop_after", method="POST", path="/admin/product-types", times=1))
        run = shop.runner.assets(EXPORT, "batch_0")
        assert not run.success
        assert any("are left for a retry" in reason for reason in run.reasons())
        shop.night()
        found = shop.medusa.admin("GET", "/admin/product-types", params={"value": [kind]})["product_types"]
        assert len(found) == 1
        assert shop.seen(name)["type"]["id"] == found[0]["id"]
        shop.second_night_writes_nothing()

    def test_a_field_that_the_site_lacks_stops_the_run_before_it_writes(self, shop: MappedShop) -> None:
        shop.catalogue.items(2, shop.group)
        shop.write("material: {from: item.custom_material}", "metadata.x: {from: custom_nothing}")
        shop.medusa.faults.forget_requests()
        run = shop.runner.assets(["medusa_products"], "batch_0")
        assert not run.success
        (reason,) = run.reasons()
        assert f"{shop.file}:3:3: material: the site's Item has no field 'custom_material'" in reason
        assert f"{shop.file}:4:3: metadata.x: the site's Website Item has no field 'custom_nothing'" in reason
        assert medusa_writes(shop.medusa) == []
