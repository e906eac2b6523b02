"""Names of the DocTypes that several parts of the project speak of."""

WEBSITE_ITEM = "Website Item"
