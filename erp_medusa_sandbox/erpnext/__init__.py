"""The embedded ERPNext: Frappe's REST API on a small SQLite store."""
