"""The settings, a class per section of `.env.example` and docs/settings.md.

A section's docstring is its heading and, after the colon, the line below it. `settings.py` puts the sections together.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from erp_medusa_pipelines.setting_types import (
    CategoriesOf,
    EmptyGroups,
    FieldPolicies,
    ItemRule,
    Key,
    LanguageFields,
    Languages,
    LinkTemplate,
    MailAddress,
    MailFrom,
    OptionValues,
    OrphanPolicy,
    PublishWhen,
    QuietHours,
    ServerUrl,
    SmtpUrl,
    Times,
    TopSellerCategories,
    Variants,
    WithdrawnItems,
    ZoneName,
)

TOP_SELLER_CATEGORIES = {
    "Dental": "dental_items",
    "Medical": "medical_items",
    "Infection Control": "infection_control_items",
    "Medical Laboratory IVD": "medical_laboratory_ivd_items",
}


class Servers(BaseSettings):
    """Required: both servers. All five, or USE_SANDBOX=true alone."""

    erpnext_url: ServerUrl | None = Field(None, description="Address of ERPNext, e.g. https://erp.example.com")
    erpnext_api_key: Key | None = Field(None, description="API key of the ERPNext user that the pipelines act as")
    erpnext_api_secret: Key | None = Field(None, description="API secret of that user")
    medusa_url: ServerUrl | None = Field(
        None, description="Address of the Medusa backend, e.g. https://api.example.com"
    )
    medusa_api_key: Key | None = Field(None, description="Secret API key of Medusa (sk_...)")


class Shop(BaseSettings):
    """Shop: which part of Medusa is filled, and which prices are shown."""

    medusa_sales_channel_id: str | None = Field(
        None, description="Sales channel that products are put into; optional if the shop has only one"
    )
    medusa_shipping_profile_id: str | None = Field(
        None, description="Shipping profile of all products; defaults to the shop's default profile"
    )
    medusa_stock_location_id: str | None = Field(
        None, description="Stock location whose levels are kept; optional if the shop has only one"
    )
    warehouse_stock_locations: dict[str, str] = Field(
        default_factory=dict,
        description=(
            'Stock locations of warehouses and all below them, as JSON: {"Muscat - ST": "sloc_..."}.'
            " Other warehouses count for MEDUSA_STOCK_LOCATION_ID"
        ),
    )
    erpnext_price_list: str = Field(
        "Standard Selling", min_length=1, description="Price List whose Item Prices the shop shows"
    )
    medusa_admin_email: str | None = Field(
        None,
        description=(
            "Optional, with MEDUSA_ADMIN_PASSWORD: an admin of Medusa, in whose name the pipelines log in instead of"
            " using the key. Medusa spends some 50 ms of CPU on checking a key, in each request, and 8 ms on a token"
        ),
    )
    medusa_admin_password: SecretStr | None = Field(None, description="Password of MEDUSA_ADMIN_EMAIL")


class Schedules(BaseSettings):
    """Schedules: when tasks run, and in how many parts."""

    schedule_timezone: ZoneName = Field(
        "UTC", description="Time zone of the schedules' clock times; set it to the time zone of the ERPNext site"
    )
    schedules: dict[str, str] = Field(
        default_factory=dict,
        description=(
            'Cron lines that differ from the crontab (docs/tasks.md), as JSON: {"update_webitem_stock": "0 */6 * * *"}.'
            " They are read in SCHEDULE_TIMEZONE"
        ),
    )
    execution_limits: dict[str, Times] = Field(
        default_factory=dict,
        description=(
            'How often a schedule may start its task before it is stopped for good, as JSON: {"expire_otps": 100}.'
            " Tasks that are not named have no limit"
        ),
    )
    export_batches: int = Field(
        4, ge=1, le=256, description="Number of batches (partitions) that Website Items are divided into"
    )
    changes_interval: int = Field(
        30, ge=5, le=3600, description="Seconds between two questions of the sensor `follow_changes` what changed"
    )


class Catalogue(BaseSettings):
    """Catalogue: what is sent, who wins, when a product goes live."""

    shop_items: ItemRule = Field(
        default_factory=dict,
        description=(
            "Which Website Items go to this shop, as JSON of values by field; empty for all that are published:"
            ' {"item_group": ["Dental", "Medical"], "brand": ["3M"]} takes those that have one of the values in each of'
            " the fields. An Item Group stands for all below it too; other fields are those of the Website Item, or of"
            " its Item with item_code. before them"
        ),
    )
    languages: Languages = Field(
        default_factory=dict,
        description=(
            "Further languages of names and descriptions, as JSON: Medusa's locale to ERPNext's Language,"
            ' {"ar-OM": "ar"}. Their texts are ERPNext\'s Translations, or those of LANGUAGE_FIELDS; the storefront'
            " finds them in Medusa's own translations where that module is on, else in the metadata under translations"
        ),
    )
    language_fields: LanguageFields = Field(
        default_factory=dict,
        description=(
            "Fields of the Website Item that hold the texts of a language, and go before Translations, as JSON:"
            ' {"title": "custom_web_item_name_{language}"}; for title, subtitle and description'
        ),
    )
    sales_channels: dict[str, ItemRule] = Field(
        default_factory=dict,
        description=(
            "Sales channels by rules like that of SHOP_ITEMS, as JSON:"
            ' {"sc_01...": {"item_group": ["Dental"]}, "sc_02...": {"brand": ["3M", "GC"]}}. A product is in each'
            " channel whose rule it meets; one that meets none is in MEDUSA_SALES_CHANNEL_ID"
        ),
    )
    field_policies: FieldPolicies = Field(
        default_factory=dict,
        description=(
            'What becomes of fields that somebody changed in Medusa, as JSON: {"title": "keep"}. "overwrite" restores'
            ' the ERP\'s value each night, "until_erp_changes" lets Medusa\'s stand until the ERP\'s changes, "keep"'
            " sends a field only when the product is created. Names and defaults: docs/tasks.md, Fields of a"
            " product"
        ),
    )
    mapping: Path | None = Field(
        None,
        description=(
            "File of the mapping: which field of Medusa is made of which fields of ERPNext, and how (docs/mapping.md)."
            " Without it, as `erp-medusa mapping` prints"
        ),
    )
    publish_when: PublishWhen = Field(
        "created",
        description=(
            "When products are published: `created`, or `complete`: once they have a picture, a price and stock."
            " They stay published after that"
        ),
    )
    withdrawn_items: WithdrawnItems = Field(
        "draft",
        description=(
            "What becomes of the product of a Website Item that is not for sale any more (not published, disabled,"
            " deleted, not taken by SHOP_ITEMS): `draft` hides it, `delete` hides it, and deletes it after"
            " WITHDRAWN_DAYS, `keep` leaves it in the shop for somebody to decide, and orphaned products too"
        ),
    )
    withdrawn_days: int = Field(
        30,
        ge=0,
        le=3650,
        description=(
            "With WITHDRAWN_ITEMS=delete, days after which a hidden product is deleted that nobody changed since, and"
            " that no order needs; until then it comes back with its ids"
        ),
    )
    orphaned_products: OrphanPolicy = Field(
        "draft",
        description=(
            "What becomes of products of the export that no Website Item owns any more: `draft` hides them, `report`"
            " leaves them as they are; either way a check lists them"
        ),
    )
    variants: Variants = Field(
        "products",
        description=(
            "How variants of a template are shown: each as a product of its own (`products`), or all as one product of"
            " the template with its attributes as options (`options`), or likewise all Website Items that name the same"
            " Parent Website Item, a field of the Frappe app (`parents`). docs/tasks.md says what switching does"
        ),
    )
    unused_option_values: OptionValues = Field(
        "keep",
        description=(
            "With VARIANTS=options or parents, what becomes of values of an option that no variant has any more: `keep`"
            " leaves them in the option, where customers see and cannot choose them; `remove` takes them out, also what"
            " others added"
        ),
    )
    categories: CategoriesOf = Field(
        "off",
        description=(
            "Which Item Groups become product categories of Medusa, as a tree: `website`, those with Show in Website;"
            " `used`, those that hold published Website Items, and all above them; or `off`. Collections stay as they"
            " are"
        ),
    )
    empty_groups: EmptyGroups = Field(
        "keep",
        description=(
            "What becomes of categories and collections of Item Groups that hold nothing for sale: `keep` leaves them,"
            " `hide` hides the categories, which Medusa cannot do with collections, `remove` deletes the collections as"
            " well. One in which Medusa shows a product stays"
        ),
    )
    prices_allow_zero: bool = Field(
        False, description="Show Item Prices with a rate of 0 as free; otherwise they are rejected"
    )
    further_price_lists: dict[str, str] = Field(
        default_factory=dict,
        description=(
            'Further Price Lists that the shop shows, as JSON: {"Export USD": "", "Gulf": "reg_..."}. One without a'
            " region is for everybody who buys in its currency, which no other list may have; one with the id of a"
            " region in Medusa is for that region"
        ),
    )
    tax_inclusive_price_lists: dict[str, bool] = Field(
        default_factory=dict,
        description=(
            'Whether the rates of Price Lists include taxes, as JSON: {"Standard Selling": true}. Medusa gets it for'
            " the currency of each; what is not named stays as it is there"
        ),
    )
    price_groups: bool = Field(
        False,
        description=(
            "Show customers the prices of their own Price List: that of their Customer, else of their Customer Group"
            " (default_price_list). Their accounts become members of customer groups in Medusa, by e-mail address"
        ),
    )
    pricing_rules: bool = Field(
        False,
        description=(
            "Apply ERPNext's Pricing Rules for items, Item Groups and brands: what makes an item cheaper becomes a sale"
            " price list, with its dates and quantities. Those that Medusa cannot say are listed, with the reason"
        ),
    )
    price_packs: bool = Field(
        False,
        description=(
            "Ask the rate of an Item Price with a packing unit from as many pieces on; otherwise such rows are left out"
        ),
    )
    erpnext_company: str | None = Field(
        None, description="Company whose Pricing Rules count; may be left out when all of them name the same"
    )
    stock_quantity: Literal["available", "actual"] = Field(
        "available",
        description=(
            "What is sold of an item: available is the stock less expired batches, orders from elsewhere and safety"
            " stock, from warehouses that goods are sold from; actual is all that lies in the warehouses"
        ),
    )
    safety_stock: float = Field(
        0,
        ge=0,
        description="Pieces of each item that are not sold, where its Item has no safety stock of its own",
    )
    image_max_bytes: int = Field(
        5 * 1024 * 1024, ge=1024, description="Largest image file that is uploaded to Medusa; larger ones are rejected"
    )


class Merchandising(BaseSettings):
    """Best sellers and clearance: what is ranked and listed."""

    top_seller_categories: TopSellerCategories = Field(
        default_factory=lambda: dict(TOP_SELLER_CATEGORIES),
        description=(
            "Categories whose best sellers are shown: Item Group (with all its descendants) to the child table of"
            " Product Collection, as JSON"
        ),
    )
    top_seller_count: int = Field(20, ge=1, le=500, description="Best sellers shown per category")
    top_seller_days: int | None = Field(
        None, ge=1, le=36500, description="Count only sales from the last N days; default: all sales"
    )
    top_seller_quantity: Literal["qty", "stock_qty"] = Field(
        "qty",
        description="What is counted of an invoice line: qty as sold (a box is 1), or stock_qty (a box of 100 is 100)",
    )
    top_seller_include_hidden: bool = Field(
        False, description="Rank items too that are disabled or not published on the website"
    )
    clearance_days: int = Field(
        60, ge=0, le=3650, description="Batches that expire within N days are listed for clearance"
    )


class Minute(BaseSettings):
    """Mails and passwords: the two tasks that run every minute."""

    quotation_emails_per_run: int = Field(200, ge=1, le=5000, description="Quotation mails that one run sends at most")
    quotation_email_attempts: int = Field(
        6, ge=1, le=50, description="Failed attempts after which a mail is given up; ERPNext itself gives up after four"
    )
    quotation_email_retry_minutes: float = Field(
        5.0, gt=0, description="Minutes before a mail that failed is tried again; doubled with every attempt"
    )
    quotation_email_stuck_minutes: float = Field(
        15.0, gt=0, description="Minutes in `Sending` after which a mail is reported as stuck"
    )
    otp_retention_days: int | None = Field(
        None,
        ge=1,
        description=(
            "Days after which Expired and Verified one-time passwords are deleted, never those of registered addresses"
            " (logged_in); empty keeps all"
        ),
    )


class Storefront(BaseSettings):
    """Storefront: mails to customers, and carts that were left. Optional; see docs/storefront.md."""

    medusa_plugin_secret: SecretStr | None = Field(
        None,
        description=(
            "Secret that signs the links by which customers end all mails: a long random text, the same as the option"
            " `secret` of the plugin (medusa_plugin/README.md)"
        ),
    )
    mail_by: Literal["erpnext", "smtp"] = Field(
        "erpnext",
        description="How mails to customers go out: through ERPNext's Email Queue, or straight to a mail server",
    )
    smtp_url: SmtpUrl | None = Field(
        None,
        description=(
            "With MAIL_BY=smtp, the mail server: smtp://$USER:$PASSWORD@host:587, or smtps:// where it speaks TLS only;"
            " signs in the password as in a web address (@ is %40)"
        ),
    )
    mail_from: MailFrom | None = Field(
        None,
        description='Who mails are from: "Shop of Muscat <shop@example.com>"; through ERPNext, its default account',
    )
    mail_shop_title: str = Field("Our shop", min_length=1, description="Name of the shop in the mails to customers")
    mail_language: str = Field(
        "en",
        pattern="^[a-z]{2,3}$",
        description="Language of mails to customers whose cart names none that there is a template for: en, ar, yours",
    )
    mail_templates: Path | None = Field(
        None, description="Folder of your own templates of mails, which go before ours (docs/storefront.md)"
    )
    mail_quiet_hours: QuietHours = Field(
        "22:00-08:00",
        description=(
            "Hours in which customers get no mail, by the clock of SCHEDULE_TIMEZONE; what is due waits. 00:00-00:00"
            " is never"
        ),
    )
    unsubscribe_url: LinkTemplate | None = Field(
        None,
        description=(
            "Page that ends all mails, with {customer} and {signature}; default: the page of the plugin, where that is"
            " installed. Without either no customer gets a mail"
        ),
    )
    cart_url: LinkTemplate | None = Field(
        None,
        description=(
            "Page of the storefront that shows a cart again, with {cart}: https://shop.example.com/cart?id={cart}."
            " Without it nobody gets a mail about a cart"
        ),
    )
    product_url: LinkTemplate | None = Field(
        None, description="Page of a product, with {handle}: https://shop.example.com/products/{handle}"
    )
    abandoned_cart_hours: float = Field(
        24.0,
        gt=0,
        description="Hours after which a cart that nobody touches is abandoned, and its customer gets a mail",
    )
    abandoned_cart_days: float = Field(
        14.0, gt=0, description="Days after which an abandoned cart is too old for a mail"
    )
    abandoned_carts_per_run: int = Field(
        500, ge=1, le=5000, description="Mails about abandoned carts that one run sends at most"
    )
    abandoned_cart_mails_per_week: int = Field(
        1, ge=1, le=100, description="Mails about abandoned carts that one customer gets within seven days"
    )
    newsletter_per_run: int = Field(
        2000,
        ge=1,
        le=100_000,
        description="Newsletters that one run sends at most; the next one, an hour later, continues",
    )
    weekly_report_to: list[MailAddress] = Field(
        default_factory=list,
        description='Who gets the weekly report by mail, as JSON: ["erp@example.com"]; without it, as alerts are sent',
    )
    expired_cart_days: int = Field(
        90,
        ge=1,
        le=3650,
        description=(
            "Days after which a cart that nobody touches is deleted; never a completed one, nor one that somebody"
            " began to pay for"
        ),
    )
    expired_carts_per_run: int = Field(10_000, ge=1, description="Carts that one run deletes at most")
