"""Names of DocTypes that several parts of the project use."""

WEBSITE_ITEM = "Website Item"
