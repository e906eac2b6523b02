"""Do the fields and documents exist that the tasks write to?"""

from collections.abc import Iterator

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import AccessError, PermanentError
from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.readiness import needs
from erp_medusa_pipelines.readiness.findings import Finding, Level, judged
from erp_medusa_pipelines.sync.catalogue.languages import read_translator
from erp_medusa_pipelines.sync.catalogue.mapping.loading import MappingError, located
from erp_medusa_pipelines.sync.catalogue.mapping.site import missing_fields as missing_of_mapping
from erp_medusa_pipelines.sync.catalogue.shop_table import read_table
from erp_medusa_pipelines.sync.merchandising.item_groups import ItemGroupTree

AREA = "fields"


def custom_fields_are_there(shop: Shop) -> Iterator[Finding]:
    """Yield one finding per DocType: whether it has the fields of needs.CUSTOM_FIELDS, whoever made them."""
    for doctype, fields in needs.CUSTOM_FIELDS.items():
        try:
            missing = missing_fields(shop.erp, doctype)
        except AccessError:
            continue  # Reported with the rights already.
        wrong = f"without {', '.join(missing)}" if missing else ""
        means = "what is sent to Medusa cannot be bound to its document, so nothing is sent"
        yield judged(AREA, doctype, ", ".join(fields), wrong, means, "make the custom fields", fixable=True)


def missing_fields(erp: ErpNextClient, doctype: str) -> list[str]:
    """Return fields of needs.CUSTOM_FIELDS that the site lacks. One request if it has all."""
    wanted = list(needs.CUSTOM_FIELDS[doctype])
    if _reads(erp, doctype, wanted):
        return []
    return [name for name in wanted if not _reads(erp, doctype, [name])]


def _reads(erp: ErpNextClient, doctype: str, fields: list[str]) -> bool:
    try:
        erp.get_list(doctype, ["name", *fields], limit=1)
    except AccessError:
        raise
    except PermanentError as error:
        if error.status == 417 or error.exc_type in ("DataError", "OperationalError"):
            return False
        raise
    return True


def mapping_can_be_used(shop: Shop) -> Iterator[Finding]:
    """Check the file of MAPPING, and that the site has every field that it reads. Without it there is no finding."""
    file = shop.settings.mapping
    if file is None:
        return
    try:
        table = read_table(file)
        faults = missing_of_mapping(shop.erp, table.mapped or ())
    except MappingError as error:
        faults = error.faults
    else:
        if not faults:
            yield Finding(AREA, "mapping", Level.OK, f"{file}: {len(table.mapped or ())} rows")
            return
    means = "the export does not start, and nothing of the catalogue is brought up to date"
    for fault in faults:
        yield Finding(
            AREA, "mapping", Level.FAIL, located(str(file), fault.place, fault.text), means, "correct the mapping"
        )


def tables_of_best_sellers_are_there(shop: Shop) -> Iterator[Finding]:
    """Check that Product Collection has a table for every category of TOP_SELLER_CATEGORIES."""
    document = shop.erp.get_single("Product Collection")
    wanted = shop.settings.top_seller_categories
    missing = [field for field in wanted.values() if field not in document]
    wrong = f"has no table {', '.join(missing)}" if missing else ""
    fix = "correct TOP_SELLER_CATEGORIES, or add the table to Product Collection"
    means = "add_top_selling_items_to_collection fails"
    yield judged(AREA, "Product Collection", ", ".join(wanted.values()), wrong, means, fix)


def groups_of_best_sellers_are_there(shop: Shop) -> Iterator[Finding]:
    """Check that every category of TOP_SELLER_CATEGORIES is an Item Group. Its default names the app's four."""
    wanted, tree = shop.settings.top_seller_categories, ItemGroupTree.read(shop.erp)
    missing = [repr(category) for category in wanted if tree.get(category) is None]
    wrong = f"there is no Item Group {', '.join(missing)}" if missing else ""
    fix = "name Item Groups of yours in TOP_SELLER_CATEGORIES, or add the group"
    means = "add_top_selling_items_to_collection fails"
    yield judged(AREA, "best sellers", f"Item Groups {', '.join(wanted)}", wrong, means, fix)


def homepage_is_there(shop: Shop) -> Iterator[Finding]:
    """Check that the Homepage Landing exists that the clearance task writes to."""
    doctype, name = needs.HOMEPAGE
    wrong = "" if shop.erp.exists(doctype, filters=[["name", "=", name]]) else f"there is no {name}"
    means = "fetch_clearance_items has nowhere to show deals, and fails"
    yield judged(AREA, doctype, name, wrong, means, "make that document", fixable=True)


def languages_have_texts(shop: Shop) -> Iterator[Finding]:
    """Check that the fields of LANGUAGE_FIELDS exist, and that ERPNext has texts in each of LANGUAGES."""
    settings = shop.settings
    translator = read_translator(shop.erp, settings.languages, settings.language_fields)
    if translator is None:
        return
    missing = [name for name in translator.columns if not _reads(shop.erp, WEBSITE_ITEM, [name])]
    if missing:
        found = f"Website Item has no field {', '.join(missing)}"
        yield Finding(AREA, "languages", Level.FAIL, found, "the export stops", "correct LANGUAGE_FIELDS")
        return
    for code in translator.languages.values():
        number = len(translator.texts[code])
        if number or settings.language_fields:
            yield Finding(AREA, "languages", Level.OK, f"{number} Translations into {code}")
        else:
            fix = "correct LANGUAGES, or add Translations"
            found = f"ERPNext has no Translation into {code}"
            yield Finding(AREA, "languages", Level.WARN, found, "no text is shown in it", fix)
