"""All checks of a shop, in the order in which an operator fixes things."""

from collections.abc import Iterator

from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.readiness import (
    catalogue,
    fields,
    frappe_app,
    medusa_shop,
    prices,
    rights,
    servers,
    site,
)
from erp_medusa_pipelines.readiness.findings import Examination, Finding, Level, examine

SERVERS: tuple[tuple[str, Examination[Shop]], ...] = (
    ("ERPNext", servers.erpnext_answers),
    ("Medusa", servers.medusa_answers),
)
OF_ERPNEXT: tuple[tuple[str, Examination[Shop]], ...] = (
    (rights.AREA, rights.user_may_do_the_work),
    (fields.AREA, fields.custom_fields_are_there),
    (fields.AREA, fields.mapping_can_be_used),
    (fields.AREA, fields.tables_of_best_sellers_are_there),
    (fields.AREA, fields.groups_of_best_sellers_are_there),
    (fields.AREA, fields.homepage_is_there),
    (fields.AREA, fields.languages_have_texts),
    (servers.WAY, servers.longest_address_reaches_erpnext),
    (site.AREA, site.ids_are_written_fast),
    (site.AREA, site.clocks_agree),
    (site.AREA, site.requests_are_not_limited),
    (site.AREA, site.mail_can_leave),
    (site.AREA, site.strangers_see_nothing),
    (frappe_app.AREA, frappe_app.jobs_are_known),
    (frappe_app.AREA, frappe_app.saves_still_work),
    (frappe_app.AREA, frappe_app.prices_have_no_old_ids),
    (frappe_app.AREA, frappe_app.mails_have_one_sender),
)
OF_MEDUSA: tuple[tuple[str, Examination[Shop]], ...] = (
    (servers.WAY, servers.longest_address_reaches_medusa),
    (medusa_shop.AREA, medusa_shop.channel_and_locations_are_named),
)
OF_BOTH: tuple[tuple[str, Examination[Shop]], ...] = (
    (medusa_shop.AREA, medusa_shop.languages_are_known),
    (medusa_shop.AREA, medusa_shop.currency_can_be_sold_in),
    (medusa_shop.AREA, medusa_shop.ids_point_to_something),
    (medusa_shop.AREA, medusa_shop.categories_have_groups),
    (catalogue.AREA, catalogue.settings_have_effect),
    (catalogue.AREA, catalogue.parents_are_named),
    (catalogue.CHOICE, catalogue.rules_name_what_exists),
    (prices.AREA, prices.groups_get_their_prices),
    (prices.AREA, prices.lists_of_groups_are_whole),
    (prices.AREA, prices.customers_get_their_own_prices),
    (prices.AREA, prices.further_lists_can_be_shown),
    (prices.AREA, prices.rules_can_be_said),
)


def examine_shop(shop: Shop) -> Iterator[Finding]:
    """Return every finding about both servers, without checks that need a server which does not answer."""
    bad = set()
    for finding in examine(shop, SERVERS):
        if finding.level in (Level.FAIL, Level.UNKNOWN):
            bad.add(finding.area)
        yield finding
    if "ERPNext" not in bad:
        yield from examine(shop, OF_ERPNEXT)
    if "Medusa" not in bad:
        yield from examine(shop, OF_MEDUSA)
    if not bad:
        yield from examine(shop, OF_BOTH)
