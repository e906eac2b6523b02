"""Item Groups as the category tree that customers browse: its order, its changes, and what is in it. On any Medusa."""

from typing import Any

import pytest

from erp_medusa_sandbox.faults import Fault
from erp_medusa_sandbox.shop.images import image
from tests.suites.edits import edit
from tests.suites.export import EXPORT, products
from tests.support.catalogue import Catalogue
from tests.support.runs import JobRun, Runner
from tests.support.servers import MedusaServer
from tests.support.site import AnyErp
from tests.support.writes import erp_writes, medusa_writes

ASSET = "medusa_categories"
NIGHT = ["medusa_collections", ASSET, *EXPORT[1:]]
ROUTE = "/admin/product-categories"
SEEN = {"limit": 500, "fields": "id,name,handle,description,rank,parent_category_id,metadata"}


def shown(medusa: MedusaServer, catalogue: Catalogue) -> dict[str, dict[str, Any]]:
    """Return this test's categories as a customer sees them, by Item Group."""
    answer = medusa.store("GET", "/store/product-categories", params=SEEN)
    assert answer.status_code == 200, answer.text
    found = {str((one["metadata"] or {}).get("item_group")): one for one in answer.json()["product_categories"]}
    return {name: one for name, one in found.items() if name.endswith(catalogue.tag)}


def paths(medusa: MedusaServer, catalogue: Catalogue) -> list[str]:
    """Return the tree as a customer walks it: by rank, each with its place."""
    found = {one["id"]: one for one in shown(medusa, catalogue).values()}

    def walk(parent: str | None, above: str) -> list[str]:
        siblings = [one for one in found.values() if one["parent_category_id"] == parent]
        walked: list[str] = []
        for one in sorted(siblings, key=lambda each: each["rank"]):
            path = f"{above}/{one['name'].removesuffix(f' {catalogue.tag}')}"
            walked += [path, *walk(one["id"], path)]
        return walked

    return walk(None, "")


def collections(medusa: MedusaServer, catalogue: Catalogue) -> set[str]:
    """Return the Item Groups of this test that have a collection. Customers see each: Medusa cannot hide one."""
    answer = medusa.admin("GET", "/admin/collections", params={"limit": 1000, "fields": "id,metadata"})
    found = {str((one["metadata"] or {}).get("item_group")) for one in answer["collections"]}
    return {name for name in found if name.endswith(catalogue.tag)}


def of_product(medusa: MedusaServer, name: str, tag: str) -> list[str]:
    """Return the names of the categories that a customer finds a product in."""
    product_id = products(medusa, [name])[name]["id"]
    fields = {"fields": "id,*categories"}
    answer = medusa.store("GET", f"/store/products/{product_id}", params=fields)
    assert answer.status_code == 200, answer.text
    return sorted(one["name"].removesuffix(f" {tag}") for one in answer.json()["product"]["categories"])


def night(runner: Runner, **options: Any) -> JobRun:
    run = runner.assets(NIGHT, "batch_0", **options)
    assert run.success, run.reasons()
    return run


def writes_nothing(runner: Runner, medusa: MedusaServer, erp: AnyErp) -> None:
    medusa.faults.forget_requests()
    erp.faults.forget_requests()
    night(runner)
    assert medusa_writes(medusa) == []
    assert erp_writes(erp) == []


@pytest.fixture
def on(shop_env: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Item Groups that are shown in the website become categories."""
    shop_env.setenv("CATEGORIES", "website")
    return shop_env


class Shop:
    """A few Item Groups: Goods above Gloves (Nitrile, Latex) and Files; Gloves is the heavier."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.goods = self.group("Goods", parent=catalogue.root)
        self.files = self.group("Files", parent=self.goods)
        self.gloves = self.group("Gloves", parent=self.goods, weightage=10)
        self.nitrile = self.group("Nitrile", parent=self.gloves)
        self.latex = self.group("Latex", parent=self.gloves)

    def group(self, label: str, *, parent: str, **fields: Any) -> str:
        route = f"{label}-{self.catalogue.tag}".lower()
        return self.catalogue.group(label, parent=parent, **{"show_in_website": 1, "route": route, **fields})

    def set(self, group: str, **fields: Any) -> None:
        self.catalogue.store.set("Item Group", group, **fields)


@pytest.fixture
def shop(catalogue: Catalogue, medusa: MedusaServer) -> Shop:
    """The groups, and a Medusa without the categories of other tests, whose groups this site does not have."""
    asked = {"limit": 1000, "fields": "id,metadata,parent_category_id"}
    left = medusa.admin("GET", ROUTE, params=asked)["product_categories"]
    while left:
        above = {one["parent_category_id"] for one in left}
        for one in [one for one in left if one["id"] not in above]:
            medusa.admin("DELETE", f"{ROUTE}/{one['id']}")
        left = [one for one in left if one["id"] in above]
    return Shop(catalogue)


class CategoriesSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    def test_without_the_setting_there_are_none_and_medusa_is_not_asked_for_them(
        self, shop: Shop, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        name = catalogue.item(shop.nitrile)
        medusa.faults.forget_requests()
        night(runner)
        assert not [seen for seen in medusa.faults.requests if seen.path.startswith(ROUTE)]
        assert shown(medusa, catalogue) == {}
        assert of_product(medusa, name, catalogue.tag) == []

    def test_a_customer_browses_the_tree_in_erpnexts_order(
        self, on: pytest.MonkeyPatch, shop: Shop, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer,
        runner: Runner,
    ) -> None:  # fmt: skip
        shop.set(shop.gloves, description="<p>Sterile &amp; not</p>")
        aside = shop.group("Aside", parent=shop.goods, show_in_website=0)
        below = shop.group("Below", parent=aside, weightage=-1)
        gloves = catalogue.item(shop.nitrile)
        files = catalogue.item(shop.files, website_item_groups=[{"item_group": shop.latex}])
        hidden, none = catalogue.item(aside), catalogue.item(catalogue.group("Nowhere"))
        run = night(runner)
        # A site may have groups of its own: a real ERPNext shows "Products".
        assert run.metadata(ASSET)["written"] == len(catalogue.store.rows("Item Group", show_in_website=1))
        assert len(shown(medusa, catalogue)) == 6
        assert paths(medusa, catalogue) == [
            "/Goods", "/Goods/Gloves", "/Goods/Gloves/Latex", "/Goods/Gloves/Nitrile", "/Goods/Files", "/Goods/Below",
        ]  # fmt: skip
        found = shown(medusa, catalogue)
        assert found[shop.gloves]["description"] == "Sterile & not"
        assert found[shop.gloves]["handle"] == f"gloves-{catalogue.tag}"
        assert of_product(medusa, gloves, catalogue.tag) == ["Nitrile"]
        assert of_product(medusa, files, catalogue.tag) == ["Files", "Latex"]
        # One that is in no category itself is in the next one above.
        assert of_product(medusa, hidden, catalogue.tag) == ["Goods"]
        assert of_product(medusa, none, catalogue.tag) == []
        assert below in found
        writes_nothing(runner, medusa, erp)

    @pytest.mark.long
    def test_moved_and_rearranged_groups_follow_and_keep_their_ids(
        self, on: pytest.MonkeyPatch, shop: Shop, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer,
        runner: Runner,
    ) -> None:  # fmt: skip
        name = catalogue.item(shop.latex)
        night(runner)
        before = {group: one["id"] for group, one in shown(medusa, catalogue).items()}
        # What was below is now above: no moment may have it in a circle.
        shop.set(shop.latex, parent_item_group=shop.goods, weightage=20)
        shop.set(shop.gloves, parent_item_group=shop.latex)
        shop.set(shop.files, parent_item_group=catalogue.root)
        night(runner)
        assert paths(medusa, catalogue) == [
            "/Files", "/Goods", "/Goods/Latex", "/Goods/Latex/Gloves", "/Goods/Latex/Gloves/Nitrile",
        ]  # fmt: skip
        assert {group: one["id"] for group, one in shown(medusa, catalogue).items()} == before
        assert of_product(medusa, name, catalogue.tag) == ["Latex"]
        # A whole tree as the storefront asks for it, also below one that was moved to the top.
        shop.set(shop.latex, parent_item_group=catalogue.root, weightage=-1)
        night(runner)
        asked = {"include_descendants_tree": "true", "fields": "id,name,*category_children", "id": before[shop.latex]}
        (top,) = medusa.store("GET", "/store/product-categories", params=asked).json()["product_categories"]
        (below,) = top["category_children"]
        assert below["id"] == before[shop.gloves]
        writes_nothing(runner, medusa, erp)

    def test_a_renamed_group_keeps_its_category(
        self, on: pytest.MonkeyPatch, shop: Shop, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer,
        runner: Runner,
    ) -> None:  # fmt: skip
        name = catalogue.item(shop.latex)
        night(runner)
        before = shown(medusa, catalogue)[shop.latex]
        renamed = f"Natural rubber {catalogue.tag}"
        catalogue.store.rename_group(shop.latex, renamed)
        night(runner)
        after = shown(medusa, catalogue)
        assert shop.latex not in after
        assert (after[renamed]["id"], after[renamed]["name"]) == (before["id"], renamed)
        assert of_product(medusa, name, catalogue.tag) == ["Natural rubber"]
        writes_nothing(runner, medusa, erp)

    def test_another_route_is_another_handle_and_the_old_one_is_noted(
        self, on: pytest.MonkeyPatch, shop: Shop, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer,
        runner: Runner,
    ) -> None:  # fmt: skip
        night(runner)
        shop.set(shop.latex, route=f"gloves/rubber-{catalogue.tag}")
        night(runner)
        found = shown(medusa, catalogue)[shop.latex]
        assert found["handle"] == f"rubber-{catalogue.tag}"
        assert found["metadata"]["old_handles"] == [f"latex-{catalogue.tag}"]
        writes_nothing(runner, medusa, erp)

    def test_what_is_not_shown_any_more_is_hidden_and_comes_back_with_its_id(
        self, on: pytest.MonkeyPatch, shop: Shop, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer,
        runner: Runner,
    ) -> None:  # fmt: skip
        kept, gone = catalogue.item(shop.latex), shop.group("Gone", parent=shop.goods)
        night(runner)
        before = shown(medusa, catalogue)[shop.latex]["id"]
        shop.set(shop.latex, show_in_website=0)
        catalogue.store.delete("Item Group", gone)
        run = night(runner)
        assert run.metadata(ASSET)["hidden"] == 2
        assert {shop.latex, gone}.isdisjoint(shown(medusa, catalogue))
        assert of_product(medusa, kept, catalogue.tag) == ["Gloves"]
        writes_nothing(runner, medusa, erp)
        shop.set(shop.latex, show_in_website=1)
        night(runner)
        assert shown(medusa, catalogue)[shop.latex]["id"] == before
        assert of_product(medusa, kept, catalogue.tag) == ["Latex"]

    @pytest.mark.long
    def test_what_holds_nothing_for_sale_is_hidden_and_comes_back(
        self, on: pytest.MonkeyPatch, shop: Shop, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer,
        runner: Runner,
    ) -> None:  # fmt: skip
        on.setenv("EMPTY_GROUPS", "remove")
        stays, goes = catalogue.item(shop.nitrile), catalogue.item(shop.files)
        further = catalogue.item(shop.nitrile, website_item_groups=[{"item_group": shop.latex}])
        night(runner)
        assert paths(medusa, catalogue) == [
            "/Goods", "/Goods/Gloves", "/Goods/Gloves/Latex", "/Goods/Gloves/Nitrile", "/Goods/Files",
        ]  # fmt: skip
        before = shown(medusa, catalogue)[shop.files]["id"]
        assert collections(medusa, catalogue) == {shop.nitrile, shop.files}
        for name in (goes, further):
            catalogue.store.set("Website Item", name, published=0)
        night(runner)
        assert shop.files in shown(medusa, catalogue), "its product was still shown when the night began"
        night(runner)
        assert paths(medusa, catalogue) == ["/Goods", "/Goods/Gloves", "/Goods/Gloves/Nitrile"]
        assert collections(medusa, catalogue) == {shop.nitrile}
        assert not catalogue.store.rows("Item Group", name=shop.files)[0]["medusa_id"]
        assert of_product(medusa, stays, catalogue.tag) == ["Nitrile"]
        writes_nothing(runner, medusa, erp)
        catalogue.store.set("Website Item", goes, published=1)
        night(runner)
        assert shown(medusa, catalogue)[shop.files]["id"] == before
        assert collections(medusa, catalogue) == {shop.nitrile, shop.files}
        assert of_product(medusa, goes, catalogue.tag) == ["Files"]
        writes_nothing(runner, medusa, erp)

    def test_a_group_in_which_others_show_a_product_stays(
        self, on: pytest.MonkeyPatch, shop: Shop, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer,
        runner: Runner,
    ) -> None:  # fmt: skip
        name, _other = catalogue.item(shop.files), catalogue.item(shop.latex)
        night(runner)
        (found,) = [one for group, one in shown(medusa, catalogue).items() if group == shop.files]
        row = catalogue.store.rows("Item Group", name=shop.files)[0]
        by_hand = {
            "title": f"By hand {catalogue.tag}", "status": "published", "collection_id": row["medusa_id"],
            "categories": [{"id": found["id"]}], "options": [{"title": "Default", "values": ["Default"]}],
        }  # fmt: skip
        medusa.admin("POST", "/admin/products", json=by_hand)
        on.setenv("EMPTY_GROUPS", "remove")
        catalogue.store.set("Website Item", name, published=0)
        night(runner)
        night(runner)
        assert paths(medusa, catalogue) == ["/Goods", "/Goods/Gloves", "/Goods/Gloves/Latex", "/Goods/Files"]
        assert collections(medusa, catalogue) == {shop.latex, shop.files}
        writes_nothing(runner, medusa, erp)
        on.setenv("EMPTY_GROUPS", "keep")
        night(runner)
        assert "/Goods/Gloves/Nitrile" in paths(medusa, catalogue)

    def test_categories_of_others_stay_as_they_are_and_so_do_their_products(
        self, on: pytest.MonkeyPatch, shop: Shop, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer,
        runner: Runner,
    ) -> None:  # fmt: skip
        name = catalogue.item(shop.latex)
        night(runner)
        latex = shown(medusa, catalogue)[shop.latex]["id"]
        goods = shown(medusa, catalogue)[shop.goods]["id"]
        body = {"name": f"Offers {catalogue.tag}", "is_active": True, "parent_category_id": goods, "rank": 1}
        offers = medusa.admin("POST", ROUTE, json=body)["product_category"]["id"]
        edit(medusa, products(medusa, [name])[name], categories=[{"id": offers}])
        medusa.admin("POST", f"{ROUTE}/{latex}", json={"name": "By hand", "description": "By hand"})
        run = night(runner)
        assert run.metadata("medusa_product_updates")["updated"] == 1
        assert of_product(medusa, name, catalogue.tag) == ["Latex", "Offers"]
        # The name is ERPNext's; of the description it has none.
        assert shown(medusa, catalogue)[shop.latex]["description"] == "By hand"
        found = medusa.admin("GET", f"{ROUTE}/{offers}?fields=id,rank,name")["product_category"]
        assert (found["rank"], found["name"]) == (1, f"Offers {catalogue.tag}")
        shop.set(shop.files, weightage=11)
        night(runner)
        order = [path for path in paths(medusa, catalogue) if path.count("/") == 2]
        assert order == ["/Goods/Files", "/Goods/Gloves"]
        assert medusa.admin("GET", f"{ROUTE}/{offers}?fields=rank")["product_category"]["rank"] in (0, 1, 2)
        writes_nothing(runner, medusa, erp)

    def test_a_circle_of_groups_is_named_and_changes_nothing(
        self, on: pytest.MonkeyPatch, shop: Shop, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        night(runner)
        before = paths(medusa, catalogue)
        catalogue.store.force("Item Group", shop.gloves, parent_item_group=shop.latex)
        run = runner.asset(ASSET)
        assert {row["document"] for row in run.rejects(ASSET)} == {
            f"Item Group {group}" for group in (shop.gloves, shop.latex, shop.nitrile)
        }
        assert "lies below itself" in run.rejects(ASSET)[0]["reason"]
        assert paths(medusa, catalogue) == before

    def test_groups_that_hold_items_can_be_meant_instead(
        self, shop_env: pytest.MonkeyPatch, shop: Shop, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        shop_env.setenv("CATEGORIES", "used")
        for group in (shop.goods, shop.gloves, shop.latex):
            shop.set(group, show_in_website=0)
        catalogue.item(shop.latex)
        catalogue.item(shop.files, published=0)
        night(runner)
        # In a real ERPNext all of it lies below the site's own root.
        found = [path.removeprefix("/All") for path in paths(medusa, catalogue) if path != "/All"]
        assert found == ["/Goods", "/Goods/Gloves", "/Goods/Gloves/Latex"]

    @pytest.mark.embedded_erp("pictures are written into its own folder")
    def test_a_picture_is_uploaded_once(
        self, on: pytest.MonkeyPatch, shop: Shop, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer,
        runner: Runner,
    ) -> None:  # fmt: skip
        item = catalogue.item(shop.latex, published=0)
        file = catalogue.store.attach(item, f"group-{catalogue.tag}.png", image("png", 7))
        (row,) = catalogue.store.rows("File", name=file)
        shop.set(shop.latex, image=row["file_url"])
        night(runner)
        address = shown(medusa, catalogue)[shop.latex]["metadata"]["image"]
        assert address.endswith(".png")
        writes_nothing(runner, medusa, erp)
        shop.set(shop.latex, image="/files/missing.png")
        run = night(runner)
        (reject,) = run.rejects(ASSET)
        assert (reject["document"], reject["field"]) == (f"Item Group {shop.latex}", "image")
        assert shown(medusa, catalogue)[shop.latex]["metadata"]["image"] == address
        shop.set(shop.latex, image=None)
        night(runner)
        assert "image" not in shown(medusa, catalogue)[shop.latex]["metadata"]

    def test_a_category_whose_answer_was_lost_is_not_made_twice(
        self, on: pytest.MonkeyPatch, shop: Shop, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        medusa.faults.add(Fault("drop_after", method="POST", path=f"^{ROUTE}$", body=shop.gloves, times=1))
        assert runner.asset(ASSET).success
        assert len(shown(medusa, catalogue)) == 5
        everything = medusa.admin("GET", ROUTE, params={"limit": 1000, "fields": "id,external_id"})
        assert [one["external_id"] for one in everything["product_categories"]].count(shop.gloves) == 1

    def test_one_that_medusa_refuses_holds_up_only_what_is_below_it(
        self, on: pytest.MonkeyPatch, shop: Shop, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        said = {"type": "invalid_data", "message": "no such name"}
        medusa.faults.add(Fault("status", method="POST", path=f"^{ROUTE}$", body=shop.gloves, status=400, json=said))
        run = runner.asset(ASSET)
        assert [row["document"] for row in run.rejects(ASSET)] == [f"Item Group {shop.gloves}"]
        assert run.metadata(ASSET)["waiting"] == 2
        assert paths(medusa, catalogue) == ["/Goods", "/Goods/Files"]
        medusa.faults.heal()
        assert runner.asset(ASSET).success
        assert len(shown(medusa, catalogue)) == 5
