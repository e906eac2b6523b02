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
            'Stock locations of warehouses, and of all warehouses below them, as JSON: {"Muscat - ST":'
            ' "sloc_..."}. All other warehouses belong to MEDUSA_STOCK_LOCATION_ID'
        ),
    )
    erpnext_price_list: str = Field(
        "Standard Selling", min_length=1, description="Price List whose Item Prices the shop shows"
    )
    medusa_admin_email: str | None = Field(
        None,
        description=(
            "Optional, with MEDUSA_ADMIN_PASSWORD: a Medusa admin that the pipelines log in as instead of"
            " using the key. Checking a key costs Medusa about 50 ms of CPU in each request, a token 8 ms"
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
            'How often a schedule may start its task before it stops for good, as JSON: {"expire_otps": 100}.'
            " Tasks that are not named have no limit"
        ),
    )
    export_batches: int = Field(
        4, ge=1, le=256, description="Number of batches (partitions) that Website Items are divided into"
    )
    changes_interval: int = Field(
        30,
        ge=5,
        le=3600,
        description="Seconds between two checks of the sensor `follow_changes` for changes in ERPNext",
    )


class Catalogue(BaseSettings):
    """Catalogue: what is sent, who wins, when a product goes live."""

    shop_items: ItemRule = Field(
        default_factory=dict,
        description=(
            "Which published Website Items go to this shop, as JSON of values by field; empty for all:"
            ' {"item_group": ["Dental", "Medical"], "brand": ["3M"]} selects those that have one of the values'
            " in each field. An Item Group includes all groups below it; other names are fields of the Website"
            " Item, or of its Item with item_code. in front"
        ),
    )
    languages: Languages = Field(
        default_factory=dict,
        description=(
            "Further languages of names and descriptions, as JSON from Medusa's locale to ERPNext's Language:"
            ' {"ar-OM": "ar"}. The texts are ERPNext\'s Translations, or those of LANGUAGE_FIELDS. They go to'
            " Medusa's Translation module if it is on, or else to the metadata, under translations"
        ),
    )
    language_fields: LanguageFields = Field(
        default_factory=dict,
        description=(
            "Fields of the Website Item that hold the texts of a language and take precedence over"
            ' Translations, as JSON: {"title": "custom_web_item_name_{language}"}; for title, subtitle and'
            " description"
        ),
    )
    sales_channels: dict[str, ItemRule] = Field(
        default_factory=dict,
        description=(
            'Sales channels by rules like those of SHOP_ITEMS, as JSON: {"sc_01...": {"item_group":'
            ' ["Dental"]}, "sc_02...": {"brand": ["3M", "GC"]}}. A product is in each channel whose rule it'
            " meets; one that meets none is in MEDUSA_SALES_CHANNEL_ID"
        ),
    )
    field_policies: FieldPolicies = Field(
        default_factory=dict,
        description=(
            'What happens to fields that somebody changed in Medusa, as JSON: {"title": "keep"}. "overwrite"'
            " restores the ERP's value each night, \"until_erp_changes\" keeps Medusa's value until the ERP's"
            ' changes, "keep" sends a field only when the product is created. Names and defaults:'
            " docs/tasks.md, Fields of a product"
        ),
    )
    mapping: Path | None = Field(
        None,
        description=(
            "File with the mapping: which ERPNext fields fill Medusa's fields, and how (docs/mapping.md). The"
            " default is what `erp-medusa mapping` prints"
        ),
    )
    publish_when: PublishWhen = Field(
        "created",
        description=(
            "When products are published: `created`, or `complete`: once they have a picture, a price and"
            " stock. They stay published after that"
        ),
    )
    withdrawn_items: WithdrawnItems = Field(
        "draft",
        description=(
            "What happens to the product of a Website Item that is no longer for sale (not published,"
            " disabled, deleted, not selected by SHOP_ITEMS): `draft` hides it, `delete` hides it and deletes"
            " it after WITHDRAWN_DAYS, `keep` leaves it in the shop for somebody to decide, orphaned products"
            " too"
        ),
    )
    withdrawn_days: int = Field(
        30,
        ge=0,
        le=3650,
        description=(
            "With WITHDRAWN_ITEMS=delete, days after which a hidden product is deleted if nobody changed it"
            " and no order needs it; until then it can return with its ids"
        ),
    )
    orphaned_products: OrphanPolicy = Field(
        "draft",
        description=(
            "What happens to exported products that no Website Item owns any more: `draft` hides them,"
            " `report` leaves them as they are; a check lists them in either case"
        ),
    )
    variants: Variants = Field(
        "products",
        description=(
            "How variants of a template are shown: each as a product of its own (`products`); all as one"
            " product of the template, with its attributes as options (`options`); or likewise all Website"
            " Items with the same Parent Website Item, a field of the Frappe app (`parents`). docs/tasks.md"
            " says what switching does"
        ),
    )
    unused_option_values: OptionValues = Field(
        "keep",
        description=(
            "With VARIANTS=options or parents, what happens to option values that no variant uses any more:"
            " `keep` leaves them, visible but not selectable; `remove` removes them, including those that"
            " others added"
        ),
    )
    categories: CategoriesOf = Field(
        "off",
        description=(
            "Which Item Groups become Medusa's product categories, as a tree: `website`, those with Show in"
            " Website; `used`, those that hold published Website Items, and all above them; or `off`."
            " Collections are not affected"
        ),
    )
    empty_groups: EmptyGroups = Field(
        "keep",
        description=(
            "What happens to categories and collections of Item Groups with nothing for sale: `keep` leaves"
            " them, `hide` hides the categories (Medusa cannot hide collections), `remove` also deletes the"
            " collections. One in which Medusa shows a product stays"
        ),
    )
    prices_allow_zero: bool = Field(
        False, description="Show Item Prices with a rate of 0 as free; otherwise they are rejected"
    )
    further_price_lists: dict[str, str] = Field(
        default_factory=dict,
        description=(
            'Further Price Lists that the shop shows, as JSON: {"Export USD": "", "Gulf": "reg_..."}. One'
            " without a region is for everybody who buys in its currency, and no other list may have that"
            " currency; one with the id of a Medusa region is for that region"
        ),
    )
    tax_inclusive_price_lists: dict[str, bool] = Field(
        default_factory=dict,
        description=(
            'Whether the rates of Price Lists include taxes, as JSON: {"Standard Selling": true}. Medusa'
            " stores this per currency; currencies of lists that are not named stay as they are"
        ),
    )
    price_groups: bool = Field(
        False,
        description=(
            "Show customers the prices of their own Price List: that of their Customer, or else of their"
            " Customer Group (default_price_list). Their accounts become members of Medusa customer groups, by"
            " e-mail address"
        ),
    )
    customer_prices: bool = Field(
        False,
        description=(
            "Show customers the Item Prices that name their Customer, which then apply before all others of their Price"
            " List. Each such Customer gets a Medusa customer group; requires PRICE_GROUPS"
        ),
    )
    pricing_rules: bool = Field(
        False,
        description=(
            "Apply ERPNext's Pricing Rules for items, Item Groups and brands: a rule that makes an item"
            " cheaper becomes a sale price list, with its dates and quantities. Rules that Medusa cannot"
            " express are listed with the reason"
        ),
    )
    price_packs: bool = Field(
        False,
        description=(
            "Apply the rate of an Item Price with a packing unit from that many pieces on; otherwise such"
            " rows are left out"
        ),
    )
    erpnext_company: str | None = Field(
        None, description="Company whose Pricing Rules apply; optional if all rules name the same one"
    )
    stock_quantity: Literal["available", "actual"] = Field(
        "available",
        description=(
            "How much of an item is offered: `available` is the stock less expired batches, orders from"
            " elsewhere and safety stock, in warehouses that goods are sold from; `actual` is everything on"
            " hand in its warehouses"
        ),
    )
    safety_stock: float = Field(
        0,
        ge=0,
        description="Pieces of each item that are held back, unless its Item has a safety stock of its own",
    )
    image_max_bytes: int = Field(
        5 * 1024 * 1024, ge=1024, description="Largest image file that is uploaded to Medusa; larger ones are rejected"
    )


class Merchandising(BaseSettings):
    """Best sellers and clearance: what is ranked and listed."""

    top_seller_categories: TopSellerCategories = Field(
        default_factory=lambda: dict(TOP_SELLER_CATEGORIES),
        description=(
            "Categories whose best sellers are shown, as JSON: Item Group (with all its descendants) to the"
            " child table of Product Collection"
        ),
    )
    top_seller_count: int = Field(20, ge=1, le=500, description="Best sellers shown per category")
    top_seller_days: int | None = Field(
        None, ge=1, le=36500, description="Count only sales from the last N days; default: all sales"
    )
    top_seller_quantity: Literal["qty", "stock_qty"] = Field(
        "qty",
        description=(
            "Which quantity of an invoice line is counted: qty as sold (a box is 1), or stock_qty (a box of 100 is 100)"
        ),
    )
    top_seller_include_hidden: bool = Field(
        False, description="Also rank items that are disabled or not published on the website"
    )
    clearance_days: int = Field(
        60, ge=0, le=3650, description="Batches that expire within N days are listed for clearance"
    )


class Minute(BaseSettings):
    """Mails and passwords: the two tasks that run every minute."""

    quotation_emails_per_run: int = Field(200, ge=1, le=5000, description="Most quotation mails that one run sends")
    quotation_email_attempts: int = Field(
        6,
        ge=1,
        le=50,
        description="Failed attempts after which a mail is abandoned; ERPNext itself gives up after four",
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
            "Secret that signs unsubscribe links: a long random text, the same as the option `secret` of the"
            " plugin (medusa_plugin/README.md)"
        ),
    )
    mail_by: Literal["erpnext", "smtp"] = Field(
        "erpnext",
        description=(
            "How mails to customers are sent: through ERPNext's Email Queue, or directly through a mail server"
        ),
    )
    smtp_url: SmtpUrl | None = Field(
        None,
        description=(
            "With MAIL_BY=smtp, the mail server: smtp://$USER:$PASSWORD@host:587, or smtps:// if it only"
            " supports TLS; special characters in the password are URL-encoded (@ is %40)"
        ),
    )
    mail_from: MailFrom | None = Field(
        None,
        description='Sender of mails: "Shop of Muscat <shop@example.com>"; through ERPNext, its default account',
    )
    mail_shop_title: str = Field("Our shop", min_length=1, description="Name of the shop in the mails to customers")
    mail_language: str = Field(
        "en",
        pattern="^[a-z]{2,3}$",
        description=(
            "Language of mails to customers whose cart names no language with a template: en, ar, or one of yours"
        ),
    )
    mail_templates: Path | None = Field(
        None, description="Folder of your own mail templates, which take precedence over ours (docs/storefront.md)"
    )
    mail_quiet_hours: QuietHours = Field(
        "22:00-08:00",
        description=(
            "Hours in which customers get no mail, by the clock of SCHEDULE_TIMEZONE; mails that are due"
            " wait. 00:00-00:00 means never"
        ),
    )
    unsubscribe_url: LinkTemplate | None = Field(
        None,
        description=(
            "Page that unsubscribes a customer, with {customer} and {signature}; default: the plugin's page,"
            " if it is installed. Without either, no customer gets a mail"
        ),
    )
    cart_url: LinkTemplate | None = Field(
        None,
        description=(
            "Page of the storefront that shows a cart again, with {cart}:"
            " https://shop.example.com/cart?id={cart}. Without it, nobody gets a mail about a cart"
        ),
    )
    product_url: LinkTemplate | None = Field(
        None, description="Page of a product, with {handle}: https://shop.example.com/products/{handle}"
    )
    abandoned_cart_hours: float = Field(
        24.0,
        gt=0,
        description="Hours without a change after which a cart is abandoned and its customer gets a mail",
    )
    abandoned_cart_days: float = Field(
        14.0, gt=0, description="Days after which an abandoned cart is too old for a mail"
    )
    abandoned_carts_per_run: int = Field(
        500, ge=1, le=5000, description="Most mails about abandoned carts that one run sends"
    )
    abandoned_cart_mails_per_week: int = Field(
        1, ge=1, le=100, description="Most mails about abandoned carts that one customer gets within seven days"
    )
    newsletter_per_run: int = Field(
        2000,
        ge=1,
        le=100_000,
        description="Most newsletters that one run sends; the next one, an hour later, continues",
    )
    weekly_report_to: list[MailAddress] = Field(
        default_factory=list,
        description=(
            'Who gets the weekly report by mail, as JSON: ["erp@example.com"]; if empty, it is sent like an alert'
        ),
    )
    expired_cart_days: int = Field(
        90,
        ge=1,
        le=3650,
        description=(
            "Days without a change after which a cart is deleted; never a completed one, or one with a payment session"
        ),
    )
    expired_carts_per_run: int = Field(10_000, ge=1, description="Most carts that one run deletes")
